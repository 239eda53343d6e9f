//! The watch over `flows/` and `scripts/`. It only hints that something changed; the hash decides.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify_debouncer_full::notify::{Config, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};
use notify_debouncer_full::{DebounceEventResult, Debouncer, NoCache, new_debouncer_opt};
use tokio::sync::Notify;

/// How the folder is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The system tells.
    Notify,
    /// The files are compared every second, for file systems that tell nothing.
    Poll,
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watch(#[expect(dead_code, reason = "it works as long as it lives")] Kind);

#[derive(Debug)]
enum Kind {
    Notify(
        #[expect(dead_code, reason = "it works as long as it lives")] Debouncer<RecommendedWatcher, NoCache>,
    ),
    Poll(#[expect(dead_code, reason = "it works as long as it lives")] Debouncer<PollWatcher, NoCache>),
}

/// Wakes `changed` after the files under the bot's folder have changed and then been quiet for `quiet`.
pub fn watch(
    folder: &Path,
    method: Method,
    quiet: Duration,
    changed: Arc<Notify>,
) -> Result<Watch, notify_debouncer_full::notify::Error> {
    Ok(Watch(match method {
        Method::Notify => Kind::Notify(debouncer(folder, quiet, changed, Config::default())?),
        Method::Poll => {
            let config =
                Config::default().with_poll_interval(Duration::from_secs(1)).with_compare_contents(true);
            Kind::Poll(debouncer(folder, quiet, changed, config)?)
        }
    }))
}

fn debouncer<W: Watcher>(
    folder: &Path,
    quiet: Duration,
    changed: Arc<Notify>,
    config: Config,
) -> Result<Debouncer<W, NoCache>, notify_debouncer_full::notify::Error> {
    let tell = move |events: DebounceEventResult| match events {
        // Reading the files is an event, too: answering to it would never end.
        Ok(events) if events.iter().all(|event| event.kind.is_access()) => {}
        Ok(_) => changed.notify_one(),
        Err(errors) => {
            tracing::warn!("the watch over scripts has trouble: {errors:?}");
            changed.notify_one();
        }
    };
    let mut debouncer = new_debouncer_opt::<_, W, NoCache>(quiet, None, tell, NoCache, config)?;
    // Folders, never files: editors replace files, and a watched file that is replaced is watched no more.
    for part in ["flows", "scripts"] {
        debouncer.watch(folder.join(part), RecursiveMode::Recursive)?;
    }
    Ok(debouncer)
}
