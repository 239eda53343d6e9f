//! Several calls in one, which the rate limit counts as one.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::wire::{self, Complaint, Running, Table};
use super::{Client, Error, form};

const BATCH: &str = "batch";

/// The most a portal takes at once; it drops the rest with an error each.
const MOST: usize = 50;

/// One call of a batch. File uploads and batches inside a batch are refused by the portal.
pub(super) struct Command {
    method: &'static str,
    query: String,
}

impl Command {
    /// A call of `method`; the parameters are encoded once, as a JSON body wants it.
    pub fn new(method: &'static str, parameters: &Value) -> Command {
        Command { method, query: form::query(parameters) }
    }
}

impl Client {
    /// Makes the calls, fifty at a time, and gives each its own outcome, in their order. A call that fails stops no other.
    ///
    /// The whole is repeated in doubt, so only what may be done twice belongs here. The portal says 200 whatever became
    /// of the calls: their errors are read one by one. Source: `batch`.
    pub(super) async fn batch<T: DeserializeOwned>(
        &self,
        commands: &[Command],
    ) -> Result<Vec<Result<T, Error>>, Error> {
        let mut outcomes = Vec::with_capacity(commands.len());
        for part in commands.chunks(MOST) {
            let mut answers: Answers = self.ask(BATCH, &Batch::of(part)).await?;
            outcomes.extend(
                part.iter().enumerate().map(|(place, command)| self.outcome(&mut answers, place, command)),
            );
        }
        Ok(outcomes)
    }

    fn outcome<T: DeserializeOwned>(
        &self,
        answers: &mut Answers,
        place: usize,
        command: &Command,
    ) -> Result<T, Error> {
        let name = name(place);
        // Some portals charge the running time to the methods inside, some to the batch.
        let running = answers.result_time.take(&name).and_then(|time| Running::read(&time));
        self.inner.spend(command.method, running);
        if let Some(error) = answers.result_error.take(&name) {
            return Err(self.inner.refused(command.method, 200, &Complaint::read(&error), None));
        }
        let result = answers.result.take(&name).ok_or_else(|| {
            Error::malformed(BATCH, format!("result.result.{name}"), "there is neither a result nor an error")
        })?;
        wire::read(command.method, Some(&result)).map_err(|error| self.inner.masked(error))
    }
}

/// Names begin with a letter: a map with the keys 0, 1, 2… comes back as a list, and who is who is lost.
fn name(place: usize) -> String {
    format!("c{place}")
}

#[derive(Serialize)]
struct Batch {
    halt: u8,
    cmd: Map<String, Value>,
}

impl Batch {
    fn of(commands: &[Command]) -> Batch {
        let command = |(place, command): (usize, &Command)| {
            (name(place), Value::from(format!("{}?{}", command.method, command.query)))
        };
        Batch { halt: 0, cmd: commands.iter().enumerate().map(command).collect() }
    }
}

#[derive(Deserialize)]
struct Answers {
    #[serde(default)]
    result: Table<Box<RawValue>>,
    #[serde(default)]
    result_error: Table<Box<RawValue>>,
    #[serde(default)]
    result_time: Table<Box<RawValue>>,
}
