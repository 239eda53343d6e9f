//! Calls to other services in the middle of a turn. What was said before leaves before; a write's intent is on disk
//! before it is sent, and its result as soon as it is known. In doubt each class has its own way to the truth.

use std::time::Duration;

use serde_json::Value;

use super::deed::NOBODY;
use super::talk::{Talk, Writing, step_no};
use super::turn::{Stand, Turn};
use super::words;
use crate::clock::{Timestamp, parse_span};
use crate::http::Kind;
use crate::script::host::{Action, Args, CallError, Done, HostFn, Intent, Look, Outside, Write, Written};
use crate::script::value::html_of;
use crate::script::{Step, thrown, thrown_in};
use crate::store::doubt::{self, Decision};
use crate::store::{self, Json, Local, change::Change, timer};
use crate::telegram::Outgoing;

/// How long a look for what became of a write may be put off at most.
const LONGEST_WAIT: Duration = Duration::from_mins(30);

impl Turn<'_> {
    /// Lets what is said so far leave, before something that may take its time.
    pub async fn speak_first(&mut self, talk: &mut Talk) -> Result<(), store::Error> {
        if !self.writes.messages.is_empty() || !self.advanced.effects.is_empty() {
            self.commit_amid(talk).await?;
        }
        Ok(())
    }

    /// Waits for a call as long as its declaration allows; the turn's own time stands still meanwhile.
    pub async fn within<T>(
        &self,
        outside: &Outside,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        self.deadline.put_off(outside.timeout);
        let elapsed = tokio::time::timeout(outside.timeout, call).await;
        elapsed.unwrap_or_else(|_elapsed| Err(CallError::overdue(outside)))
    }

    /// The same for a question to a service, which is also given up when the person has written a command meanwhile.
    pub async fn read<T>(
        &self,
        outside: &Outside,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        tokio::select! {
            biased;
            answer = self.within(outside, call) => answer,
            () = self.at_work.hurries() => Err(CallError::abandoned(outside)),
        }
    }

    /// Does a write to the outside, or finds out what became of the one that is intended.
    pub async fn write(
        &mut self,
        talk: &mut Talk,
        step: Step,
        function: &'static HostFn,
        args: &Args,
    ) -> Result<Stand, store::Error> {
        let Some(call) = Call::of(function, args) else {
            self.park(
                talk,
                &format!("{}: {} is declared without what it needs outside", step.site, step.name),
            );
            return Ok(Stand::Parked);
        };
        match &talk.intent {
            Some(intent) if intent.request != step.request => {
                let report = format!("{}: {} was intended with other arguments", step.site, step.name);
                self.park(talk, &report);
                Ok(Stand::Parked)
            }
            Some(_) => self.find_out(talk, &call).await,
            None => {
                talk.intent = Some(step);
                match self.send(talk, &call).await? {
                    Err(CallError::InDoubt { message, .. }) => {
                        tracing::warn!(write.key = %self.key(talk), "{} is in doubt: {message}", call.name());
                        begin_doubt(talk, false);
                        self.find_out(talk, &call).await
                    }
                    result => self.settle(talk, &call, result).await,
                }
            }
        }
    }

    /// The name of the intended write for ever.
    fn key(&self, talk: &Talk) -> String {
        format!("{}-{}{}", self.host.store().installation(), talk.key_prefix(), talk.journal.len())
    }

    fn intent(&self, talk: &Talk, call: &Call<'_>) -> Intent {
        let writing = talk.detail.writing.clone();
        let writing = writing.unwrap_or_else(|| Writing::sent(self.host.clock.now(), Value::Null));
        let gone_by = writing.sent_at + call.outside.timeout;
        Intent { key: self.key(talk), since: writing.known_since(), gone_by, means: writing.means }
    }

    /// Writes the intent down and sends the write.
    async fn send(
        &mut self,
        talk: &mut Talk,
        call: &Call<'_>,
    ) -> Result<Result<Written, CallError>, store::Error> {
        let now = self.host.clock.now();
        match &mut talk.detail.writing {
            Some(writing) => (writing.sent_at, writing.is_put_off) = (now, false),
            none => *none = Some(Writing::sent(now, (call.outside.means)(self.host))),
        }
        self.writes.journal.extend(talk.intent_row(now));
        self.commit_amid(talk).await?;
        if let Some(answer) = self.stand_in(talk, call) {
            let is_lost =
                self.host.stand_in.as_ref().is_some_and(|stand_in| stand_in.loses(&self.step_key(talk)));
            let (service, message) = (call.outside.service, "the answer is lost".to_owned());
            return Ok(if is_lost { Err(CallError::InDoubt { service, message }) } else { answer });
        }
        let caller = self.caller(&talk.detail.person);
        let write = (call.write)(self.host, caller, call.args.clone(), self.intent(talk, call));
        match self.within(call.outside, write).await {
            Err(CallError::Store(error)) => Err(error),
            result => Ok(result),
        }
    }

    /// What a scenario says in place of the service.
    fn stand_in(&self, talk: &Talk, call: &Call<'_>) -> Option<Result<Written, CallError>> {
        let stand_in = self.host.stand_in.as_ref()?;
        let answer = stand_in.answer(&self.step_key(talk), call.function, call.args)?;
        let service = call.outside.service;
        Some(match thrown_in(&answer) {
            None => Ok(answer.into()),
            Some(error) => Err(CallError::Failed {
                kind: error["kind"].as_str().and_then(Kind::parse).unwrap_or(Kind::Unavailable),
                service,
                message: error["message"].as_str().unwrap_or_default().to_owned(),
                retry_after: error["retry_after"].as_u64().map(Duration::from_secs),
            }),
        })
    }

    /// Goes by what is known to have come of the write: a service that is away is waited for, when the flow asked for
    /// it; all else is written down.
    async fn settle(
        &mut self,
        talk: &mut Talk,
        call: &Call<'_>,
        result: Result<Written, CallError>,
    ) -> Result<Stand, store::Error> {
        match result {
            Err(error) if error.is_passing() && self.has_patience(talk, call) => {
                Ok(self.put_off(talk, call, &error))
            }
            result => self.record(talk, call, result).await,
        }
    }

    /// Whether the flow still waits for a service that is away.
    fn has_patience(&self, talk: &Talk, call: &Call<'_>) -> bool {
        call.patience_ends(talk).is_some_and(|end| self.host.clock.now() < end)
    }

    /// Writes down what came of the write, at once: from now on it is not in doubt.
    async fn record(
        &mut self,
        talk: &mut Talk,
        call: &Call<'_>,
        result: Result<Written, CallError>,
    ) -> Result<Stand, store::Error> {
        let (value, change) = match result {
            Ok(Written { value, change }) => (Ok(value), change),
            Err(error) => (Err(error), None),
        };
        if let Err(error) = &value {
            tracing::warn!(write.key = %self.key(talk), "{} is not done: {error}", call.name());
        }
        let answer = self.answer_of(call.name(), value)?;
        self.conclude(talk, answer, change).await
    }

    /// The intended step gets its answer, and the flow goes on.
    async fn conclude(
        &mut self,
        talk: &mut Talk,
        answer: Value,
        change: Option<Change>,
    ) -> Result<Stand, store::Error> {
        let Some(intent) = talk.intent.take() else { return Ok(Stand::Going) };
        let writing = talk.detail.writing.take();
        talk.detail.failure = None;
        if writing.as_ref().is_some_and(|writing| writing.waits > 0) {
            self.writes.stop_timers.push(talk.id);
        }
        self.journal(talk, Step { answer, ..intent });
        self.writes.local = change.map(|change| Local { row: None, change });
        self.commit_amid(talk).await?;
        if writing.is_some_and(|writing| writing.is_asked && writing.decision.is_none()) {
            self.tell_staff("👌 Вопрос о незавершённой записи решился сам, кнопки под ним больше не нужны.");
            self.writes.local = Some(Local { row: None, change: Change::Close(talk.id) });
            self.commit_amid(talk).await?;
        }
        Ok(Stand::Going)
    }

    /// Finds out what became of a write whose answer is lost: by its class, or by the office's word.
    async fn find_out(&mut self, talk: &mut Talk, call: &Call<'_>) -> Result<Stand, store::Error> {
        let decision = talk.detail.writing.as_ref().and_then(|writing| writing.decision.clone());
        match decision {
            Some(Decision::Done { number }) => {
                return self.conclude(talk, call.done(number), None).await;
            }
            Some(Decision::GiveUp) => {
                let message = "сотрудник решил, что этого делать не нужно".to_owned();
                let (kind, service) = (Kind::Rejected, call.outside.service);
                let error = CallError::Failed { kind, service, message, retry_after: None };
                return self.conclude(talk, thrown(&error.for_script()), None).await;
            }
            Some(Decision::Again) => {
                if let Some(writing) = &mut talk.detail.writing {
                    (writing.decision, writing.is_asked) = (None, false);
                }
                return self.once_more(talk, call).await;
            }
            None => {}
        }
        // A stand-in answers a step that is taken again the same, and so is as good as a service that heeds keys.
        if let Some(result) = self.stand_in(talk, call) {
            return self.settle(talk, call, result).await;
        }
        if talk.detail.writing.as_ref().is_some_and(|writing| writing.is_put_off) {
            return self.once_more(talk, call).await;
        }
        begin_doubt(talk, false);
        match &call.function.action {
            Action::KeyedWrite(_) => self.once_more(talk, call).await,
            Action::CheckedWrite { look, .. } => {
                let caller = self.caller(&talk.detail.person);
                let look = look(self.host, caller, call.args.clone(), self.intent(talk, call));
                match self.within(call.outside, look).await {
                    Ok(Look::Done(written)) => self.record(talk, call, Ok(written)).await,
                    Ok(Look::NotDone) if self.is_settled(talk, call) => self.once_more(talk, call).await,
                    Ok(Look::NotDone) => Ok(self.wait(talk, call, "the service may still be at work on it")),
                    Ok(Look::Unknown) => Ok(self.ask_office(talk, call, "the service cannot tell")),
                    Err(CallError::Store(error)) => Err(error),
                    Err(error) => Ok(self.wait(talk, call, &error.to_string())),
                }
            }
            _ => Ok(self.ask_office(talk, call, "it cannot be checked")),
        }
    }

    /// Sends the write again. It was promised to the person, so only the service's clear word ends it.
    async fn once_more(&mut self, talk: &mut Talk, call: &Call<'_>) -> Result<Stand, store::Error> {
        metrics::counter!("writes_repeated_total", "function" => call.name().to_owned()).increment(1);
        let was_put_off = talk.detail.writing.as_ref().is_some_and(|writing| writing.is_put_off);
        let error = match self.send(talk, call).await? {
            Ok(written) => return self.record(talk, call, Ok(written)).await,
            Err(error) => error,
        };
        if matches!(error, CallError::InDoubt { .. }) {
            begin_doubt(talk, was_put_off);
        }
        if error.is_passing() && call.patience_ends(talk).is_some() {
            return self.settle(talk, call, Err(error)).await;
        }
        match error.kind() {
            Kind::Rejected | Kind::NotFound | Kind::Invalid => self.record(talk, call, Err(error)).await,
            Kind::Unavailable | Kind::Denied | Kind::Limit
                if matches!(call.function.action, Action::Once(_)) =>
            {
                match error {
                    CallError::InDoubt { message, .. } => Ok(self.ask_office(talk, call, &message)),
                    error => self.record(talk, call, Err(error)).await,
                }
            }
            Kind::Unavailable | Kind::Denied | Kind::Limit => Ok(self.wait(talk, call, &error.to_string())),
        }
    }

    /// When the service cannot be at work any more on what was sent last.
    fn settled_at(&self, talk: &Talk, call: &Call<'_>) -> Timestamp {
        let sent_at =
            talk.detail.writing.as_ref().map_or_else(|| self.host.clock.now(), |writing| writing.sent_at);
        sent_at + call.outside.timeout + self.host.settings.doubt_settles
    }

    fn is_settled(&self, talk: &Talk, call: &Call<'_>) -> bool {
        self.settled_at(talk, call) <= self.host.clock.now()
    }

    /// Sets the conversation aside and looks again later; the office is asked when that has gone on for long, however
    /// long the service was away before.
    fn wait(&mut self, talk: &mut Talk, call: &Call<'_>, why: &str) -> Stand {
        let (now, settings) = (self.host.clock.now(), &self.host.settings);
        let Some(writing) = &talk.detail.writing else { return Stand::Parked };
        let looked_for_since = writing.doubt.map_or(writing.since, |doubt| doubt.looked_for_since);
        let is_long = looked_for_since + settings.doubt_asks <= now;
        let next = (now + self.pause(writing)).max(self.settled_at(talk, call));
        let is_news = self.suspend(talk, call, why);
        if is_news {
            self.calm(talk);
        }
        self.look_at(talk, next);
        if is_long {
            self.question(talk, call);
        }
        Stand::Parked
    }

    /// Sets the conversation aside until the service is back; nothing is in doubt, so nobody is asked.
    fn put_off(&mut self, talk: &mut Talk, call: &Call<'_>, error: &CallError) -> Stand {
        let now = self.host.clock.now();
        let Some(writing) = &mut talk.detail.writing else { return Stand::Parked };
        writing.is_put_off = true;
        let pause = self.pause(writing).max(error.retry_after().unwrap_or_default());
        let next = call.patience_ends(talk).map_or(now + pause, |end| (now + pause).min(end));
        let report = format!("{} waits for {}: {error}", call.name(), call.outside.service);
        tracing::warn!(conversation.id = talk.id.0, write.key = %self.key(talk), "{report}");
        metrics::counter!("writes_put_off_total", "function" => call.name().to_owned()).increment(1);
        if self.lay_aside(talk, &report) && talk.user != NOBODY {
            let words = call.args.option("accepted").map_or_else(|| words::PUT_OFF.to_owned(), html_of);
            self.say(&Outgoing::text(words));
        }
        self.look_at(talk, next);
        Stand::Parked
    }

    /// How long to wait before the next try: longer each time, and anew from the moment that something is in doubt.
    fn pause(&self, writing: &Writing) -> Duration {
        let step = self.host.settings.doubt_settles.max(Duration::from_millis(1));
        let waits = writing.waits - writing.doubt.map_or(0, |doubt| doubt.waits_before.min(writing.waits));
        step.saturating_mul(1 << waits.min(10)).min(LONGEST_WAIT.max(step))
    }

    /// Sets the conversation aside until the office decides.
    fn ask_office(&mut self, talk: &mut Talk, call: &Call<'_>, why: &str) -> Stand {
        if self.suspend(talk, call, why) {
            self.calm(talk);
        }
        self.question(talk, call);
        Stand::Parked
    }

    /// Parks the conversation in doubt; tells whether it was not so before.
    fn suspend(&mut self, talk: &mut Talk, call: &Call<'_>, why: &str) -> bool {
        let report = format!("{} is in doubt: {why}", call.name());
        tracing::warn!(
            case.number = self.entry.id.0, conversation.id = talk.id.0, write.key = %self.key(talk), "{report}"
        );
        metrics::counter!("writes_in_doubt_total", "function" => call.name().to_owned()).increment(1);
        self.lay_aside(talk, &report)
    }

    /// Sets the conversation aside because of its write; tells whether that is the first time.
    fn lay_aside(&mut self, talk: &mut Talk, report: &str) -> bool {
        let number = talk.detail.failure.as_ref().map(|failure| failure.number);
        self.set_aside(talk, report);
        if let (Some(number), Some(failure)) = (number, &mut talk.detail.failure) {
            failure.number = number; // The person was told this one.
        }
        let Some(writing) = &mut talk.detail.writing else { return false };
        writing.waits += 1;
        let is_news = writing.waits == 1;
        self.keep(talk);
        is_news
    }

    /// Tells the person that something is not certain yet, and that they need do nothing.
    fn calm(&mut self, talk: &Talk) {
        if talk.user != NOBODY {
            self.say(&Outgoing::text(words::in_doubt(self.entry.id.0)));
        }
    }

    /// Promises to look again.
    fn look_at(&mut self, talk: &Talk, fire_at: Timestamp) {
        self.writes.timers.push(timer::New {
            conversation: talk.id,
            step: step_no(talk.journal.len()),
            kind: timer::Kind::Limit,
            lane: self.entry.lane,
            user: talk.user,
            fire_at,
        });
        self.advanced.has_timers = true;
    }

    /// Asks the office what became of the write, once.
    fn question(&mut self, talk: &mut Talk, call: &Call<'_>) {
        let number = talk.detail.failure.as_ref().map_or(self.entry.id.0, |failure| failure.number);
        let Some(writing) = talk.detail.writing.as_mut().filter(|writing| !writing.is_asked) else { return };
        let Some(staff) = self.host.staff_chat() else {
            tracing::error!(case.number = number, "nobody can be asked: telegram.staff_chat is not set");
            return;
        };
        writing.is_asked = true;
        let request = talk.intent.as_ref().and_then(|intent| intent.request.clone()).unwrap_or_default();
        let change = Change::Ask(doubt::New {
            conversation: talk.id,
            lane: self.entry.lane,
            name: call.name().to_owned(),
            wants: call.wants().map(str::to_owned),
            request: Json::from(request),
            number,
            person: talk.detail.person.name.clone(),
            staff,
        });
        self.writes.local = Some(Local { row: None, change });
        self.keep(talk);
    }

    /// The turn that was in the middle of a write came to no end: it is found out a little later.
    pub fn leave_in_doubt(&mut self, talk: &mut Talk, why: &str) {
        let next = self.host.clock.now() + self.host.settings.doubt_settles;
        self.set_aside(talk, &format!("a write is in doubt: {why}"));
        let mut is_news = true;
        if let Some(writing) = &mut talk.detail.writing {
            writing.waits += 1;
            is_news = writing.waits == 1;
        }
        self.keep(talk);
        if is_news {
            self.calm(talk);
        }
        self.look_at(talk, next);
    }
}

/// The answer to what was sent last is lost.
fn begin_doubt(talk: &mut Talk, was_put_off: bool) {
    if let Some(writing) = &mut talk.detail.writing {
        writing.begin_doubt(was_put_off);
    }
}

/// One call of a write.
struct Call<'a> {
    function: &'static HostFn,
    name: String,
    outside: &'static Outside,
    write: Write,
    args: &'a Args,
}

impl Call<'_> {
    fn of<'a>(function: &'static HostFn, args: &'a Args) -> Option<Call<'a>> {
        let (Action::KeyedWrite(write) | Action::CheckedWrite { write, .. } | Action::Once(write)) =
            &function.action
        else {
            return None;
        };
        let outside = function.outside.as_ref()?;
        Some(Call { function, name: function.full_name(), outside, write: *write, args })
    }

    fn name(&self) -> &str {
        &self.name
    }

    /// Until when the flow waits for a service that is away, if it does.
    fn patience_ends(&self, talk: &Talk) -> Option<Timestamp> {
        let patience = parse_span(self.args.option("patience")?.as_str()?)?;
        Some(talk.detail.writing.as_ref()?.since + patience)
    }

    /// What the script gets when a person says that it is done.
    fn done(&self, number: Option<i64>) -> Value {
        match (self.outside.done, number) {
            (Done::Number { result, .. }, Some(number)) => result(self.args, number),
            (Done::Number { .. } | Done::Plain, _) => Value::Bool(true),
        }
    }

    /// The number that goes with "done", in words for the office.
    fn wants(&self) -> Option<&'static str> {
        match self.outside.done {
            Done::Plain => None,
            Done::Number { what, .. } => Some(what),
        }
    }
}
