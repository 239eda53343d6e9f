//! The two databases behind one face: the same arguments, the same rows.

use serde::Serialize;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{FromRow, Postgres, Sqlite};

use super::error::Error;

/// A value bound to a statement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Arg<'a> {
    Number(i64),
    MaybeNumber(Option<i64>),
    Text(&'a str),
    MaybeText(Option<&'a str>),
}

impl From<i64> for Arg<'_> {
    fn from(number: i64) -> Self {
        Arg::Number(number)
    }
}

impl From<Option<i64>> for Arg<'_> {
    fn from(number: Option<i64>) -> Self {
        Arg::MaybeNumber(number)
    }
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(text: &'a str) -> Self {
        Arg::Text(text)
    }
}

impl<'a> From<&'a Rows> for Arg<'a> {
    fn from(rows: &'a Rows) -> Self {
        Arg::Text(rows.as_str())
    }
}

impl<'a> From<Option<&'a str>> for Arg<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Arg::MaybeText(text)
    }
}

/// What a row of either database can be read into.
pub(super) trait Record:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Record for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// Connections for reading.
#[derive(Clone, Debug)]
pub(super) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Binds the arguments in order; the two builders share no trait that would let a function do it.
macro_rules! bound {
    ($query:expr, $args:expr) => {{
        let mut query = $query;
        for arg in $args {
            query = match *arg {
                Arg::Number(number) => query.bind(number),
                Arg::MaybeNumber(number) => query.bind(number),
                Arg::Text(text) => query.bind(text),
                Arg::MaybeText(text) => query.bind(text),
            };
        }
        query
    }};
}
pub(super) use bound;

impl Pool {
    /// Reads all rows. `doing` completes "the database refused to …".
    pub async fn rows<T: Record>(
        &self,
        doing: &'static str,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> Result<Vec<T>, Error> {
        match self {
            Pool::Sqlite(pool) => bound!(sqlx::query_as::<Sqlite, T>(sql), args).fetch_all(pool).await,
            Pool::Postgres(pool) => bound!(sqlx::query_as::<Postgres, T>(sql), args).fetch_all(pool).await,
        }
        .map_err(|source| Error::of(doing, source))
    }

    /// Waits until every connection is closed.
    pub async fn close(&self) {
        match self {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}

/// Rows for one statement: a JSON array in one argument, so that the number of statements does not
/// depend on the number of rows. A row is written where it arises; the writer only joins the texts.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    text: String,
    count: usize,
}

impl Default for Rows {
    fn default() -> Rows {
        Rows { text: String::from("[]"), count: 0 }
    }
}

impl Rows {
    /// The rows of one statement.
    pub fn of<T: Serialize>(rows: impl IntoIterator<Item = T>) -> Rows {
        let mut all = Rows::default();
        for row in rows {
            all.push(&row);
        }
        all
    }

    /// Adds a row.
    pub fn push(&mut self, row: &impl Serialize) {
        let row = serde_json::to_string(row).expect("a row has named columns, so it is writable as JSON");
        self.append(&row, 1);
    }

    /// Adds the rows of another.
    pub fn extend(&mut self, other: &Rows) {
        if !other.is_empty() {
            self.append(&other.text[1..other.text.len() - 1], other.count);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn into_text(self) -> String {
        self.text
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Writes `inner`, `count` rows already joined by commas, before the closing bracket.
    fn append(&mut self, inner: &str, count: usize) {
        self.text.pop();
        if self.count > 0 {
            self.text.push(',');
        }
        self.text.push_str(inner);
        self.text.push(']');
        self.count += count;
    }
}

/// An enum that is kept as a word: the words are written once.
macro_rules! words {
    ($(#[$about:meta])* pub enum $name:ident {
        $($(#[$doc:meta])* $variant:ident = $word:literal,)+
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// The word it is kept as.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }

            /// Reads the word; `what` names its place in the error.
            pub fn parse(
                what: &'static str,
                word: &str,
            ) -> Result<$name, $crate::store::Error> {
                match word {
                    $($word => Ok($name::$variant),)+
                    _ => Err($crate::store::Error::Unknown { what, value: word.to_owned() }),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}
pub(super) use words;
