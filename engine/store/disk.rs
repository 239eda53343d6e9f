//! The disk under a SQLite file. A commit brings a transaction into the log, and only a sync of the log makes it outlive
//! a loss of power; while one transaction is synced, the next one is being written.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::Error;
use super::writer::Life;

/// Transactions that one sync makes lasting at most.
const MOST: usize = 64;

/// Tells whoever waits for a transaction what became of it.
pub(super) type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// Syncs the log, and answers.
#[derive(Debug)]
pub(super) struct Disk {
    pub log: PathBuf,
    pub life: Arc<Life>,
}

impl Disk {
    /// Answers once what was written before is on disk, until nobody writes any more. Has a thread of its own, for it
    /// waits there.
    pub async fn keep(self, mut written: mpsc::UnboundedReceiver<Answer>) {
        let mut answers = Vec::with_capacity(MOST);
        while written.recv_many(&mut answers, MOST).await > 0 {
            let synced = self.sync();
            for answer in answers.drain(..) {
                answer(synced.clone());
            }
        }
    }

    /// A failure ends the store: what of its log is on disk is not known any more, and a later sync would not tell.
    fn sync(&self) -> Result<(), Error> {
        let synced = File::options().write(true).open(&self.log).and_then(|log| log.sync_data());
        synced.map_err(|error: io::Error| {
            tracing::error!(
                "the disk does not keep {}: {error}; see to it and start the bot again",
                self.log.display()
            );
            self.life.crash();
            Error::InDoubt { source: Arc::new(error.into()) }
        })
    }
}
