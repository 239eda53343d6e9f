//! The connection itself: up or away, and one task that brings it up again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, ServerErrorKind};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// How long a connection may take, with its greeting.
const CONNECT: Duration = Duration::from_secs(2);
/// Pauses between attempts to connect: the first, and the longest after doubling.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// A quiet connection is tried this often, so that `/health` knows.
const PING_EVERY: Duration = Duration::from_secs(5);
/// A command that Redis refused is told of on `/health` for so long.
const REFUSAL_SHOWN: Duration = Duration::from_mins(1);

/// What commands go over.
#[derive(Debug)]
pub(super) struct Line {
    timeout: Duration,
    state: Mutex<State>,
    /// Told when the line is found broken.
    broken: Notify,
}

#[derive(Debug)]
struct State {
    /// `None` while Redis is away.
    connection: Option<MultiplexedConnection>,
    /// Counts connections: what failed on an old one says nothing of the new one.
    number: u64,
    since: Instant,
    /// Why Redis is away.
    why: String,
    /// What Redis refused last though it is there: no memory, no right.
    refusal: Option<(Instant, String)>,
}

impl Line {
    pub fn new(timeout: Duration) -> Line {
        let state = State {
            connection: None,
            number: 0,
            since: Instant::now(),
            why: "not connected yet".to_owned(),
            refusal: None,
        };
        Line { timeout, state: Mutex::new(state), broken: Notify::new() }
    }

    pub fn is_up(&self) -> bool {
        self.state().connection.is_some()
    }

    /// Runs a command within the deadline; `None` when Redis is away or refuses.
    pub async fn ask<T, F>(&self, command: impl FnOnce(MultiplexedConnection) -> F) -> Option<T>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        let (connection, number) = {
            let state = self.state();
            (state.connection.clone()?, state.number)
        };
        match tokio::time::timeout(self.timeout, command(connection)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) if is_refusal(&error) => {
                tracing::warn!("Redis refuses a command: {error}");
                self.state().refusal = Some((Instant::now(), error.to_string()));
            }
            Ok(Err(error)) => self.lose(number, error.to_string()),
            Err(_elapsed) => self.lose(number, format!("no answer within {} ms", self.timeout.as_millis())),
        }
        None
    }

    pub fn report(&self) -> Value {
        let state = self.state();
        let refusal = state.refusal.as_ref().filter(|(at, _)| at.elapsed() < REFUSAL_SHOWN);
        let error = match state.connection {
            Some(_) => refusal.map(|(_, refusal)| refusal),
            None => Some(&state.why),
        };
        json!({
            "status": if error.is_none() { "ok" } else { "degraded" },
            "seconds": state.since.elapsed().as_secs(),
            "error": error,
        })
    }

    /// Takes the connection out of use, unless another is in use by now.
    fn lose(&self, number: u64, why: String) {
        let mut state = self.state();
        if state.number == number && state.connection.take().is_some() {
            tracing::warn!("Redis is away, the bot goes on without it: {why}");
            (state.since, state.why) = (Instant::now(), why);
            self.broken.notify_one();
        }
    }

    fn found(&self, connection: MultiplexedConnection) {
        let mut state = self.state();
        tracing::info!("connected to Redis");
        state.number += 1;
        state.since = Instant::now();
        state.connection = Some(connection);
    }

    /// Notes why a connection did not come about; said aloud when the reason is a new one.
    fn not_found(&self, why: String) {
        let mut state = self.state();
        if state.why != why {
            tracing::warn!("cannot connect to Redis, the bot goes on without it: {why}");
            state.why = why;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects, watches the connection, and connects again; ends only when it is aborted.
pub(super) async fn keep(line: Arc<Line>, client: Client) {
    let (first, longest) = PAUSES;
    let mut pause = first;
    loop {
        match tokio::time::timeout(CONNECT, connect(&client)).await {
            Ok(Ok(connection)) => {
                line.found(connection);
                pause = first;
                watch(&line).await;
            }
            Ok(Err(error)) => line.not_found(error.to_string()),
            Err(_elapsed) => line.not_found(format!("no answer within {} s", CONNECT.as_secs())),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

/// A connection that has answered: one that is still loading its data, or wants a password, has not.
async fn connect(client: &Client) -> RedisResult<MultiplexedConnection> {
    // The deadlines are ours: one over the whole of it, and one over each command.
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    redis::cmd("PING").query_async::<()>(&mut connection).await?;
    Ok(connection)
}

/// Returns when the connection is lost, which is told once.
async fn watch(line: &Line) {
    loop {
        tokio::select! {
            () = line.broken.notified() => return,
            () = tokio::time::sleep(PING_EVERY) => {
                line.ask(async |mut connection| redis::cmd("PING").query_async::<()>(&mut connection).await).await;
            }
        }
    }
}

/// Whether Redis is there and does not want this command, as against being away or unable to serve at all.
fn is_refusal(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly};
    match error.kind() {
        ErrorKind::Server(BusyLoading | ClusterDown | MasterDown | ReadOnly) => false,
        ErrorKind::Server(_) | ErrorKind::UnexpectedReturnType | ErrorKind::Extension => true,
        _ => false,
    }
}
