//! Writes of different chats in one transaction: the number of statements does not depend on theirs.

use std::collections::{BTreeSet, HashMap};

use tokio::sync::oneshot;

use super::database::Rows;
use super::lane;
use super::outbox::Receipt;
use super::turn::Prepared;
use super::tx::Tx;
use super::{Committed, Error, Json, LaneId, Lease};
use super::{change, conversation, inbox, journal, outbox, partner, timer};
use crate::clock::Timestamp;

/// A write and whoever waits for it.
#[derive(Debug)]
pub(super) struct Pending<W, T> {
    pub write: W,
    pub reply: oneshot::Sender<Result<T, Error>>,
}

/// Entries to accept, with their rows.
#[derive(Debug)]
pub(super) struct Intake {
    pub entries: Vec<inbox::New>,
    pub rows: Rows,
    pub at: Timestamp,
}

/// Writes that become one transaction.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub intakes: Vec<Pending<Intake, Vec<inbox::Entry>>>,
    pub turns: Vec<Pending<Box<Prepared>, Committed>>,
    pub receipts: Vec<Pending<Receipt, ()>>,
    pub leases: Vec<Pending<LaneId, Option<Lease>>>,
}

/// What the members of a group are told once it is committed, in the order of the members.
#[derive(Debug)]
pub(super) struct Results {
    intakes: Vec<Vec<inbox::Entry>>,
    turns: Vec<Committed>,
    leases: Vec<Option<Lease>>,
}

impl Group {
    /// How many writes it holds.
    pub fn len(&self) -> usize {
        self.intakes.len() + self.turns.len() + self.receipts.len() + self.leases.len()
    }

    /// Writes everything within the transaction, or fails as a whole. Only what somebody must be told of is waited
    /// for; the rest goes along.
    pub async fn write(&self, tx: &mut Tx, me: i64, now: Timestamp) -> Result<Results, Error> {
        let leases = self.grant_leases(tx, me).await?;
        let Written { mut turns, events, messages } = self.write_turns(tx, me, now).await?;
        let receipts: Vec<&Receipt> = self.receipts.iter().map(|pending| &pending.write).collect();
        outbox::settle(tx, &receipts, now);
        let entries = inbox::put(tx, self.entry_rows(&events, now));
        let numbers = outbox::numbers(tx, messages).await?;
        for (pending, committed) in self.turns.iter().zip(&mut turns) {
            committed.messages = numbered(&pending.write, &numbers);
        }
        let mut accepted = inbox::numbers(tx, entries).await?;
        let intakes = self.intakes.iter().map(|pending| &pending.write);
        let intakes: Vec<_> = intakes.map(|intake| accepted.take(&intake.entries, intake.at)).collect();
        for ((pending, events), committed) in self.turns.iter().zip(&events).zip(&mut turns) {
            committed.entries = accepted.take(&pending.write.events, pending.write.at);
            committed.entries.extend(accepted.take(events, now));
        }
        let entries = intakes.iter().chain(turns.iter().map(|turn| &turn.entries)).flatten();
        lane::wake_holders(tx, &entries.map(|entry| entry.lane).collect(), me);
        Ok(Results { intakes, turns, leases })
    }

    /// Tells each member what became of it.
    pub fn answer(self, results: Results) {
        // Whoever does not wait any more does not need the answer.
        for (pending, entries) in self.intakes.into_iter().zip(results.intakes) {
            let _ = pending.reply.send(Ok(entries));
        }
        for (pending, committed) in self.turns.into_iter().zip(results.turns) {
            let _ = pending.reply.send(Ok(committed));
        }
        for (pending, lease) in self.leases.into_iter().zip(results.leases) {
            let _ = pending.reply.send(Ok(lease));
        }
        for pending in self.receipts {
            let _ = pending.reply.send(Ok(()));
        }
    }

    /// Tells each member of the failure.
    pub fn fail(self, error: &Error) {
        for pending in self.intakes {
            let _ = pending.reply.send(Err(error.clone()));
        }
        for pending in self.turns {
            let _ = pending.reply.send(Err(error.clone()));
        }
        for pending in self.leases {
            let _ = pending.reply.send(Err(error.clone()));
        }
        for pending in self.receipts {
            let _ = pending.reply.send(Err(error.clone()));
        }
    }

    /// Groups of one, so that only the guilty member fails.
    pub fn split(self) -> Vec<Group> {
        let mut alone = Vec::with_capacity(self.len());
        alone.extend(self.leases.into_iter().map(|one| Group { leases: vec![one], ..Group::default() }));
        alone.extend(self.intakes.into_iter().map(|one| Group { intakes: vec![one], ..Group::default() }));
        alone.extend(self.turns.into_iter().map(|one| Group { turns: vec![one], ..Group::default() }));
        alone.extend(self.receipts.into_iter().map(|one| Group { receipts: vec![one], ..Group::default() }));
        alone
    }

    /// Locks every lane the group concerns, takes the lanes that may be taken and wakes the holders of the others.
    async fn grant_leases(&self, tx: &mut Tx, me: i64) -> Result<Vec<Option<Lease>>, Error> {
        let asked: BTreeSet<LaneId> = self.leases.iter().map(|pending| pending.write).collect();
        let mut concerned = asked.clone();
        if !tx.locks_all() {
            // Whoever takes the lane of a new entry waits for the entry, and then finds it.
            concerned.extend(self.entry_lanes());
        }
        lane::ensure(tx, &concerned);
        concerned.extend(self.turns.iter().map(|pending| pending.write.lease.lane()));
        lane::lock(tx, &concerned);
        let taken = lane::take(tx, &asked, me).await?;
        let taken: HashMap<LaneId, Lease> = taken.into_iter().map(|lease| (lease.lane, lease)).collect();
        let held = asked.into_iter().filter(|lane| !taken.contains_key(lane)).collect();
        lane::wake_holders(tx, &held, me);
        Ok(self.leases.iter().map(|pending| taken.get(&pending.write).copied()).collect())
    }

    /// Writes the turns, all but their entries for other lanes. Fails when one does not hold its lane or is written
    /// already.
    async fn write_turns(&self, tx: &mut Tx, me: i64, now: Timestamp) -> Result<Written, Error> {
        let turns = || self.turns.iter().map(|pending| &*pending.write);
        lane::fence(tx, turns().map(|turn| turn.lease), me);
        inbox::expect_open(tx, Rows::of(turns().filter_map(|turn| turn.amid)));
        inbox::finish(tx, Rows::of(turns().filter_map(|turn| turn.finish)), now);
        let mut rows = TurnRows::default();
        turns().for_each(|turn| rows.extend(turn));
        timer::stop(tx, rows.stop_timers);
        conversation::write(tx, rows.conversations);
        journal::forget(tx, rows.forget);
        let (turns, events) = self.change_locally(tx, &mut rows.journal).await?;
        journal::write(tx, rows.journal);
        timer::put(tx, rows.timers);
        partner::mark_reached(tx, rows.reached);
        partner::mark_lost(tx, rows.lost);
        Ok(Written { turns, events, messages: outbox::put(tx, rows.messages) })
    }

    /// Makes the local changes, and adds the steps that tell of them to the journal.
    async fn change_locally(
        &self,
        tx: &mut Tx,
        journal: &mut journal::Records,
    ) -> Result<(Vec<Committed>, Vec<Vec<inbox::New>>), Error> {
        let (mut turns, mut effects) = (Vec::new(), Vec::new());
        for Pending { write: turn, .. } in &self.turns {
            let mut committed = Committed::default();
            let mut events = Vec::new();
            if let Some(local) = &turn.local {
                let effect = change::apply(tx, &local.change, turn.at).await?;
                if let Some(row) = &local.row {
                    let row = journal::Row { answer: Some(effect.answer.clone()), ..row.clone() };
                    journal.push(&row, turn.limits)?;
                }
                committed.answer = Some(effect.answer);
                events = effect.events;
            }
            turns.push(committed);
            effects.push(events);
        }
        Ok((turns, effects))
    }

    /// The entries of intakes, of turns, and of their local changes.
    fn entry_rows(&self, events: &[Vec<inbox::New>], now: Timestamp) -> Rows {
        let mut rows = Rows::default();
        for pending in &self.intakes {
            rows.extend(&pending.write.rows);
        }
        for (pending, events) in self.turns.iter().zip(events) {
            rows.extend(&pending.write.event_rows);
            rows.extend(&inbox::rows(events, now));
        }
        rows
    }

    /// The lanes of the entries that are known before anything is written.
    fn entry_lanes(&self) -> impl Iterator<Item = LaneId> {
        let intakes = self.intakes.iter().flat_map(|pending| &pending.write.entries);
        let events = self.turns.iter().flat_map(|pending| &pending.write.events);
        intakes.chain(events).map(|entry| entry.lane)
    }
}

/// What is written of the turns.
struct Written {
    turns: Vec<Committed>,
    /// The entries that the local changes of each bring about.
    events: Vec<Vec<inbox::New>>,
    messages: outbox::Kept,
}

/// The rows of all turns, joined.
#[derive(Default)]
struct TurnRows {
    conversations: conversation::Records,
    forget: Rows,
    journal: journal::Records,
    messages: Rows,
    stop_timers: Rows,
    timers: Rows,
    reached: Rows,
    lost: Rows,
}

impl TurnRows {
    fn extend(&mut self, turn: &Prepared) {
        self.conversations.extend(&turn.conversations);
        self.forget.extend(&turn.forget);
        self.journal.extend(&turn.journal);
        self.messages.extend(&turn.message_rows);
        self.stop_timers.extend(&turn.stop_timers);
        self.timers.extend(&turn.timers);
        self.reached.extend(&turn.reached);
        self.lost.extend(&turn.lost);
    }
}

/// The messages of a turn with the numbers they got.
fn numbered(turn: &Prepared, numbers: &HashMap<String, outbox::MessageId>) -> Vec<outbox::Message> {
    let kept = turn.messages.iter().filter_map(|message| Some((message, *numbers.get(&message.key)?)));
    let mut messages: Vec<outbox::Message> = kept
        .map(|(message, id)| outbox::Message {
            id,
            key: message.key.clone(),
            chat: message.chat,
            call: Json::clone(&message.call),
            created_at: turn.at,
            attempt_count: 0,
            not_before: Timestamp(0),
        })
        .collect();
    messages.sort_unstable_by_key(|message| message.id);
    messages
}
