//! Money, in whole kopecks: nothing here is a fraction, so nothing is lost in sums.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// An amount in kopecks, or in hundredths of whatever the currency is; negative for what was given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kopecks(pub i64);

impl Kopecks {
    /// Reads a decimal number of roubles: `1434750`, `2049.64`, `-12,5`, `1 434 750,50`, also with no-break spaces.
    ///
    /// A third digit after the point is rounded to the nearest kopeck, halves away from zero. `None`: it is no
    /// number, or more than an `i64` of kopecks holds.
    ///
    /// ```
    /// # use borodach::money::Kopecks;
    /// assert_eq!(Kopecks::parse("2161.51"), Some(Kopecks(216_151)));
    /// assert_eq!(Kopecks::parse("1 434 750,5"), Some(Kopecks(143_475_050)));
    /// assert_eq!(Kopecks::parse("много"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Kopecks> {
        let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (sign, digits) = match plain.strip_prefix(['-', '−']) {
            Some(digits) => (-1, digits),
            None => (1, plain.as_str()),
        };
        let (roubles, fraction) = digits.split_once(['.', ',']).unwrap_or((digits, ""));
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if roubles.is_empty() || !is_number(roubles) || !is_number(fraction) {
            return None;
        }
        let digit = |at: usize| fraction.as_bytes().get(at).map_or(0, |byte| i64::from(byte - b'0'));
        let kopecks = digit(0) * 10 + digit(1) + i64::from(digit(2) >= 5);
        let whole = roubles.parse::<i64>().ok()?.checked_mul(100)?.checked_add(kopecks)?;
        Some(Kopecks(sign * whole))
    }
}

impl fmt::Display for Kopecks {
    /// As services write it: roubles with a point and two digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let whole = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", whole / 100, whole % 100)
    }
}

impl Add for Kopecks {
    type Output = Kopecks;
    fn add(self, other: Kopecks) -> Kopecks {
        Kopecks(self.0.saturating_add(other.0))
    }
}

impl Sub for Kopecks {
    type Output = Kopecks;
    fn sub(self, other: Kopecks) -> Kopecks {
        Kopecks(self.0.saturating_sub(other.0))
    }
}

impl Sum for Kopecks {
    fn sum<I: Iterator<Item = Kopecks>>(amounts: I) -> Kopecks {
        amounts.fold(Kopecks(0), Add::add)
    }
}
