//! What everybody met, as a table.

use std::fmt;
use std::time::Duration;

use crate::desk::{Desk, OFFICE};
use crate::person::Life;

/// Of each kind of trouble so many are shown whole.
const SHOWN: usize = 3;

#[derive(Debug, Default)]
pub struct Report {
    life: Life,
    people: usize,
    /// What the office was told of talks that broke.
    broken: Vec<String>,
    struck: u64,
    tasks: usize,
    twins: usize,
}

impl Report {
    pub fn add(&mut self, life: Life) {
        self.people += 1;
        let all = &mut self.life;
        all.answers.extend(life.answers);
        all.unanswered.extend(life.unanswered);
        all.dead_ends.extend(life.dead_ends);
        all.failures.extend(life.failures);
        all.doubts += life.doubts;
        all.put_off += life.put_off;
    }

    /// Looks into the office's chat and at the portal.
    pub fn of_office(&mut self, desk: &Desk) {
        let told = desk.telegram.messages(OFFICE).into_iter().map(|message| message.text().to_owned());
        self.broken =
            told.filter(|text| text.contains("остановился") || text.contains("не начался")).collect();
        (self.struck, self.tasks, self.twins) = desk.troubles();
    }

    pub fn is_well(&self) -> bool {
        let Life { unanswered, dead_ends, failures, .. } = &self.life;
        unanswered.is_empty()
            && dead_ends.is_empty()
            && failures.is_empty()
            && self.broken.is_empty()
            && self.twins == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Life { answers, unanswered, dead_ends, failures, doubts, put_off } = &self.life;
        let mut sorted = answers.clone();
        sorted.sort_unstable();
        let at = |hundredths: usize| {
            let place = (sorted.len() * hundredths / 100).min(sorted.len().saturating_sub(1));
            sorted.get(place).copied().unwrap_or(Duration::ZERO).as_millis()
        };
        writeln!(f, "people          {}", self.people)?;
        writeln!(f, "deeds answered  {}", answers.len())?;
        writeln!(f, "answer, ms      p50 {}  p90 {}  p99 {}  max {}", at(50), at(90), at(99), at(100))?;
        writeln!(f, "calls amiss     {}", self.struck)?;
        writeln!(f, "put off         {put_off}, told of a doubt {doubts}")?;
        writeln!(f, "tasks           {}, made twice {}", self.tasks, self.twins)?;
        let troubles = [
            ("unanswered", unanswered),
            ("dead ends", dead_ends),
            ("our failures", failures),
            ("broken talks", &self.broken),
        ];
        for (name, all) in troubles {
            writeln!(f, "{name:<15} {}", all.len())?;
            for one in all.iter().take(SHOWN) {
                writeln!(f, "  — {}", one.replace('\n', "\n    "))?;
            }
        }
        Ok(())
    }
}
