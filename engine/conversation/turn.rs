//! One turn: the flow is run until it waits for a person or ends, and everything decided on the way is gathered
//! for one commit. Only a change of our own tables is committed in the middle, together with its journal entry.

use std::sync::Arc;

use serde_json::{Value, json};
use tracing::Instrument as _;

use super::deed::NOBODY;
use super::hurry::AtWork;
use super::question::{Expects, Progress};
use super::talk::{Awaiting, Failure, Talk, step_no};
use super::{Advanced, Deadline, Effect, HandOn, Host, words};
use crate::clock::Timestamp;
use crate::schedule::by_day;
use crate::script::host::{Action, Args, Ask, CallError, Caller, HostFn, Right, partner_card};
use crate::script::{Access, End, Pending, Site, Step, Work, fits, run_apart, thrown};
use crate::store::change::Change;
use crate::store::conversation::Status;
use crate::store::journal::StepNo;
use crate::store::partner::Partner;
use crate::store::{self, Json, Lease, Local, inbox, outbox, timer};
use crate::telegram::{ChatId, Content, Keyboard, Outgoing, Person, Target, UserId, html};

/// Flows that hand over to each other without ever asking are stopped after so many.
const MAX_HOPS: usize = 16;

/// A turn in the making.
pub(super) struct Turn<'a> {
    pub host: &'a Host,
    pub entry: &'a inbox::Entry,
    pub(super) chat: ChatId,
    pub(super) deadline: Deadline,
    began_at: Timestamp,
    /// Telegram's number of the message under whose button the person began a flow.
    pub(super) pressed: Option<i64>,
    pub(super) writes: store::Turn,
    /// What awaits each person after this turn, to be remembered once it is committed.
    kept: Vec<Talk>,
    /// Messages of the host itself so far: their keys count on from the entry's number.
    said: u32,
    pub(super) advanced: Advanced,
    hand_on: HandOn<'a>,
    pub(super) at_work: AtWork<'a>,
}

impl<'a> Turn<'a> {
    pub fn new(
        host: &'a Host,
        lease: Lease,
        entry: &'a inbox::Entry,
        deadline: Deadline,
        hand_on: HandOn<'a>,
    ) -> Turn<'a> {
        let chat = entry.lane.chat();
        Turn {
            host,
            entry,
            chat,
            deadline,
            began_at: host.clock.now(),
            pressed: None,
            writes: store::Turn::new(lease),
            kept: Vec::new(),
            said: 0,
            advanced: Advanced::default(),
            hand_on,
            at_work: host.hurry.at_work(entry.lane),
        }
    }

    /// The right under which the turn writes.
    pub fn lease(&self) -> Lease {
        self.writes.lease
    }

    /// Says something of the host's own.
    pub fn say(&mut self, message: &Outgoing) -> String {
        let key = format!("e{}-{}", self.entry.id.0, self.said);
        self.said += 1;
        self.put(&key, message);
        key
    }

    pub fn effect(&mut self, effect: Effect) {
        self.advanced.effects.push(effect);
    }

    /// Notes that the chat's person has stopped the bot or come back to it.
    pub fn note_reach(&mut self, reach: store::Reach) {
        self.writes.reach = Some(reach);
    }

    /// Counts a person's choice in a poll.
    pub fn vote(&mut self, user: UserId, telegram_poll: &str, options: &[u8]) {
        let (telegram_poll, options) = (telegram_poll.to_owned(), options.to_vec());
        self.writes.local = Some(Local { row: None, change: Change::Vote { user, telegram_poll, options } });
    }

    /// Keeps a conversation's row as it is now.
    pub fn keep(&mut self, talk: &Talk) {
        let row = talk.row(self.host.clock.now());
        self.writes.conversations.retain(|kept| kept.id != row.id);
        self.writes.conversations.push(row);
        self.kept.retain(|kept| kept.id != talk.id);
        self.kept.push(talk.clone());
    }

    /// The person leaves this conversation for another.
    pub fn leave(&mut self, talk: &mut Talk) {
        talk.status = Status::Cancelled;
        talk.detail.awaiting = None;
        talk.detail.working_on = None;
        self.writes.stop_timers.push(talk.id);
        self.keep(talk);
    }

    /// Forgets the moments promised to a conversation.
    pub fn stop_timers(&mut self, talk: &Talk) {
        self.writes.stop_timers.push(talk.id);
    }

    /// Takes the journal back to `step`, for the question there to be asked anew.
    pub fn rewind(&mut self, talk: &mut Talk, step: usize) {
        Arc::make_mut(&mut talk.journal).truncate(step);
        talk.epoch += 1;
        talk.detail.awaiting = None;
        self.writes.journal.retain(|row| row.conversation != talk.id || row.step < step_no(step));
        self.writes.forget.push((talk.id, step_no(step)));
        self.writes.stop_timers.push(talk.id);
    }

    /// Rewrites the whole journal: its places are those of another script set now.
    pub fn rewrite(&mut self, talk: &Talk) {
        self.writes.forget.push((talk.id, StepNo(0)));
        let now = self.host.clock.now();
        self.writes.journal.extend((0..talk.journal.len()).map(|number| talk.step_row(number, now)));
        self.writes.journal.extend(talk.intent_row(now));
    }

    /// Writes the answer of the question that waits into the journal.
    pub fn answer(&mut self, talk: &mut Talk, answer: Value) {
        let Some(awaiting) = talk.detail.awaiting.take() else { return };
        if !awaiting.moments.is_empty() {
            self.stop_timers(talk);
        }
        let site = Site::parse(&awaiting.site);
        self.journal(talk, Step { name: awaiting.name, site, request: None, answer });
    }

    /// Begins a conversation of a flow.
    pub async fn begin(
        &mut self,
        flow: &str,
        user: UserId,
        person: Person,
        partner: Option<&Partner>,
        args: Value,
    ) -> Result<Box<Talk>, store::Error> {
        let id = self.host.store.new_conversation().await?;
        let caller = self.caller(&person);
        let partner = partner_card(&caller, partner);
        let mut given = json!({ "partner": partner, "args": args });
        if let Some(message) = self.pressed {
            given["pressed"] = message.into();
        }
        let set = self.host.scripts.live();
        let talk = Box::new(Talk::begin(id, self.chat, user, flow, set.hash(), person, given));
        self.keep(&talk);
        self.writes.journal.push(talk.step_row(0, self.host.clock.now()));
        Ok(talk)
    }

    /// Runs a conversation until it waits, ends or fails.
    pub async fn run(&mut self, mut talk: Box<Talk>) -> Result<(), store::Error> {
        for _ in 0..MAX_HOPS {
            // A span of its own: to add these to the turn's would cost more.
            let span = tracing::info_span!("talk", conversation.id = talk.id.0, flow.name = %talk.flow);
            match self.run_once(&mut talk).instrument(span).await? {
                Next::Settled => return Ok(()),
                Next::Again(next) => talk = next,
            }
        }
        self.park(&mut talk, "flows hand over to each other without asking anything");
        Ok(())
    }

    /// Commits everything decided; the entry is done with.
    pub async fn commit(mut self) -> Result<Advanced, store::Error> {
        self.writes.finish = Some(self.entry.id);
        let lease = self.writes.lease;
        let committed = self.host.store.commit(self.writes).await?;
        // Those that ended first: of two conversations of one person the one that waits is remembered.
        self.kept.sort_by_key(|talk| talk.status == Status::Awaiting);
        // One that goes on beside the talk that the person is in is nothing that awaits them.
        for talk in self.kept.into_iter().filter(|talk| !talk.detail.is_beside) {
            let (chat, user, waits) = (talk.chat, talk.user, talk.status == Status::Awaiting);
            self.host.memory.note(lease, chat, user, waits.then(|| Box::new(talk)));
        }
        self.advanced.messages.extend(committed.messages);
        self.advanced.entries.extend(committed.entries);
        Ok(self.advanced)
    }

    /// Runs one flow to its next stop.
    async fn run_once(&mut self, talk: &mut Talk) -> Result<Next, store::Error> {
        loop {
            let Some(set) = self.host.scripts.find(&talk.set_hash).await? else {
                self.park(talk, "its script set is gone from the store");
                return Ok(Next::Settled);
            };
            let journal = Arc::clone(&talk.journal);
            let ran =
                run_apart(&set, &talk.flow, journal, self.caller(&talk.detail.person), talk.key_prefix())
                    .await;
            for (step, message) in &ran.said {
                self.put(&format!("{}{step}", talk.key_prefix()), message);
            }
            for step in ran.steps {
                self.journal(talk, step);
            }
            if ran.is_typing {
                self.effect(Effect::Typing(self.chat));
            }
            if let Some(intent) = &talk.intent
                && !matches!(&ran.end, End::Pending(pending) if pending.name == intent.name)
            {
                let report =
                    format!("{}: the script does not take the road to {} any more", intent.site, intent.name);
                self.park(talk, &report);
                return Ok(Next::Settled);
            }
            match ran.end {
                End::Pending(Pending { name, site, work: Work::Ask(ask) }) => {
                    self.ask(talk, name, &site, ask);
                    return Ok(Next::Settled);
                }
                End::Pending(Pending { name, site, work: Work::Call(function, args) }) => {
                    // Boxed: most turns call nothing, and would carry the state of a call from place to place.
                    let stand = Box::pin(self.call(talk, name, site, function, args)).await?;
                    if stand == Stand::Parked {
                        return Ok(Next::Settled);
                    }
                }
                End::Finished => {
                    self.finish(talk);
                    return Ok(Next::Settled);
                }
                // The person is elsewhere: no talk begins.
                End::Restart | End::Handover { .. } if talk.detail.is_beside => {
                    self.finish(talk);
                    return Ok(Next::Settled);
                }
                End::Restart => {
                    let (flow, args) = (talk.flow.clone(), talk.journal[0].answer["args"].clone());
                    return self.hand_over(talk, &flow, args).await;
                }
                End::Handover { flow, args } => return self.hand_over(talk, &flow, args).await,
                End::Diverged(split) => {
                    let report = format!(
                        "{}: the journal holds {} as step {}, the script calls {}",
                        split.site, split.journaled, split.step, split.called
                    );
                    self.park(talk, &report);
                    return Ok(Next::Settled);
                }
                End::Failed(finding) => {
                    self.park(talk, &finding.to_string());
                    return Ok(Next::Settled);
                }
            }
        }
    }

    /// Ends a conversation and begins the next one of the same person.
    async fn hand_over(&mut self, talk: &mut Talk, flow: &str, args: Value) -> Result<Next, store::Error> {
        self.finish(talk);
        let (user, person) = (talk.user, talk.detail.person.clone());
        self.pressed = talk.journal[0].answer["pressed"].as_i64();
        let real = if user == NOBODY { UserId(self.chat.0) } else { user };
        let (_, partner) = self.host.standing(self.chat, real).await?;
        let next = self.begin(flow, user, person, partner.as_ref(), args).await?;
        Ok(Next::Again(next))
    }

    /// Puts a question and waits.
    fn ask(&mut self, talk: &mut Talk, name: String, site: &Site, ask: Ask) {
        if talk.user == NOBODY {
            return self.park(talk, &format!("{site}: a conversation begun by an event cannot ask"));
        }
        if talk.detail.is_beside {
            return self.leave(talk); // The person is asked something else already.
        }
        let step = talk.journal.len();
        let can_go_back = talk.step_back().is_some();
        let key = format!("{}{step}", talk.key_prefix());
        let now = self.host.clock.now();
        let limit = ask.within.map(|span| (now + span, timer::Kind::Limit));
        // Nobody is woken by a question that could wait.
        let zone = self.host.settings.zone;
        let reminder = ask.remind.map(|span| (by_day(now + span, zone), timer::Kind::Remind));
        let moments: Vec<_> = limit.into_iter().chain(reminder).collect();
        let awaiting = Awaiting {
            step,
            name,
            site: site.to_string(),
            question: ask.question,
            progress: Progress::default(),
            can_go_back,
            key,
            counted: None,
            moments: moments.iter().map(|&(moment, _)| moment).collect(),
        };
        let prompt = self.addressed(talk, talk.prompt(&awaiting), &awaiting.question.expects);
        self.put(&awaiting.key, &prompt);
        for (fire_at, kind) in moments {
            let (conversation, lane, user) = (talk.id, self.entry.lane, talk.user);
            self.writes.timers.push(timer::New {
                conversation,
                step: step_no(step),
                kind,
                lane,
                user,
                fire_at,
            });
            self.advanced.has_timers = true;
        }
        talk.detail.awaiting = Some(awaiting);
        talk.detail.working_on = None;
        self.keep(talk);
    }

    /// Puts the waiting question once more, after `words`; its new message is the one to redraw from now on.
    pub fn ask_again(&mut self, talk: &mut Talk, words: Option<&str>) {
        let Some(mut awaiting) = talk.detail.awaiting.take() else { return };
        let mut prompt = talk.prompt(&awaiting);
        if let (Some(words), Content::Text { html }) = (words, &mut prompt.content) {
            *html = format!("{words}\n\n{html}");
        }
        let prompt = self.addressed(talk, prompt, &awaiting.question.expects);
        awaiting.key = self.say(&prompt);
        talk.detail.awaiting = Some(awaiting);
        self.keep(talk);
    }

    /// Shows the waiting question anew in the message whose button was pressed.
    pub fn redraw(&mut self, talk: &mut Talk, pressed: i64) {
        let Some(awaiting) = &talk.detail.awaiting else { return };
        let message = awaiting.question.redrawn(
            Target::Message(pressed),
            &awaiting.progress,
            awaiting.can_go_back,
            talk.address(awaiting.step),
        );
        self.say(&message);
        self.keep(talk);
    }

    /// In a group a question names its addressee, and words are asked for as a reply: other messages of a
    /// group do not reach a bot. The name stands apart, for a question begins with a capital.
    fn addressed(&self, talk: &Talk, mut prompt: Outgoing, expects: &Expects) -> Outgoing {
        if !self.chat.is_group() {
            return prompt;
        }
        let person = &talk.detail.person;
        if let Content::Text { html: text } = &mut prompt.content {
            *text = format!(
                "<a href=\"tg://user?id={}\">{}</a>! {text}",
                person.id.0,
                html::escape(&person.name)
            );
            if matches!(
                expects,
                Expects::Text { .. } | Expects::Number { .. } | Expects::Date { .. } | Expects::Files { .. }
            ) {
                text.push_str("\n\n<i>Ответьте на это сообщение. Передумали — /cancel</i>");
                prompt.buttons.clear();
                prompt.keyboard = Some(Keyboard::ForceReply);
            }
        }
        prompt
    }

    /// Does what only the host can do, and writes down what came of it.
    async fn call(
        &mut self,
        talk: &mut Talk,
        name: String,
        site: Site,
        function: &'static HostFn,
        args: Args,
    ) -> Result<Stand, store::Error> {
        let caller = self.caller(&talk.detail.person);
        let request = function.fingerprint(&args);
        let step = Step { name, site, request, answer: Value::Null };
        // A write to the outside goes its whole way here, and only what the service would do is stood in for.
        if !function.action.is_outside_write()
            && let Some(stand_in) = &self.host.stand_in
            && let Some(answer) = stand_in.answer(&self.step_key(talk), function, &args)
        {
            self.journal(talk, Step { answer, ..step });
            return Ok(Stand::Going);
        }
        // What was allowed when it was intended is not judged again.
        let refused = if talk.intent.is_none() { self.refusal(function, &caller).await? } else { None };
        let answer = match (&function.action, refused) {
            (_, Some(refused)) => Err(refused),
            (Action::Read(read), None) => match &function.outside {
                Some(outside) => {
                    self.speak_first(talk).await?;
                    let waits_since = (talk.user != NOBODY).then_some(self.began_at);
                    let caller = Caller { waits_since, ..caller };
                    self.read(outside, read(self.host, caller, args)).await
                }
                None => read(self.host, caller, args).await,
            },
            (Action::LocalWrite(plan), None) => match plan(self.host, &caller, &args) {
                Ok(change) => return self.change(talk, step, change).await.map(|()| Stand::Going),
                Err(refused) => Err(refused),
            },
            (Action::KeyedWrite(_) | Action::CheckedWrite { .. } | Action::Once(_), None) => {
                return self.write(talk, step, function, &args).await;
            }
            (Action::Pure(_) | Action::Known(_) | Action::Chat(_), None) => {
                unreachable!("the run does these itself")
            }
        };
        let answer = self.answer_of(&step.name, answer)?;
        self.journal(talk, Step { answer, ..step });
        Ok(Stand::Going)
    }

    /// The name of the next step for a stand-in. By the entry, not by the conversation: one that begins anew after a
    /// crash has another number.
    pub(super) fn step_key(&self, talk: &Talk) -> String {
        format!("{}-{}-{}", self.entry.id.0, talk.flow, talk.journal.len())
    }

    /// Why the caller may not call the function, if so.
    async fn refusal(&self, function: &HostFn, caller: &Caller) -> Result<Option<CallError>, store::Error> {
        let words = match function.right {
            Right::Everybody => return Ok(None),
            _ if caller.is_staff => return Ok(None),
            Right::Staff => "это может только офис",
            Right::Partner => {
                let (standing, _) = self.host.standing(self.chat, caller.user).await?;
                if standing.partner == Some(Access::Verified) {
                    return Ok(None);
                }
                "это могут только партнёры сети"
            }
        };
        Ok(Some(CallError::Denied(words.to_owned())))
    }

    /// What the journal keeps of an answer. Errors: the store's own, which no script sees.
    pub(super) fn answer_of(
        &self,
        name: &str,
        answer: Result<Value, CallError>,
    ) -> Result<Value, store::Error> {
        let limit = self.host.scripts.live().limits().shared_value_bytes;
        Ok(match answer {
            Ok(answer) if fits(&answer, limit) => answer,
            Ok(_) => thrown(&CallError::Invalid(format!("ответ {name} больше {limit} байт")).for_script()),
            Err(CallError::Store(error)) => return Err(error),
            Err(refused) => thrown(&refused.for_script()),
        })
    }

    /// Commits what is decided so far together with a change of our own tables; its journal entry holds the
    /// change's answer.
    async fn change(&mut self, talk: &mut Talk, step: Step, change: Change) -> Result<(), store::Error> {
        Arc::make_mut(&mut talk.journal).push(step);
        let row = talk.step_row(talk.journal.len() - 1, self.host.clock.now());
        self.writes.local = Some(Local { row: Some(row), change });
        let answer = self.commit_amid(talk).await?;
        let step = Arc::make_mut(&mut talk.journal).last_mut().expect("pushed above");
        step.answer = answer.and_then(|answer| answer.read().ok()).unwrap_or_default();
        Ok(())
    }

    /// Commits what is decided so far, and returns the answer of the local change in it. Messages leave, the entry
    /// stays open: whoever takes it again finds by `working_on` that the conversation is in the middle of it.
    pub(super) async fn commit_amid(&mut self, talk: &mut Talk) -> Result<Option<Json>, store::Error> {
        talk.detail.working_on = Some(self.entry.id.0);
        self.keep(talk);
        let lease = self.writes.lease;
        let mut writes = std::mem::replace(&mut self.writes, store::Turn::new(lease));
        writes.amid = Some(self.entry.id);
        let committed = self.host.store.commit(writes).await?;
        let decided = std::mem::take(&mut self.advanced);
        let (messages, entries) = (committed.messages, committed.entries);
        (self.hand_on)(Advanced { messages, entries, ..decided });
        Ok(committed.answer)
    }

    fn finish(&mut self, talk: &mut Talk) {
        talk.status = Status::Finished;
        talk.detail.awaiting = None;
        talk.detail.working_on = None;
        self.keep(talk);
    }

    /// Parks a conversation that cannot go on: the person is told calmly, the office in detail.
    pub fn park(&mut self, talk: &mut Talk, report: &str) {
        let number = self.entry.id.0;
        tracing::error!(
            case.number = number, conversation.id = talk.id.0, flow.name = %talk.flow, chat.id = self.chat.0,
            "conversation parked: {report}"
        );
        metrics::counter!("conversations_parked_total").increment(1);
        self.set_aside(talk, report);
        if talk.user != NOBODY {
            self.say(&Outgoing::text(words::failure(number)));
        }
        self.tell_staff(&format!(
            "⚠️ Разговор «{}» остановился, случай <b>{number}</b>.\n<pre>{}</pre>",
            html::escape(&talk.flow),
            html::escape(report)
        ));
    }

    /// Writes down that a conversation cannot go on for now.
    pub(super) fn set_aside(&mut self, talk: &mut Talk, report: &str) {
        talk.status = Status::Failed;
        talk.detail.working_on = None;
        talk.detail.failure = Some(Failure { number: self.entry.id.0, report: report.to_owned() });
        self.writes.stop_timers.push(talk.id);
        self.keep(talk);
    }

    /// An entry came to no end, and there is no conversation to park: the person and the office are told.
    pub fn fail(&mut self, report: &str) {
        let number = self.entry.id.0;
        tracing::error!(case.number = number, chat.id = self.chat.0, "entry {number} given up: {report}");
        self.say(&Outgoing::text(words::failure(number)));
        self.tell_staff(&format!(
            "⚠️ Случай <b>{number}</b>: разговор не начался.\n<pre>{}</pre>",
            html::escape(report)
        ));
    }

    /// Sends a word of the host to the office, by the office's own lane.
    pub fn tell_staff(&mut self, html: &str) {
        if let Some(staff) = self.host.staff_chat() {
            self.writes.events.push(notice(staff, format!("turn-{}", self.entry.id.0), html));
        }
    }

    pub fn caller(&self, person: &Person) -> Caller {
        Caller {
            chat: self.chat,
            user: person.id,
            name: person.name.as_str().into(),
            username: person.username.as_deref().map(Into::into),
            is_staff: self.host.is_staff(self.chat, person.id),
            now: self.host.clock.now(),
            waits_since: None,
        }
    }

    /// Puts a message into the outbox. The last part of a long one has its buttons, so it has its key.
    fn put(&mut self, key: &str, message: &Outgoing) {
        let mut parts = message.parts();
        let last = parts.pop();
        for (number, part) in parts.iter().enumerate() {
            self.put_part(format!("{key}+{number}"), part);
        }
        self.put_part(key.to_owned(), last.as_ref().unwrap_or(message));
    }

    fn put_part(&mut self, key: String, part: &Outgoing) {
        let call = Json::of(part).expect("messages are plain structures with string keys");
        self.writes.messages.push(outbox::New { key, chat: self.chat, call });
    }

    pub(super) fn journal(&mut self, talk: &mut Talk, step: Step) {
        Arc::make_mut(&mut talk.journal).push(step);
        self.writes.journal.push(talk.step_row(talk.journal.len() - 1, self.host.clock.now()));
    }
}

/// Where a conversation stands after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// It goes on.
    Going,
    /// It is set aside until more is known.
    Parked,
}

/// What follows a stop of a flow.
enum Next {
    /// It waits, has ended, or is parked.
    Settled,
    /// Another conversation takes over.
    Again(Box<Talk>),
}

/// An inbox entry by which the host tells the office something.
pub fn notice(staff: ChatId, key: String, html: &str) -> inbox::New {
    inbox::New { source: "notice".to_owned(), key, lane: staff.into(), body: json!({ "html": html }).into() }
}
