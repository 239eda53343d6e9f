//! Calls that a scenario awaits: each is found by its name and fields, and answered as the scenario says.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rhai::Position;
use serde_json::{Value, json};

use crate::script::host::{Args, HostFn, StandIn};
use crate::script::thrown;

/// The calls of one scenario.
#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    expected: Vec<Expected>,
    /// What each step was answered.
    answered: HashMap<String, Option<Value>>,
    made: Vec<String>,
    /// Whether a call may come again with other numbers: somebody goes back and answers anew.
    repeats: bool,
    /// What each call was answered last.
    last: HashMap<String, Option<Value>>,
    unexpected: Option<String>,
    /// Whether answers of writes are lost, and those that have been.
    loses: bool,
    lost: HashSet<String>,
}

#[derive(Debug)]
struct Expected {
    name: String,
    fields: Value,
    reply: Reply,
    times_left: usize,
    /// Where the scenario says so.
    position: Position,
}

/// How a call is answered.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// By the declaration's stand-in; a call that the host does by itself is done.
    AsEver,
    /// With this.
    Value(Value),
    /// With an error that a script may catch.
    Error {
        /// `unavailable`, `limit`, …
        kind: String,
        /// When to try again, in seconds.
        retry_after: Option<u64>,
    },
}

/// The kinds of errors that a call may come to, as scripts know them.
pub(super) const ERRORS: [&str; 6] = ["unavailable", "rejected", "not_found", "denied", "limit", "invalid"];

impl Calls {
    /// Awaits a call from now on, and returns the number of the expectation.
    pub fn expect(&self, name: &str, fields: Value, position: Position) -> usize {
        let mut book = self.book();
        let expected =
            Expected { name: name.to_owned(), fields, reply: Reply::AsEver, times_left: 1, position };
        book.expected.push(expected);
        book.expected.len() - 1
    }

    /// Answers a call that comes again as it was answered before, from now on or no more.
    pub fn set_repeats(&self, repeats: bool) {
        self.book().repeats = repeats;
    }

    /// Loses the answer of each write once, from now on.
    pub fn lose_answers(&self) {
        self.book().loses = true;
    }

    /// Says how an awaited call is answered.
    pub fn reply(&self, number: usize, reply: Reply) {
        self.book().expected[number].reply = reply;
    }

    /// Says how many times the call is made.
    pub fn times(&self, number: usize, times: usize) {
        self.book().expected[number].times_left = times;
    }

    /// A call to another service that the scenario says nothing of.
    pub fn unexpected(&self) -> Option<String> {
        self.book().unexpected.take()
    }

    /// The first awaited call that was not made, and where it is awaited.
    pub fn missing(&self) -> Option<(String, Position)> {
        let book = self.book();
        let missing = book.expected.iter().find(|expected| expected.times_left > 0)?;
        Some((format!("{}({})", missing.name, shown(&missing.fields)), missing.position))
    }

    /// What was asked of other services and what was awaited, in order.
    pub fn made(&self) -> Vec<String> {
        self.book().made.clone()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StandIn for Calls {
    fn answer(&self, key: &str, function: &HostFn, args: &Args) -> Option<Value> {
        let mut book = self.book();
        if let Some(answer) = book.answered.get(key) {
            return answer.clone();
        }
        let (name, given, stand_in) = (function.full_name(), args.to_value(), function.stand_in(args));
        let call = format!("{name}({})", shown(&given));
        if let Some(answer) = book.last.get(&call).filter(|_| book.repeats) {
            return answer.clone();
        }
        let awaited = book.expected.iter_mut().find(|expected| {
            expected.times_left > 0 && expected.name == name && has_fields(&given, &expected.fields)
        });
        let answer = match awaited {
            Some(expected) => {
                expected.times_left -= 1;
                match expected.reply.clone() {
                    Reply::AsEver => stand_in,
                    Reply::Value(value) => Some(value),
                    Reply::Error { kind, retry_after } => Some(thrown(&json!({
                        "kind": kind, "service": function.module, "retry_after": retry_after,
                        "message": format!("{}: так велит сценарий", function.module),
                    }))),
                }
            }
            None if stand_in.is_some() => {
                book.unexpected.get_or_insert_with(|| call.clone());
                stand_in
            }
            None => return None,
        };
        book.made.push(call.clone());
        book.last.insert(call, answer.clone());
        book.answered.insert(key.to_owned(), answer.clone());
        answer
    }

    fn loses(&self, key: &str) -> bool {
        let mut book = self.book();
        book.loses && book.lost.insert(key.to_owned())
    }
}

/// Whether the arguments of a call hold the fields: a list is compared with the arguments in order, a map with
/// whichever argument is a map.
fn has_fields(given: &Value, fields: &Value) -> bool {
    match (given, fields) {
        (_, Value::Null) => true,
        (Value::Array(given), Value::Array(fields)) => {
            given.len() >= fields.len() && fields.iter().zip(given).all(|(field, given)| holds(given, field))
        }
        (Value::Array(given), fields) => given.iter().any(|given| holds(given, fields)),
        _ => false,
    }
}

/// Whether a value is the wanted one; of a map only the wanted keys are looked at.
fn holds(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Object(value), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| value.get(key).is_some_and(|value| holds(value, wanted)))
        }
        _ => value == wanted,
    }
}

fn shown(fields: &Value) -> String {
    match fields {
        Value::Null => String::new(),
        Value::Array(items) => items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
