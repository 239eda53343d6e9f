//! Intake: updates are written down before Telegram is told that they arrived. Both ways in, long polling and the
//! webhook, end at [`Intake::accept`].

mod polling;
mod spam;

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::value::RawValue;
use subtle::ConstantTimeEq as _;

use crate::config::Spam;
use crate::conversation::words;
use crate::lanes::Lanes;
use crate::outbox::Outbox;
use crate::store::{self, Json, inbox};
use crate::telegram::{Incoming, Outgoing, Parsed, UserId, What, parse, update_id};

pub use polling::{ALLOWED, poll};
use spam::{Pace, SpamGuard};

/// The door for updates.
#[derive(Debug)]
pub struct Intake {
    lanes: Arc<Lanes>,
    outbox: Arc<Outbox>,
    client: crate::telegram::Client,
    spam: SpamGuard,
    clip_bytes: usize,
    webhook_secret: Option<SecretString>,
}

impl Intake {
    /// A door to these lanes. Texts longer than `clip_bytes` are cut.
    pub fn new(
        lanes: Arc<Lanes>,
        outbox: Arc<Outbox>,
        client: crate::telegram::Client,
        spam: &Spam,
        clip_bytes: usize,
        webhook_secret: Option<SecretString>,
    ) -> Arc<Intake> {
        Arc::new(Intake { lanes, outbox, client, spam: SpamGuard::new(spam), clip_bytes, webhook_secret })
    }

    /// Whether a delivery of the webhook carries our secret; compared in constant time, closed when none is set.
    pub fn knows_secret(&self, given: &[u8]) -> bool {
        let secret = self.webhook_secret.as_ref().map(|secret| secret.expose_secret().as_bytes());
        secret.is_some_and(|secret| secret.ct_eq(given).into())
    }

    /// Writes updates down and has them taken; one that cannot be understood is told of and left aside.
    /// Errors: the store's; then none of them is accepted, and Telegram must bring them again.
    pub async fn accept(&self, mut updates: Vec<Box<RawValue>>) -> Result<(), store::Error> {
        updates.sort_by_cached_key(|update| update_id(update).unwrap_or(i64::MAX));
        let mut entries = Vec::with_capacity(updates.len());
        for update in updates {
            metrics::counter!("updates_total").increment(1);
            let Some(id) = update_id(&update) else {
                metrics::counter!("updates_unreadable_total").increment(1);
                tracing::error!("something that is no update came in and is left aside");
                continue;
            };
            match parse(&update, self.clip_bytes) {
                Ok(Parsed::Deed(deed)) => {
                    let entry = self.entry(id, &deed);
                    // Before the command is queued: its own turn must not hurry.
                    if entry.is_some() && is_command(&deed) {
                        self.lanes.host().hurry(deed.chat.into());
                    }
                    entries.extend(entry);
                }
                Ok(Parsed::Unused) => {}
                Err(error) => {
                    metrics::counter!("updates_unreadable_total").increment(1);
                    tracing::error!(
                        update.id = id,
                        "update {id} cannot be understood and is left aside: {error}"
                    );
                }
            }
        }
        if entries.is_empty() {
            return Ok(());
        }
        let presses: Vec<String> = entries.iter().filter_map(|(_, press)| press.clone()).collect();
        self.lanes.accept(entries.into_iter().map(|(entry, _)| entry).collect()).await?;
        for press in presses {
            self.outbox.answer_press(press);
        }
        Ok(())
    }

    /// The entry to write, and the press to answer. Nothing for somebody who writes too fast.
    fn entry(&self, id: i64, deed: &Incoming) -> Option<(inbox::New, Option<String>)> {
        let press = match &deed.what {
            What::Press { callback_id, .. } => Some(callback_id.clone()),
            What::Membership { .. } | What::PollAnswer { .. } => None,
            What::Text { .. } | What::Contact { .. } | What::File(_) | What::Other => {
                match self.spam.pace(deed) {
                    Pace::Fine => None,
                    Pace::TooFast => {
                        self.warn(deed);
                        return None;
                    }
                    Pace::StillTooFast => return None,
                }
            }
        };
        let body = Json::of(deed).expect("a deed is a plain structure with string keys");
        let entry =
            inbox::New { source: "telegram".to_owned(), key: id.to_string(), lane: deed.chat.into(), body };
        Some((entry, press))
    }

    /// The one warning goes beside the outbox: it must cost nothing on disk.
    fn warn(&self, deed: &Incoming) {
        let UserId(person) = deed.from.id;
        tracing::warn!(user.id = person, "person {person} writes too fast");
        let request = Outgoing::text(words::TOO_FAST).request(deed.chat, None, crate::telegram::Markup::Html);
        let client = self.client.clone();
        tokio::spawn(async move {
            if let Err(error) = client.call::<serde::de::IgnoredAny>(request).await {
                tracing::debug!("a warning was not delivered: {error}");
            }
        });
    }

    /// Forgets people who have been quiet.
    pub fn forget_quiet(&self) {
        self.spam.forget_quiet();
    }
}

/// Whether somebody writes a command in their own chat: then they wait for nothing that is still at work there.
fn is_command(deed: &Incoming) -> bool {
    !deed.chat.is_group() && matches!(&deed.what, What::Text { text } if text.starts_with('/'))
}
