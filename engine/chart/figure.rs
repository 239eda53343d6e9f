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

/// Round marks of a scale that covers `low..=high`: two to seven of them, whole numbers a step apart.
pub fn marks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low).max(1.0) / 4.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|&step| step >= rough)
        .unwrap_or(10.0 * power)
        .max(1.0);
    let first = (low / step).floor();
    let last = (high / step).ceil();
    let mut marks = Vec::new();
    let mut mark = first;
    while mark <= last {
        marks.push(mark * step);
        mark += 1.0;
    }
    if marks.len() == 1 {
        marks.push(marks[0] + step);
    }
    marks
}
