//! Figures as people read them.

use serde::{Deserialize, Serialize};

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Whole roubles.
    Roubles,
    /// People, visits, barbershops.
    Count,
    /// Parts of a hundred.
    Percent,
}

impl Unit {
    /// A figure in full: `1 234 567 ₽`, `612`, `61 %`.
    pub fn whole(self, value: f64) -> String {
        let digits = grouped(value.round());
        match self {
            Unit::Roubles => format!("{digits}\u{a0}₽"),
            Unit::Count => digits,
            Unit::Percent => format!("{digits}\u{a0}%"),
        }
    }

    /// A figure for a scale, where there is little room: `1,2 млн`, `350 тыс`.
    pub fn short(self, value: f64) -> String {
        let (scaled, word) = match value.abs() {
            1_000_000.0.. => (value / 1_000_000.0, "\u{a0}млн"),
            10_000.0.. => (value / 1_000.0, "\u{a0}тыс"),
            _ => return if self == Unit::Percent { self.whole(value) } else { grouped(value.round()) },
        };
        let rounded = (scaled * 10.0).round() / 10.0;
        let digits = if rounded.fract() == 0.0 { format!("{rounded:.0}") } else { format!("{rounded:.1}") };
        format!("{}{word}", digits.replace('.', ",").replace('-', "−"))
    }
}

/// A whole number with its thousands apart.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    if value < 0.0 && digits != "0" {
        text.push('−');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{a0}');
        }
        text.push(digit);
    }
    text
}

/// How much `now` is above or below `before`, in words for a badge; `None` when there is nothing to compare with.
pub fn growth(now: f64, before: f64) -> Option<(String, bool)> {
    if before == 0.0 {
        return None;
    }
    let percent = ((now - before) / before.abs() * 100.0).round();
    let sign = if percent > 0.0 { "+" } else { "" };
    Some((format!("{sign}{}\u{a0}%", grouped(percent)), percent >= 0.0))
}

/// The scale of a plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// What its lower edge stands for.
    pub bottom: f64,
    /// What its upper edge stands for.
    pub top: f64,
    /// Two to seven round figures between them, a step apart; of whole figures the step is whole, too.
    pub marks: Vec<f64>,
}

/// The room above the highest figure, and below the lowest that is negative.
const ROOM: f64 = 0.1;

impl Scale {
    /// The scale of figures between `low` and `high`; zero is always on it.
    ///
    /// Its edges are no marks: rounded up to one, they would leave up to half of the plot empty.
    pub fn of(low: f64, high: f64) -> Scale {
        let (low, high) = (low.min(0.0), high.max(0.0));
        let span = if high > low { high - low } else { 1.0 };
        let bottom = if low < 0.0 { low - span * ROOM } else { 0.0 };
        let top = if high > 0.0 || low == 0.0 { high.max(low + span) + span * ROOM } else { span * ROOM };
        let rough = (top - bottom) / 4.0;
        let power = 10_f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|factor| factor * power);
        let mut steps = steps.filter(|step| span < 1.0 || step.fract() == 0.0);
        // Twice as wide at most: on one side of zero there is half of the plot, which must have a mark.
        let fits = |step: &f64| (rough..=2.0 * rough).contains(step);
        let step = steps.clone().find(fits).or_else(|| steps.rfind(|step| *step < rough));
        let step = step.unwrap_or(10.0 * power);
        let mut marks = Vec::new();
        let mut mark = (bottom / step).ceil();
        while mark * step <= top {
            marks.push(mark * step + 0.0); // Never a zero with a minus.
            mark += 1.0;
        }
        Scale { bottom, top, marks }
    }
}
