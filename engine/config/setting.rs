//! Values that are one word in `config.yaml`: a span, a size, a limit that may be off.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use chrono_tz::Tz;
use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::parse_span;

/// A value read from one word and written back the same way.
pub trait Setting: Sized {
    /// What the word must look like, for people: "a span like `150ms`".
    fn form() -> String;
    /// Reads the word; `None` when it is of another form.
    fn read(word: &str) -> Option<Self>;
    /// Writes the shortest word that reads as this value.
    fn write(&self) -> String;
}

/// Bytes: `64KiB`, `1MiB` or a plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub usize);

impl Size {
    /// So many KiB.
    pub const fn kib(count: usize) -> Size {
        Size(count * 1024)
    }

    /// So many MiB.
    pub const fn mib(count: usize) -> Size {
        Size(count * 1024 * 1024)
    }

    /// The same in bytes.
    pub const fn bytes(self) -> usize {
        self.0
    }
}

/// A limit people may switch off with `off` or `0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit<T>(Option<T>);

impl<T: Copy> Limit<T> {
    /// No limit.
    pub const OFF: Limit<T> = Limit(None);

    /// A limit of `value`. Zero is not a limit: nothing would pass; it is written [`Limit::OFF`].
    pub const fn of(value: T) -> Limit<T> {
        Limit(Some(value))
    }

    /// The limit, `None` when it is off.
    pub const fn get(self) -> Option<T> {
        self.0
    }
}

impl Setting for Duration {
    fn form() -> String {
        "a span like `150ms`, `10s`, `5m`, `2h` or `1d`".to_owned()
    }

    fn read(word: &str) -> Option<Duration> {
        parse_span(word)
    }

    fn write(&self) -> String {
        let millis = self.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        let unit = units.into_iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
        let (unit, name) = unit.unwrap_or((1, "ms"));
        format!("{}{name}", millis / unit)
    }
}

impl Setting for Size {
    fn form() -> String {
        "a size like `64KiB`, `1MiB` or a number of bytes".to_owned()
    }

    fn read(word: &str) -> Option<Size> {
        let unit_at = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
        let (number, unit) = word.split_at(unit_at);
        let unit = match unit.trim() {
            "" | "B" => 1,
            "KiB" => 1024,
            "MiB" => 1024 * 1024,
            "GiB" => 1024 * 1024 * 1024,
            _ => return None,
        };
        number.parse::<usize>().ok()?.checked_mul(unit).map(Size)
    }

    fn write(&self) -> String {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let unit = units.into_iter().find(|(unit, _)| self.0 > 0 && self.0.is_multiple_of(*unit));
        let (unit, name) = unit.unwrap_or((1, ""));
        format!("{}{name}", self.0 / unit)
    }
}

impl Setting for NonZeroU32 {
    fn form() -> String {
        "a whole number from 1".to_owned()
    }

    fn read(word: &str) -> Option<NonZeroU32> {
        word.parse().ok()
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Setting for SocketAddr {
    fn form() -> String {
        "an address and a port like `127.0.0.1:8080` or `[::]:8080`".to_owned()
    }

    fn read(word: &str) -> Option<SocketAddr> {
        word.parse().ok()
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Setting for Tz {
    fn form() -> String {
        "a time zone like `Europe/Moscow`".to_owned()
    }

    fn read(word: &str) -> Option<Tz> {
        word.parse().ok()
    }

    fn write(&self) -> String {
        self.name().to_owned()
    }
}

impl<T: Setting> Setting for Limit<T> {
    fn form() -> String {
        format!("{}, or `off`", T::form())
    }

    fn read(word: &str) -> Option<Limit<T>> {
        let number = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let zero = !number.is_empty() && number.chars().all(|c| c == '0');
        // `0s` and `0KiB` are still checked as words of their kind; a bare `0` needs no unit.
        match word {
            "off" | "0" => Some(Limit(None)),
            _ if zero => T::read(word).map(|_| Limit(None)),
            _ => T::read(word).map(|value| Limit(Some(value))),
        }
    }

    fn write(&self) -> String {
        self.0.as_ref().map_or_else(|| "off".to_owned(), T::write)
    }
}

/// For `#[serde(with = "setting")]` on types that serde knows in another form.
pub(super) fn serialize<T: Setting, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.write())
}

/// For `#[serde(with = "setting")]`: the scalar as it was typed, so that `off` is no boolean here.
pub(super) fn deserialize<'de, T: Setting, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_str(Word(PhantomData))
}

impl<T: Setting> Serialize for Limit<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self, serializer)
    }
}

impl<'de, T: Setting> Deserialize<'de> for Limit<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Limit<T>, D::Error> {
        deserialize(deserializer)
    }
}

struct Word<T>(PhantomData<T>);

impl<T: Setting> Visitor<'_> for Word<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&T::form())
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<T, E> {
        T::read(word.trim()).ok_or_else(|| E::invalid_value(Unexpected::Other(&format!("`{word}`")), &self))
    }
}
