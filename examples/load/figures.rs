//! What was counted, as a table.

use std::fmt::Write as _;
use std::time::Duration;

use crate::crowd::Tally;

/// What happened in a span of time.
#[derive(Debug)]
pub struct Figures {
    /// What people saw.
    pub tally: Tally,
    /// How long it was.
    pub elapsed: Duration,
    /// What the bot used, on all cores together.
    pub bot_cpu: Duration,
    /// What this program used.
    pub own_cpu: Duration,
    /// The bot's memory at the end.
    pub resident_kib: u64,
}

impl Figures {
    /// Updates answered in a second.
    pub fn updates_per_second(&self) -> f64 {
        per_second(self.tally.answers.len(), self.elapsed)
    }

    /// The table; `unanswered` people waited in vain after the end.
    pub fn table(&self, title: &str, unanswered: usize) -> String {
        let Tally { answers, dialogues, wrong, unasked, refused } = &self.tally;
        let mut sorted = answers.clone();
        sorted.sort_unstable();
        let at = |hundredths| milliseconds(percentile(&sorted, hundredths));
        let seconds = self.elapsed.as_secs_f64();
        let each = self.bot_cpu.as_secs_f64() * 1e6 / number(answers.len().max(1));
        let rows = [
            ("updates/s", format!("{:.0}", self.updates_per_second())),
            ("dialogues/s", format!("{:.0}", per_second(*dialogues, self.elapsed))),
            ("reply, ms", format!("p50 {}  p90 {}  p99 {}  max {}", at(50), at(90), at(99), at(100))),
            (
                "amiss",
                format!("wrong {wrong}  unasked {unasked}  refused {refused}  unanswered {unanswered}"),
            ),
            (
                "bot's CPU",
                format!("{:.2} cores, {each:.0} µs an update", self.bot_cpu.as_secs_f64() / seconds),
            ),
            ("load's CPU", format!("{:.2} cores", self.own_cpu.as_secs_f64() / seconds)),
            ("bot's memory", memory(self.resident_kib)),
        ];
        let mut table = format!("{title}\n");
        for (name, value) in rows {
            writeln!(table, "  {name:<14} {value}").expect("a string takes any text");
        }
        table
    }
}

/// Kilobytes as people read them.
pub fn memory(kib: u64) -> String {
    format!("{}.{} MiB", kib / 1024, kib % 1024 * 10 / 1024)
}

fn per_second(count: usize, span: Duration) -> f64 {
    number(count) / span.as_secs_f64()
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("a load is bounded in people and time"))
}

/// The value that so many hundredths of `sorted` do not exceed.
fn percentile(sorted: &[Duration], hundredths: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * hundredths / 100).copied().unwrap_or_default()
}

fn milliseconds(span: Duration) -> String {
    format!("{:.1}", span.as_secs_f64() * 1e3)
}
