//! The live set and those that running conversations still need.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::diagnostic::Finding;
use super::set::{self, Files, Limits, RHAI_VERSION, Set};
use crate::clock::{SharedClock, Timestamp};
use crate::scenario;
use crate::store::script_set::{Publication, ScriptSet, SetHash, Verdict};
use crate::store::{self, Store};

/// Keeps the live set, compiles the one that takes its place, and finds older ones again.
#[derive(Debug)]
pub struct Scripts {
    store: Store,
    limits: Limits,
    folder: PathBuf,
    live: ArcSwap<Live>,
    refused: Mutex<Option<Refusal>>,
    /// Older sets, compiled when a conversation on them goes on.
    older: Mutex<HashMap<String, Arc<Set>>>,
}

#[derive(Debug)]
struct Live {
    set: Arc<Set>,
    since: Timestamp,
}

/// A set that was not let in.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// The hash of its files and of the scenarios that it failed.
    pub hash: String,
    /// What is wrong, with places and lines.
    pub report: String,
}

/// What came of looking at the folder.
#[derive(Debug)]
pub enum Outcome {
    /// The files are those that are live, or those refused before.
    Same,
    /// A new set is live.
    Live(Arc<Set>),
    /// The new set is refused, the former one goes on.
    Refused(Refusal),
}

/// How many older sets stay compiled.
const OLDER_KEPT: usize = 32;

impl Scripts {
    /// Compiles the folder's set and makes it live. When it is wrong, the set that was live last goes on.
    ///
    /// Errors: the findings, when no set was ever live; the store's.
    pub async fn open(
        folder: &Path,
        limits: Limits,
        store: Store,
        clock: &SharedClock,
    ) -> Result<Scripts, OpenError> {
        let since = clock.now();
        let former = store.last_live().await?;
        let source = read(folder.to_owned()).await?;
        // Without a former set to fall back upon, a failed scenario could only keep the bot from starting.
        let has_changed = former.as_ref().is_some_and(|former| former.0 != set::hash(&source.files));
        let scenarios = if has_changed { Scenarios::Played } else { Scenarios::Skipped };
        let (set, refused) = match admit(source, limits.clone(), scenarios).await? {
            Ok(set) => (set, None),
            Err((hash, findings)) => match compile_former(&store, &limits, former).await? {
                Some(set) => (set, Some(Refusal { at: since, hash, report: report(&findings) })),
                None => return Err(OpenError::Findings(findings)),
            },
        };
        keep(&store, &set).await?;
        let note = Publication {
            set: Some(SetHash(set.hash().to_owned())),
            at: since,
            result: Verdict::Live,
            report: refused.as_ref().map_or_else(String::new, |refusal| refusal.report.clone()),
        };
        store.publish(&note).await?;
        Ok(Scripts {
            store,
            limits,
            folder: folder.to_owned(),
            live: ArcSwap::from_pointee(Live { set, since }),
            refused: Mutex::new(refused),
            older: Mutex::default(),
        })
    }

    /// One set that stays as it is, without a folder to follow: a scenario's.
    pub fn fixed(set: Arc<Set>, store: Store, since: Timestamp) -> Scripts {
        Scripts {
            store,
            limits: set.limits().clone(),
            folder: PathBuf::new(),
            live: ArcSwap::from_pointee(Live { set, since }),
            refused: Mutex::new(None),
            older: Mutex::default(),
        }
    }

    /// The set that new conversations begin on.
    pub fn live(&self) -> Arc<Set> {
        Arc::clone(&self.live.load().set)
    }

    /// Since when the live set is live.
    pub fn live_since(&self) -> Timestamp {
        self.live.load().since
    }

    /// The last set that was refused, unless a good one came after it.
    pub fn refused(&self) -> Option<Refusal> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The folder that is watched.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The set of this hash, live or older. Errors: the store's; `None` when no such set is kept.
    pub async fn find(&self, hash: &str) -> Result<Option<Arc<Set>>, store::Error> {
        let live = self.live();
        if live.hash() == hash {
            return Ok(Some(live));
        }
        if let Some(set) = self.older.lock().unwrap_or_else(PoisonError::into_inner).get(hash) {
            return Ok(Some(Arc::clone(set)));
        }
        let Some(kept) = self.store.load_set(&SetHash(hash.to_owned())).await? else { return Ok(None) };
        let limits = self.limits.clone();
        let compiled = tokio::task::spawn_blocking(move || Set::compile(kept.files, limits)).await;
        let Ok(Ok(set)) = compiled else { return Ok(None) };
        let set = Arc::new(set);
        self.remember(&set);
        Ok(Some(set))
    }

    /// Looks at the folder and makes what it holds live, or refuses it: it must compile, pass the check, and its
    /// scenarios must come out as they say. The hash decides whether it changed; a changed scenario alone makes
    /// nothing new of the talks, but gives a refused set another chance.
    pub async fn publish(&self, clock: &SharedClock) -> Result<Outcome, OpenError> {
        let at = clock.now();
        let known = (self.live().hash().to_owned(), self.refused().map(|refusal| refusal.hash));
        let source = read(self.folder.clone()).await?;
        let hash = set::hash(&source.files);
        if hash == known.0 {
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return Ok(Outcome::Same);
        }
        if known.1 == Some(source.identity()) {
            return Ok(Outcome::Same);
        }
        match admit(source, self.limits.clone(), Scenarios::Played).await? {
            Ok(set) => {
                keep(&self.store, &set).await?;
                let note = Publication {
                    set: Some(SetHash(hash)),
                    at,
                    result: Verdict::Live,
                    report: String::new(),
                };
                self.store.publish(&note).await?;
                let former = self.live.swap(Arc::new(Live { set: Arc::clone(&set), since: at }));
                self.remember(&former.set);
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Ok(Outcome::Live(set))
            }
            Err((hash, findings)) => {
                let report = report(&findings);
                let refusal = Refusal { at, hash, report: report.clone() };
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal.clone());
                self.store.publish(&Publication { set: None, at, result: Verdict::Refused, report }).await?;
                Ok(Outcome::Refused(refusal))
            }
        }
    }

    fn remember(&self, set: &Arc<Set>) {
        let mut older = self.older.lock().unwrap_or_else(PoisonError::into_inner);
        if older.len() >= OLDER_KEPT {
            // Whichever goes is compiled again when it is needed.
            let some = older.keys().next().cloned();
            some.map(|hash| older.remove(&hash));
        }
        older.insert(set.hash().to_owned(), Arc::clone(set));
    }
}

/// Why the folder could not be made live.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The scripts are wrong; the old ones, if any, go on.
    #[error("the scripts are not fit to run:\n{}", report(.0))]
    Findings(Vec<Finding>),
    /// The folder cannot be read.
    #[error("cannot read the folders flows/ and scripts/; run from the bot's folder or give --dir")]
    Folder(#[from] std::io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The compiling thread died.
    #[error("the compilation of the scripts broke off")]
    Lost(#[source] tokio::task::JoinError),
}

/// What a folder holds.
struct Source {
    files: Files,
    tests: Files,
}

impl Source {
    /// The hash of everything, scenarios too: another one is worth another look.
    fn identity(&self) -> String {
        let both = self.files.iter().chain(&self.tests);
        set::hash(&both.map(|(path, body)| (path.clone(), body.clone())).collect())
    }
}

/// Whether the scenarios have a say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenarios {
    Played,
    Skipped,
}

type Refused = (String, Vec<Finding>);

async fn read(folder: PathBuf) -> Result<Source, OpenError> {
    let work = move || -> std::io::Result<Source> {
        Ok(Source { files: set::read(&folder)?, tests: set::read_scenarios(&folder)? })
    };
    Ok(tokio::task::spawn_blocking(work).await.map_err(OpenError::Lost)??)
}

/// Compiles and checks what a folder holds, on threads that may block: nobody's talk waits for it.
async fn admit(
    source: Source,
    limits: Limits,
    scenarios: Scenarios,
) -> Result<Result<Arc<Set>, Refused>, OpenError> {
    let work = move || {
        let identity = source.identity();
        let set = match Set::checked(source.files, limits) {
            Ok(set) => Arc::new(set),
            Err(findings) => return Err((identity, findings)),
        };
        if scenarios == Scenarios::Skipped || source.tests.is_empty() {
            return Ok(set);
        }
        let begun = std::time::Instant::now();
        let report = scenario::play(&set, &source.tests, &[]);
        tracing::info!(
            scenarios.count = report.scenarios,
            scenarios.failed = report.failures.len(),
            scenarios.millis = begun.elapsed().as_millis(),
            "{} scenarios played, {} failed",
            report.scenarios,
            report.failures.len()
        );
        if report.failures.is_empty() { Ok(set) } else { Err((identity, report.failures)) }
    };
    tokio::task::spawn_blocking(work).await.map_err(OpenError::Lost)
}

/// Compiles a former set as the store keeps it; `None` when there is none, or it compiles no more.
async fn compile_former(
    store: &Store,
    limits: &Limits,
    former: Option<SetHash>,
) -> Result<Option<Arc<Set>>, OpenError> {
    let Some(hash) = former else { return Ok(None) };
    let Some(kept) = store.load_set(&hash).await? else { return Ok(None) };
    let limits = limits.clone();
    let compiled = tokio::task::spawn_blocking(move || Set::compile(kept.files, limits)).await;
    Ok(compiled.map_err(OpenError::Lost)?.ok().map(Arc::new))
}

async fn keep(store: &Store, set: &Set) -> Result<(), store::Error> {
    let kept = ScriptSet {
        hash: SetHash(set.hash().to_owned()),
        rhai_version: RHAI_VERSION.to_owned(),
        files: set.files().clone(),
    };
    store.put_set(&kept).await
}

fn report(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
}
