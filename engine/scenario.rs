//! Scenarios: how a talk must go, written in Rhai beside the flow (`flows/NAME.test.rhai`) and played against the
//! real engine: its own store, in memory, its own clock, turned by the scenario, and nobody outside.
//!
//! [`play`] plays all scenarios of a set side by side. [`Hardship`] says what else each of them is played under.

mod calls;
mod hardship;
mod people;
mod ratings;
mod stage;
mod talk;
mod wanted;
mod words;
mod world;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::script::{Files, Finding, Set};

pub use hardship::Hardship;

use stage::{Scenario, Stage};
use talk::Talk;

/// What came of playing scenarios.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many scenarios there are.
    pub scenarios: usize,
    /// How many times one was played: once each, and once more under each hardship.
    pub played: usize,
    /// What went otherwise than a scenario says, file by file.
    pub failures: Vec<Finding>,
}

/// Threads have room for deep calls, like those that run flows.
const STACK_BYTES: usize = 8 << 20;

/// Plays all scenarios in `tests` against a set, each alone and then under each of `hardships`.
///
/// Blocks the thread; the work is done by as many others as there are cores.
pub fn play(set: &Arc<Set>, tests: &Files, hardships: &[Hardship]) -> Report {
    let tests = Arc::new(tests.clone());
    let (scenarios, failures) = match Stage::new(set, &tests) {
        Ok(stage) => stage.list(),
        Err(why) => (Vec::new(), vec![Finding::in_file("flows", why)]),
    };
    let (next, played) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failures = Mutex::new(failures);
    let work = || {
        let fail = |finding| failures.lock().unwrap_or_else(PoisonError::into_inner).push(finding);
        // One thread has a stage for all that it plays; the world upon it is new each time.
        let stage = match Stage::new(set, &tests) {
            Ok(stage) => stage,
            Err(why) => return fail(Finding::in_file("flows", why)),
        };
        while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
            played.fetch_add(1, Ordering::Relaxed);
            let smooth = match stage.play(scenario, None) {
                Ok(talk) => talk,
                Err(finding) => {
                    fail(finding);
                    continue;
                }
            };
            for &hardship in hardships {
                played.fetch_add(1, Ordering::Relaxed);
                if let Err(finding) = hardened(&stage, scenario, hardship, &smooth) {
                    fail(finding);
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(scenarios.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let thread = std::thread::Builder::new().name("scenario".to_owned()).stack_size(STACK_BYTES);
            let started = thread.spawn_scoped(scope, || quietly(&work));
            started.expect("the system has room for a thread more");
        }
    });
    let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.sort_by(|a, b| a.site.cmp(&b.site));
    failures.dedup();
    Report { scenarios: scenarios.len(), played: played.into_inner(), failures }
}

/// Plays a scenario under a hardship: what people see and what is asked of other services must come out the same.
fn hardened(stage: &Stage, scenario: &Scenario, hardship: Hardship, smooth: &Talk) -> Result<(), Finding> {
    let talk = stage.play(scenario, Some(hardship))?;
    match talk.difference(smooth) {
        None => Ok(()),
        Some(note) => {
            let message = format!("«{}»: {} — и разговор пошёл иначе", scenario.name, hardship.words());
            Err(Finding { note, ..stage.finding(scenario, message) })
        }
    }
}

/// What happens in scenarios is no news of the bot: it stays out of its log and its figures.
fn quietly(work: &(dyn Fn() + Sync)) {
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::new(), || {
        metrics::with_local_recorder(&metrics::NoopRecorder, work);
    });
}
