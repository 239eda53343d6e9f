//! A transaction. Statements whose answers nobody needs wait for the next one that is asked something, and go with it:
//! each way to the database and back costs more than most statements.

use std::mem;

use futures::TryStreamExt as _;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection as _, Either, Executor as _, Row as _, SqlSafeStr as _};
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection};

use super::database::{Arg, Record, Rows, bound};
use super::error::Error;

/// A writer's own connection, with or without an open transaction.
#[derive(Debug)]
pub(super) struct Tx {
    connection: Connection,
    waiting: Vec<Waiting>,
    /// How many inserts of this transaction have something to tell.
    inserts: usize,
    /// What those that were sent have told, in their order.
    told: Vec<String>,
}

/// A connection for writing.
#[derive(Debug)]
pub(super) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Says whether the transaction may go on after what a statement came to; first comes how many rows it was given.
pub(super) type Judge = fn(usize, Result<Came, Error>) -> Result<(), Error>;

/// An insert into a table whose rows get growing numbers in the column `id`; it tells of the rows that are new. All in
/// one row: a row of its own for each would interrupt SQLite's thread, and whoever waits here.
#[derive(Debug)]
pub(super) struct Insert {
    /// Completes "the database refused to …".
    pub doing: &'static str,
    /// For SQLite.
    pub sql: &'static str,
    /// What the last insert of SQLite has to tell.
    pub newest: &'static str,
    /// For `PostgreSQL`.
    pub telling: &'static str,
}

/// An insert that tells of each new row what `columns` name.
macro_rules! insert {
    ($doing:literal, $table:literal, $columns:literal, $sql:literal) => {
        $crate::store::tx::Insert {
            doing: $doing,
            sql: $sql,
            newest: concat!(
                "select json_group_array(json_array(",
                $columns,
                ")) from (select ",
                $columns,
                " from ",
                $table,
                " order by id desc limit changes())"
            ),
            telling: concat!(
                "with new as (",
                $sql,
                " returning ",
                $columns,
                ") select coalesce(cast(json_agg(json_build_array(",
                $columns,
                ")) as text), '[]') from new"
            ),
        }
    };
}
pub(super) use insert;

/// Gives what an insert has told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket(Option<usize>);

/// What a statement came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Came {
    /// Rows it wrote.
    pub touched: u64,
    /// The first number it returned.
    pub found: Option<i64>,
    /// The first text it returned; only inserts do.
    told: Option<String>,
}

/// A statement that is not sent yet.
#[derive(Debug)]
struct Waiting {
    doing: &'static str,
    sql: &'static str,
    rows: Rows,
    number: Option<i64>,
    judge: Judge,
}

/// Whatever a statement came to will do.
pub(super) fn whatever(_: usize, came: Result<Came, Error>) -> Result<(), Error> {
    came.map(drop)
}

/// Every row must be written: one that is not was written before.
pub(super) fn all_touched(count: usize, came: Result<Came, Error>) -> Result<(), Error> {
    if came?.touched < count as u64 { Err(Error::AlreadyDone) } else { Ok(()) }
}

/// Reads what one statement came to off a stream that may go on with the next one's.
macro_rules! came {
    ($stream:expr, $doing:expr) => {{
        let mut came = Came::default();
        loop {
            match $stream.try_next().await {
                Ok(Some(Either::Right(row))) => {
                    came.found = came.found.or_else(|| row.try_get(0).ok());
                    came.told = came.told.or_else(|| row.try_get(0).ok());
                }
                Ok(Some(Either::Left(done))) => break Ok(Came { touched: done.rows_affected(), ..came }),
                Ok(None) => break Ok(came),
                Err(source) => break Err(Error::of($doing, source)),
            }
        }
    }};
}

impl Tx {
    /// Over a connection that has no transaction open.
    pub fn over(connection: Connection) -> Tx {
        Tx { connection, waiting: Vec::new(), inserts: 0, told: Vec::new() }
    }

    /// Whether an open transaction locks the whole database.
    pub fn locks_all(&self) -> bool {
        match self.connection {
            Connection::Sqlite(_) => true,
            Connection::Postgres(_) => false,
        }
    }

    /// Opens a transaction that may write.
    pub async fn begin(&mut self) -> Result<(), Error> {
        let doing = "open a transaction";
        self.inserts = 0;
        self.told.clear();
        if self.locks_all() {
            // A deferred transaction that reads first may find the lock taken when it comes to write.
            let sql = "begin immediate";
            self.waiting.push(Waiting { doing, sql, rows: Rows::default(), number: None, judge: whatever });
            return Ok(());
        }
        self.run(doing, "begin", &[]).await.map(drop)
    }

    /// Commits what was sent; the driver's own error, because its meaning depends on the database.
    pub async fn commit(&mut self) -> Result<(), sqlx::Error> {
        match &mut self.connection {
            Connection::Sqlite(connection) => sqlx::query("commit").execute(connection).await.map(drop),
            Connection::Postgres(connection) => sqlx::query("commit").execute(connection).await.map(drop),
        }
    }

    /// Gives the transaction up.
    pub async fn roll_back(&mut self) -> Result<(), Error> {
        self.waiting.clear();
        self.run("roll back", "rollback", &[]).await.map(drop)
    }

    /// Has a statement run for many rows at once, and perhaps with a number, before whatever is asked next; none,
    /// when there are no rows. `doing` completes "the database refused to …".
    pub fn later(
        &mut self,
        doing: &'static str,
        sql: &'static str,
        rows: Rows,
        number: Option<i64>,
        judge: Judge,
    ) {
        if !rows.is_empty() {
            self.waiting.push(Waiting { doing, sql, rows, number, judge });
        }
    }

    /// Sends what waits.
    pub async fn flush(&mut self) -> Result<(), Error> {
        let waiting = mem::take(&mut self.waiting);
        match &mut self.connection {
            _ if waiting.is_empty() => Ok(()),
            Connection::Sqlite(connection) => {
                together(connection, waiting, &mut self.told, "", "", &[]).await.map(drop)
            }
            Connection::Postgres(connection) => one_by_one(connection, waiting, &mut self.told).await,
        }
    }

    /// Reads the rows a statement returns. `doing` completes "the database refused to …".
    pub async fn rows<T: Record>(
        &mut self,
        doing: &'static str,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> Result<Vec<T>, Error> {
        let waiting = mem::take(&mut self.waiting);
        match &mut self.connection {
            Connection::Sqlite(connection) => {
                let (rows, _) = together(connection, waiting, &mut self.told, doing, sql, args).await?;
                rows.iter().map(|row| T::from_row(row)).collect()
            }
            Connection::Postgres(connection) => {
                one_by_one(connection, waiting, &mut self.told).await?;
                bound!(sqlx::query_as::<Postgres, T>(sql), args).fetch_all(connection).await
            }
        }
        .map_err(|source| Error::of(doing, source))
    }

    /// Runs a statement and tells how many rows it touched.
    pub async fn run(
        &mut self,
        doing: &'static str,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> Result<u64, Error> {
        let waiting = mem::take(&mut self.waiting);
        match &mut self.connection {
            Connection::Sqlite(connection) => together(connection, waiting, &mut self.told, doing, sql, args)
                .await
                .map(|(_, touched)| touched),
            Connection::Postgres(connection) => {
                one_by_one(connection, waiting, &mut self.told).await?;
                let done = bound!(sqlx::query::<Postgres>(sql), args).execute(connection).await;
                done.map(|done| done.rows_affected()).map_err(|source| Error::of(doing, source))
            }
        }
    }

    /// Inserts many rows at once, before whatever is asked next; the ticket gives what the insert tells.
    pub fn insert(&mut self, insert: &Insert, rows: Rows) -> Ticket {
        if rows.is_empty() {
            return Ticket(None);
        }
        if self.locks_all() {
            self.later(insert.doing, insert.sql, rows, None, whatever);
            let (doing, sql, rows) = (insert.doing, insert.newest, Rows::default());
            self.waiting.push(Waiting { doing, sql, rows, number: None, judge: whatever });
        } else {
            self.later(insert.doing, insert.telling, rows, None, whatever);
        }
        self.inserts += 1;
        Ticket(Some(self.inserts - 1))
    }

    /// What an insert tells of its new rows, in no order; whatever waits is sent before.
    pub async fn told<T: DeserializeOwned>(&mut self, ticket: Ticket) -> Result<Vec<T>, Error> {
        self.flush().await?;
        let Ticket(Some(number)) = ticket else { return Ok(Vec::new()) };
        let told = self.told.get(number).map_or("", String::as_str);
        let unreadable = |_| Error::Unknown { what: "what an insert tells", value: told.to_owned() };
        serde_json::from_str(told).map_err(unreadable)
    }

    /// Closes the connection, if that is still possible.
    pub async fn close(self) {
        // A broken connection cannot say goodbye, and nothing depends on it.
        let _ = match self.connection {
            Connection::Sqlite(connection) => connection.close().await,
            Connection::Postgres(connection) => connection.close().await,
        };
    }
}

/// Sends statements to SQLite as one text, so that its thread is woken once. Returns the last one's rows, and how
/// many it touched.
async fn together(
    connection: &mut SqliteConnection,
    waiting: Vec<Waiting>,
    told: &mut Vec<String>,
    doing: &'static str,
    sql: &'static str,
    args: &[Arg<'_>],
) -> Result<(Vec<SqliteRow>, u64), Error> {
    let mut text = String::new();
    let mut bound = 0;
    for waits in &waiting {
        bound += number_on(&mut text, waits.sql, bound);
    }
    number_on(&mut text, sql, bound);
    // Nothing but our own constants is in it.
    let text = if waiting.is_empty() { sql.into_sql_str() } else { AssertSqlSafe(text).into_sql_str() };
    let mut query = sqlx::query::<Sqlite>(text);
    let mut judges = Vec::with_capacity(waiting.len());
    for Waiting { doing, rows, number, judge, .. } in waiting {
        judges.push((doing, rows.len(), judge));
        if !rows.is_empty() {
            query = query.bind(rows.into_text());
        }
        if let Some(number) = number {
            query = query.bind(number);
        }
    }
    // The stream of the executor, not of the query: only SQLite knows several statements in one text.
    let mut stream = connection.fetch_many(bound!(query, args));
    for (doing, count, judge) in judges {
        judged(judge, count, came!(stream, doing), told)?;
    }
    let (mut rows, mut touched) = (Vec::new(), 0);
    while let Some(step) = stream.try_next().await.map_err(|source| Error::of(doing, source))? {
        match step {
            Either::Left(done) => touched = done.rows_affected(),
            Either::Right(row) => rows.push(row),
        }
    }
    Ok((rows, touched))
}

/// Sends statements to `PostgreSQL`, which takes them one by one.
async fn one_by_one(
    connection: &mut PgConnection,
    waiting: Vec<Waiting>,
    told: &mut Vec<String>,
) -> Result<(), Error> {
    for Waiting { doing, sql, rows, number, judge } in waiting {
        let mut query = sqlx::query::<Postgres>(sql).bind(rows.as_str());
        if let Some(number) = number {
            query = query.bind(number);
        }
        let mut stream = connection.fetch_many(query);
        judged(judge, rows.len(), came!(stream, doing), told)?;
    }
    Ok(())
}

/// Puts what a statement told to the rest, and judges what it came to.
fn judged(
    judge: Judge,
    count: usize,
    mut came: Result<Came, Error>,
    told: &mut Vec<String>,
) -> Result<(), Error> {
    told.extend(came.as_mut().ok().and_then(|came| came.told.take()));
    judge(count, came)
}

/// Adds a statement to a text in which `bound` arguments are numbered already, and tells how many it has.
fn number_on(text: &mut String, sql: &str, bound: usize) -> usize {
    if sql.is_empty() {
        return 0;
    }
    let mut most = 0;
    let mut parts = sql.split('$');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
        let number: usize = part[..digits].parse().expect("our statements number their arguments");
        most = most.max(number);
        text.push('$');
        text.push_str(&(bound + number).to_string());
        text.push_str(&part[digits..]);
    }
    text.push_str(";\n");
    most
}
