//! Writes of different chats in one transaction: the number of statements does not depend on theirs.

use std::collections::{BTreeSet, HashMap};

use tokio::sync::oneshot;

use super::database::{Rows, Tx};
use super::lane::{self, Holder};
use super::outbox::Receipt;
use super::turn::Prepared;
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
    turns: Vec<Result<Committed, Error>>,
    leases: Vec<Option<Lease>>,
}

impl Group {
    /// How many writes it holds.
    pub fn len(&self) -> usize {
        self.intakes.len() + self.turns.len() + self.receipts.len() + self.leases.len()
    }

    /// Writes everything within the transaction. A turn that may not be written is left out and told why;
    /// any other failure is the group's.
    pub async fn write(&self, tx: &mut Tx, me: i64, now: Timestamp) -> Result<Results, Error> {
        let mut holders = self.lock_lanes(tx).await?;
        let leases = self.grant_leases(tx, &mut holders, me).await?;
        let fenced = self.fence(&holders, me);
        let (mut turns, effects) = self.write_turns(tx, fenced, now).await?;
        let (intakes, entries) = self.write_entries(tx, &turns, &effects, me, now).await?;
        let receipts: Vec<&Receipt> = self.receipts.iter().map(|pending| &pending.write).collect();
        if !receipts.is_empty() {
            outbox::settle(tx, &receipts, now).await?;
        }
        for (turn, events) in turns.iter_mut().zip(entries) {
            if let Ok(committed) = turn {
                committed.entries = events;
            }
        }
        Ok(Results { intakes, turns, leases })
    }

    /// Tells each member what became of it.
    pub fn answer(self, results: Results) {
        // Whoever does not wait any more does not need the answer.
        for (pending, entries) in self.intakes.into_iter().zip(results.intakes) {
            let _ = pending.reply.send(Ok(entries));
        }
        for (pending, result) in self.turns.into_iter().zip(results.turns) {
            let _ = pending.reply.send(result);
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

    /// Locks every lane the group concerns, in one order for all writers.
    async fn lock_lanes(&self, tx: &mut Tx) -> Result<HashMap<LaneId, Holder>, Error> {
        let leased: BTreeSet<LaneId> = self.leases.iter().map(|pending| pending.write).collect();
        let mut concerned = leased.clone();
        if let Tx::Postgres(_) = tx {
            // Whoever takes the lane of a new entry waits for the entry, and then finds it.
            concerned.extend(self.entry_lanes());
        }
        lane::ensure(tx, &concerned).await?;
        concerned.extend(self.turns.iter().map(|pending| pending.write.lease.lane()));
        lane::lock(tx, &concerned).await
    }

    /// Takes the lanes that may be taken and wakes the holders of the others.
    async fn grant_leases(
        &self,
        tx: &mut Tx,
        holders: &mut HashMap<LaneId, Holder>,
        me: i64,
    ) -> Result<Vec<Option<Lease>>, Error> {
        if self.leases.is_empty() {
            return Ok(Vec::new());
        }
        let live = lane::live_instances(tx).await?;
        let (takable, held): (BTreeSet<LaneId>, BTreeSet<LaneId>) =
            self.leases.iter().map(|pending| pending.write).partition(|lane| {
                let owner = holders.get(lane).and_then(|holder| holder.owner);
                owner.is_none_or(|owner| owner == me || !live.contains(&owner))
            });
        let mut granted = HashMap::new();
        for lease in lane::take(tx, &takable, me).await? {
            holders.insert(lease.lane, Holder { id: lease.lane.0, owner: Some(me), token: lease.token });
            granted.insert(lease.lane, lease);
        }
        lane::wake_holders(tx, &held, me).await?;
        Ok(self.leases.iter().map(|pending| granted.get(&pending.write).copied()).collect())
    }

    /// Sees which turns still hold their lanes.
    fn fence(&self, holders: &HashMap<LaneId, Holder>, me: i64) -> Vec<Result<(), Error>> {
        let valid = |lease: Lease| {
            holders
                .get(&lease.lane)
                .is_some_and(|holder| holder.owner == Some(me) && holder.token == lease.token)
        };
        self.turns
            .iter()
            .map(|pending| pending.write.lease)
            .map(|lease| if valid(lease) { Ok(()) } else { Err(Error::StaleLease { lane: lease.lane }) })
            .collect()
    }

    /// Writes the turns that hold their lanes, all but their entries for other lanes, and returns beside
    /// them the entries that their local changes bring about.
    async fn write_turns(
        &self,
        tx: &mut Tx,
        fenced: Vec<Result<(), Error>>,
        now: Timestamp,
    ) -> Result<(Vec<Result<Committed, Error>>, Vec<Vec<inbox::New>>), Error> {
        let mut turns = self.finish_entries(tx, fenced, now).await?;
        let mut rows = TurnRows::default();
        for (pending, turn) in self.turns.iter().zip(&turns) {
            if turn.is_ok() {
                rows.extend(&pending.write);
            }
        }
        timer::stop(tx, &rows.stop_timers).await?;
        conversation::write(tx, &rows.conversations).await?;
        journal::forget(tx, &rows.forget).await?;
        let effects = self.change_locally(tx, &mut turns, &mut rows.journal).await?;
        journal::write(tx, &rows.journal).await?;
        let ids = outbox::put(tx, &rows.messages).await?;
        timer::put(tx, &rows.timers).await?;
        partner::mark_reached(tx, &rows.reached).await?;
        partner::mark_lost(tx, &rows.lost).await?;
        for (pending, turn) in self.turns.iter().zip(&mut turns) {
            if let Ok(committed) = turn {
                committed.messages = messages(&pending.write, &ids);
            }
        }
        Ok((turns, effects))
    }

    /// Marks the entries of the turns as done with; a turn whose entry was done before, as a whole or with a
    /// commit in its middle, is repeated.
    async fn finish_entries(
        &self,
        tx: &mut Tx,
        fenced: Vec<Result<(), Error>>,
        now: Timestamp,
    ) -> Result<Vec<Result<Committed, Error>>, Error> {
        let valid = self.turns.iter().zip(&fenced).filter(|(_, fenced)| fenced.is_ok());
        let ids: BTreeSet<inbox::EntryId> = valid.filter_map(|(pending, _)| pending.write.finish).collect();
        let valid = self.turns.iter().zip(&fenced).filter(|(_, fenced)| fenced.is_ok());
        let amid: BTreeSet<inbox::EntryId> = valid.filter_map(|(pending, _)| pending.write.amid).collect();
        let undone = inbox::undone(tx, &Rows::of(amid)).await?;
        let mut open = inbox::finish(tx, &Rows::of(ids), now).await?;
        let turns = self.turns.iter().zip(fenced).map(|(pending, fenced)| {
            fenced?;
            // Taken out of the set, so that of two turns for one entry only the first is written.
            let is_first = pending.write.finish.is_none_or(|id| open.remove(&id));
            if is_first && pending.write.amid.is_none_or(|id| undone.contains(&id)) {
                Ok(Committed::default())
            } else {
                Err(Error::AlreadyDone)
            }
        });
        Ok(turns.collect())
    }

    /// Makes the local changes, and adds the steps that tell of them to the journal.
    async fn change_locally(
        &self,
        tx: &mut Tx,
        turns: &mut [Result<Committed, Error>],
        journal: &mut journal::Records,
    ) -> Result<Vec<Vec<inbox::New>>, Error> {
        let mut effects = Vec::with_capacity(turns.len());
        for (pending, turn) in self.turns.iter().zip(turns) {
            let (Ok(committed), Some(local)) = (turn, &pending.write.local) else {
                effects.push(Vec::new());
                continue;
            };
            let effect = change::apply(tx, &local.change, pending.write.at).await?;
            if let Some(row) = &local.row {
                let row = journal::Row { answer: Some(effect.answer.clone()), ..row.clone() };
                journal.push(&row, pending.write.limits)?;
            }
            committed.answer = Some(effect.answer);
            effects.push(effect.events);
        }
        Ok(effects)
    }

    /// Accepts the entries of intakes, of turns and of local changes; returns what is new for each intake
    /// and for each turn.
    async fn write_entries(
        &self,
        tx: &mut Tx,
        turns: &[Result<Committed, Error>],
        effects: &[Vec<inbox::New>],
        me: i64,
        now: Timestamp,
    ) -> Result<(Vec<Vec<inbox::Entry>>, Vec<Vec<inbox::Entry>>), Error> {
        let mut rows = Rows::default();
        for pending in &self.intakes {
            rows.extend(&pending.write.rows);
        }
        for ((pending, turn), events) in self.turns.iter().zip(turns).zip(effects) {
            if turn.is_ok() {
                rows.extend(&pending.write.event_rows);
                rows.extend(&inbox::rows(events, now));
            }
        }
        let accepted = inbox::accept(tx, &rows).await?;
        let lanes = accepted.iter().map(|entry| entry.lane).collect();
        lane::wake_holders(tx, &lanes, me).await?;
        let mut accepted = ByName::of(accepted);
        let intakes =
            self.intakes.iter().map(|pending| accepted.take(pending.write.entries.iter())).collect();
        let turns = self.turns.iter().zip(turns).zip(effects).map(|((pending, turn), events)| match turn {
            Ok(_) => accepted.take(pending.write.events.iter().chain(events)),
            Err(_) => Vec::new(),
        });
        Ok((intakes, turns.collect()))
    }

    /// The lanes of the entries that are known before anything is written.
    fn entry_lanes(&self) -> impl Iterator<Item = LaneId> {
        let intakes = self.intakes.iter().flat_map(|pending| &pending.write.entries);
        let events = self.turns.iter().flat_map(|pending| &pending.write.events);
        intakes.chain(events).map(|entry| entry.lane)
    }
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

/// Accepted entries, to be found by what names them.
struct ByName(HashMap<(String, String), inbox::Entry>);

impl ByName {
    fn of(entries: Vec<inbox::Entry>) -> ByName {
        ByName(entries.into_iter().map(|entry| ((entry.source.clone(), entry.key.clone()), entry)).collect())
    }

    /// Takes out those of `wanted` that are there, in the order of acceptance.
    fn take<'a>(&mut self, wanted: impl Iterator<Item = &'a inbox::New>) -> Vec<inbox::Entry> {
        let mut taken: Vec<inbox::Entry> =
            wanted.filter_map(|entry| self.0.remove(&(entry.source.clone(), entry.key.clone()))).collect();
        taken.sort_unstable_by_key(|entry| entry.id);
        taken
    }
}

/// The messages of a turn with the numbers they got.
fn messages(turn: &Prepared, ids: &HashMap<String, outbox::MessageId>) -> Vec<outbox::Message> {
    let numbered = turn.messages.iter().filter_map(|message| Some((message, *ids.get(&message.key)?)));
    let mut messages: Vec<outbox::Message> = numbered
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
