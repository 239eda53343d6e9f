//! What an inbox entry means: an answer, a way out, the beginning of another flow, or nothing.

use serde_json::{Value, json};

use super::deed::{Cron, Deed, Event, NOBODY, Resume, Timer, TimerKind};
use super::memory::Known;
use super::question::{Expects, Reply, Tap};
use super::talk::{Pressed, Talk};
use super::turn::Turn;
use super::{Advanced, Deadline, Effect, HandOn, Host, versions, words};
use crate::script::{Flow, Trigger};
use crate::store::conversation::Status;
use crate::store::doubt::Decision;
use crate::store::notification::Notification;
use crate::store::partner::Partner;
use crate::store::{self, ConversationId, Lease, Reach, inbox};
use crate::telegram::{ChatId, Content, Incoming, Outgoing, Person, Target, UserId, What, html};

/// Takes one entry, does what it asks for, and commits all that was decided.
pub(super) async fn take(
    host: &Host,
    lease: Lease,
    entry: &inbox::Entry,
    deadline: Deadline,
    hand_on: HandOn<'_>,
) -> Result<Advanced, store::Error> {
    let mut turn = Turn::new(host, lease, entry, deadline, hand_on);
    match Deed::read(entry) {
        Ok(deed) => follow(&mut turn, deed).await?,
        Err(error) => tracing::error!(
            entry.id = entry.id.0,
            "inbox entry {} is unreadable and left aside: {error}",
            entry.id.0
        ),
    }
    turn.commit().await
}

/// Does what a deed asks for.
async fn follow(turn: &mut Turn<'_>, deed: Deed) -> Result<(), store::Error> {
    let found = match load(turn.host, turn.lease(), turn.entry.lane.chat(), deed.user()).await? {
        // A turn that broke off after a commit in its middle goes on: its entry is taken already.
        Some(talk) if talk.detail.working_on == Some(turn.entry.id.0) => return turn.run(talk).await,
        found => found,
    };
    match deed {
        Deed::Person(incoming) => person(turn, found, incoming).await,
        Deed::Event(event) => tell(turn, event).await,
        Deed::Cron(cron) => come(turn, cron).await,
        Deed::Timer(timer) => time_is_up(turn, found, &timer).await,
        Deed::Resume(resume) => go_on(turn, &resume).await,
        Deed::Portal(portal) => Box::pin(super::portal::look(turn, portal)).await,
        Deed::Decided(decided) => {
            let conversation = ConversationId(decided.conversation);
            find_out(turn, conversation, Some(decided.decision)).await
        }
        Deed::Notice(notice) => {
            turn.say(&Outgoing::text(notice.html));
            Ok(())
        }
    }
}

/// Parks the conversation that an entry concerns, after a turn that came to no end.
pub(super) async fn give_up(
    host: &Host,
    lease: Lease,
    entry: &inbox::Entry,
    why: String,
) -> Result<Advanced, store::Error> {
    let mut turn = Turn::new(host, lease, entry, Deadline::default(), &drop);
    let deed = Deed::read(entry).ok();
    match (concerned(host, lease, entry, deed.as_ref()).await?, deed) {
        (Some(mut talk), _) if talk.intent.is_some() => turn.leave_in_doubt(&mut talk, &why),
        (Some(mut talk), _) => turn.park(&mut talk, &why),
        (None, Some(Deed::Person(_))) => turn.fail(&why),
        (None, _) => tracing::error!(
            entry.id = entry.id.0,
            chat.id = entry.lane.0,
            "entry {} given up: {why}",
            entry.id.0
        ),
    }
    turn.commit().await
}

/// The conversation that a turn was about when it came to no end.
async fn concerned(
    host: &Host,
    lease: Lease,
    entry: &inbox::Entry,
    deed: Option<&Deed>,
) -> Result<Option<Box<Talk>>, store::Error> {
    if let Some(id) = deed.and_then(Deed::conversation) {
        // One that is over, or parked already, is not parked again.
        let found = by_id(host, id).await?;
        return Ok(found.filter(|talk| talk.status == Status::Awaiting || talk.intent.is_some()));
    }
    load(host, lease, entry.lane.chat(), deed.map_or(NOBODY, Deed::user)).await
}

/// A conversation by its number; one that this version cannot read any more is as good as none.
async fn by_id(host: &Host, id: ConversationId) -> Result<Option<Box<Talk>>, store::Error> {
    let kept = host.store.conversation_by_id(id).await?;
    let unreadable =
        |error: &_| tracing::error!(conversation.id = id.0, "conversation {} is unreadable: {error}", id.0);
    Ok(kept.and_then(|kept| Talk::load(kept).inspect_err(unreadable).ok()).map(Box::new))
}

/// The conversation that awaits this person. One that this version cannot read any more is as good as none.
async fn load(
    host: &Host,
    lease: Lease,
    chat: ChatId,
    user: UserId,
) -> Result<Option<Box<Talk>>, store::Error> {
    if let Known::Yes(known) = host.memory.take(lease, chat, user) {
        return Ok(known);
    }
    let Some(kept) = host.store.conversation(chat, user).await? else {
        host.memory.note(lease, chat, user, None);
        return Ok(None);
    };
    let id = kept.row.id.0;
    let unreadable =
        |error: &_| tracing::error!(conversation.id = id, "conversation {id} is unreadable: {error}");
    Ok(Talk::load(kept).inspect_err(unreadable).ok().map(Box::new))
}

async fn person(turn: &mut Turn<'_>, found: Option<Box<Talk>>, deed: Incoming) -> Result<(), store::Error> {
    match &deed.what {
        What::PollAnswer { poll_id, options } => turn.vote(deed.from.id, poll_id, options),
        What::Membership { is_reachable } => {
            turn.note_reach(if *is_reachable { Reach::Back } else { Reach::Gone });
        }
        What::Press { data, .. } => match Pressed::read(data) {
            Pressed::Question { conversation, epoch, step, tap } => {
                let asked = found.as_ref().is_some_and(|talk| {
                    let at = talk.detail.awaiting.as_ref().map(|awaiting| awaiting.step);
                    (talk.id.0, talk.epoch, at) == (conversation, epoch, Some(step))
                });
                match found {
                    Some(talk) if asked => return tapped(turn, talk, tap, deed.message_id).await,
                    found => old_button(turn, found, &deed),
                }
            }
            Pressed::Flow { name, args } => return pressed_flow(turn, found, deed, &name, args).await,
            Pressed::Unknown => old_button(turn, found, &deed),
        },
        What::Text { text } => {
            let trigger = spoken_trigger(text);
            // The words on a question's own button answer it, even when the menu has the same words.
            let answers = found.as_ref().is_some_and(|talk| is_own_label(talk, text));
            if let Some(trigger) =
                trigger.filter(|trigger| !answers && turn.host.scripts.live().knows(trigger))
            {
                let (standing, partner) = turn.host.standing(deed.chat, deed.from.id).await?;
                let live = turn.host.scripts.live();
                if let Some(flow) = live.triggered(&trigger, standing) {
                    let payload = text.split_once(' ').map_or("", |(_, payload)| payload);
                    let args = json!({ "payload": payload });
                    return start(turn, found, &flow.name, deed.from, partner.as_ref(), args).await;
                }
            }
            return words_of(turn, found, deed).await;
        }
        What::Contact { .. } | What::File(_) | What::Other => return words_of(turn, found, deed).await,
    }
    Ok(())
}

/// Something said: an answer to the question that waits, or words that nobody expected.
async fn words_of(turn: &mut Turn<'_>, found: Option<Box<Talk>>, deed: Incoming) -> Result<(), store::Error> {
    match found {
        Some(mut talk) => {
            if let Some(tap) = navigation(&talk, &deed) {
                return tapped(turn, talk, tap, None).await;
            }
            if !versions::settle(turn, &mut talk).await? {
                return turn.run(talk).await;
            }
            let Some(awaiting) = &mut talk.detail.awaiting else { return turn.run(talk).await };
            let reply = awaiting.question.hear(&mut awaiting.progress, &deed);
            reply_to(turn, talk, reply, None).await
        }
        None => unexpected(turn, deed).await,
    }
}

/// Words that nothing awaits go to the flow for such words; in a group people mostly talk to each other.
async fn unexpected(turn: &mut Turn<'_>, deed: Incoming) -> Result<(), store::Error> {
    if deed.chat.is_group() {
        return Ok(());
    }
    let (standing, partner) = turn.host.standing(deed.chat, deed.from.id).await?;
    let live = turn.host.scripts.live();
    match live.triggered(&Trigger::Fallback, standing) {
        Some(flow) => {
            let text = if let What::Text { text } = &deed.what { text.as_str() } else { "" };
            let args = json!({ "text": text });
            start(turn, None, &flow.name, deed.from, partner.as_ref(), args).await
        }
        None => Ok(()),
    }
}

/// A press of one of the buttons under the question that waits.
async fn tapped(
    turn: &mut Turn<'_>,
    mut talk: Box<Talk>,
    tap: Tap,
    pressed: Option<i64>,
) -> Result<(), store::Error> {
    if !versions::settle(turn, &mut talk).await? {
        return turn.run(talk).await;
    }
    let Some(awaiting) = &mut talk.detail.awaiting else { return turn.run(talk).await };
    match tap {
        // A press may be forged: only the ways that were offered are open.
        Tap::Back if awaiting.can_go_back && awaiting.question.offers_back => {
            tidy(turn, &talk, pressed, None);
            if let Some(step) = talk.step_back() {
                turn.rewind(&mut talk, step);
            }
            turn.run(talk).await
        }
        Tap::Cancel if awaiting.question.offers_cancel => {
            tidy(turn, &talk, pressed, None);
            cancel(turn, talk).await
        }
        tap => {
            let reply = awaiting.question.tapped(&mut awaiting.progress, tap);
            reply_to(turn, talk, reply, pressed).await
        }
    }
}

async fn reply_to(
    turn: &mut Turn<'_>,
    mut talk: Box<Talk>,
    reply: Reply,
    pressed: Option<i64>,
) -> Result<(), store::Error> {
    match reply {
        Reply::Answer(value, chosen) => {
            tidy(turn, &talk, pressed, chosen.as_deref());
            turn.answer(&mut talk, value);
            return turn.run(talk).await;
        }
        Reply::Say(words) => {
            // Files are taken one by one: the question moves down so that its button stays in sight.
            let files =
                talk.detail.awaiting.as_ref().is_some_and(|awaiting| !awaiting.progress.files.is_empty());
            if files {
                turn.count_under_question(&mut talk, &words);
            } else {
                turn.say(&Outgoing::text(words));
            }
            turn.keep(&talk);
        }
        Reply::Amend(words) => {
            turn.recount(&mut talk, &words);
            turn.keep(&talk);
        }
        Reply::Redraw => match pressed {
            Some(message) => turn.redraw(&mut talk, message),
            // Words stand below the question by now: it is put anew, below them.
            None => turn.ask_again(&mut talk, None),
        },
        Reply::Silence => turn.keep(&talk),
    }
    Ok(())
}

/// Takes the buttons off the question that is answered, and writes down what was chosen.
fn tidy(turn: &mut Turn<'_>, talk: &Talk, pressed: Option<i64>, chosen: Option<&str>) {
    let Some(awaiting) = &talk.detail.awaiting else { return };
    if matches!(awaiting.question.expects, Expects::Contact { .. }) {
        return;
    }
    let target = pressed.map_or_else(|| Target::Key(awaiting.key.clone()), Target::Message);
    let html = chosen.map(|label| format!("{}\n\n➡️ <b>{}</b>", awaiting.question.html, html::escape(label)));
    turn.effect(Effect::Tidy { chat: talk.chat, target, html });
}

/// The person does not want to go on: the flow for `/cancel` says what is next.
async fn cancel(turn: &mut Turn<'_>, mut talk: Box<Talk>) -> Result<(), store::Error> {
    let (standing, partner) = turn.host.standing(talk.chat, talk.user).await?;
    let live = turn.host.scripts.live();
    let person = talk.detail.person.clone();
    if let Some(flow) = live.triggered(&Trigger::Command("/cancel".to_owned()), standing) {
        start(turn, Some(talk), &flow.name, person, partner.as_ref(), json!({ "payload": "" })).await
    } else {
        turn.leave(&mut talk);
        Ok(())
    }
}

/// A button under a message that begins a flow.
async fn pressed_flow(
    turn: &mut Turn<'_>,
    found: Option<Box<Talk>>,
    deed: Incoming,
    name: &str,
    args: Value,
) -> Result<(), store::Error> {
    let (standing, partner) = turn.host.standing(deed.chat, deed.from.id).await?;
    let live = turn.host.scripts.live();
    turn.pressed = deed.message_id;
    let Some(flow) = live.flow(name).filter(|flow| flow.header.admits(standing)) else {
        old_button(turn, found, &deed);
        return Ok(());
    };
    start(turn, found, &flow.name, deed.from, partner.as_ref(), args).await
}

/// A press that means nothing any more: a kind word, and the question that waits now.
fn old_button(turn: &mut Turn<'_>, found: Option<Box<Talk>>, deed: &Incoming) {
    if let Some(message) = deed.message_id {
        turn.effect(Effect::Tidy { chat: deed.chat, target: Target::Message(message), html: None });
    }
    match found {
        Some(mut talk) if talk.detail.awaiting.is_some() => {
            turn.ask_again(&mut talk, Some(words::OLD_BUTTON_NOW));
        }
        _ => drop(turn.say(&Outgoing::text(words::OLD_BUTTON))),
    }
}

/// Begins a flow in place of whatever the person was in.
async fn start(
    turn: &mut Turn<'_>,
    found: Option<Box<Talk>>,
    flow: &str,
    person: Person,
    partner: Option<&Partner>,
    args: Value,
) -> Result<(), store::Error> {
    if let Some(mut talk) = found {
        turn.leave(&mut talk);
    }
    let user = person.id;
    let talk = turn.begin(flow, user, person, partner, args).await?;
    turn.run(talk).await
}

/// Something happened: the flow for it tells the chat, beside whatever talk goes on there.
async fn tell(turn: &mut Turn<'_>, event: Event) -> Result<(), store::Error> {
    let chat = turn.entry.lane.chat();
    let (standing, partner) = turn.host.standing(chat, UserId(chat.0)).await?;
    let live = turn.host.scripts.live();
    let Some(flow) = live.triggered(&Trigger::Event(event.event.clone()), standing) else {
        tracing::warn!(chat.id = chat.0, event.name = %event.event, "no flow tells of the event {}", event.event);
        // The office must hear of this one: somebody waits for its word.
        if event.event == "write.in_doubt" {
            turn.say(&Outgoing::text(words::NOBODY_ASKS));
        }
        return Ok(());
    };
    beside(turn, &flow.name, partner.as_ref(), event.data).await
}

/// A flow comes by its schedule, if it still does, to whom it still admits.
async fn come(turn: &mut Turn<'_>, cron: Cron) -> Result<(), store::Error> {
    let chat = turn.entry.lane.chat();
    let (standing, partner) = turn.host.standing(chat, UserId(chat.0)).await?;
    let live = turn.host.scripts.live();
    let comes = |flow: &&Flow| flow.header.admits(standing) && flow.header.schedules().next().is_some();
    match live.flow(&cron.flow).filter(comes) {
        Some(flow) => {
            let args = json!({ "planned_at": cron.planned_at });
            beside(turn, &flow.name, partner.as_ref(), args).await
        }
        None => Ok(()),
    }
}

/// Begins a flow that nobody asked for, beside whatever talk goes on in the chat.
async fn beside(
    turn: &mut Turn<'_>,
    flow: &str,
    partner: Option<&Partner>,
    args: Value,
) -> Result<(), store::Error> {
    let name = partner.map_or_else(String::new, |partner| partner.profile.name.clone());
    let person = Person { id: UserId(turn.entry.lane.chat().0), name, username: None };
    let talk = turn.begin(flow, NOBODY, person, partner, args).await?;
    turn.run(talk).await
}

/// A time limit or a reminder, if its question still waits.
async fn time_is_up(
    turn: &mut Turn<'_>,
    found: Option<Box<Talk>>,
    timer: &Timer,
) -> Result<(), store::Error> {
    // Back may have put the same question anew: then its moments are others.
    let waits = |talk: &Talk| {
        talk.detail.awaiting.as_ref().is_some_and(|awaiting| {
            talk.id.0 == timer.conversation
                && usize::try_from(timer.step).is_ok_and(|step| step == awaiting.step)
                && awaiting.moments.contains(&timer.fire_at)
        })
    };
    let Some(mut talk) = found.filter(|talk| waits(talk)) else {
        return find_out(turn, ConversationId(timer.conversation), None).await;
    };
    match timer.kind {
        // Whoever does not want to be reminded is not; the question waits on.
        TimerKind::Remind
            if turn.host.store().switched_off(timer.user).await?.contains(&Notification::Reminders) =>
        {
            Ok(())
        }
        TimerKind::Remind => {
            turn.ask_again(&mut talk, Some(words::REMINDER));
            Ok(())
        }
        TimerKind::Limit => {
            if !versions::settle(turn, &mut talk).await? {
                return turn.run(talk).await;
            }
            tidy(turn, &talk, None, None);
            turn.answer(&mut talk, Value::Null);
            turn.run(talk).await
        }
    }
}

/// A parked conversation goes on where it stood, when the scripts now take its road and nothing else has begun.
async fn go_on(turn: &mut Turn<'_>, resume: &Resume) -> Result<(), store::Error> {
    let Some(mut talk) = by_id(turn.host, ConversationId(resume.conversation)).await? else {
        return Ok(());
    };
    // A turn that broke off after a commit in its middle goes on.
    if talk.detail.working_on == Some(turn.entry.id.0) {
        return turn.run(talk).await;
    }
    let is_taken = load(turn.host, turn.lease(), talk.chat, talk.user).await?.is_some();
    if is_taken || talk.status != Status::Failed || !versions::heals(turn, &mut talk).await? {
        return Ok(());
    }
    talk.status = Status::Awaiting;
    if talk.intent.is_none() {
        talk.detail.failure = None;
    }
    turn.run(talk).await
}

/// A conversation whose write is in doubt is taken up again: to look, or with the office's word.
///
/// The person may be in another talk by now. Then this one ends beside it, as far as it can without asking.
async fn find_out(
    turn: &mut Turn<'_>,
    conversation: ConversationId,
    decision: Option<Decision>,
) -> Result<(), store::Error> {
    let Some(mut talk) = by_id(turn.host, conversation).await? else { return Ok(()) };
    // A turn that broke off after a commit in its middle goes on.
    if talk.detail.working_on == Some(turn.entry.id.0) {
        return turn.run(talk).await;
    }
    let Some(writing) = talk.detail.writing.as_mut().filter(|_| talk.status == Status::Failed) else {
        return Ok(());
    };
    writing.decision = decision.or(writing.decision.take());
    let other = load(turn.host, turn.lease(), talk.chat, talk.user).await?;
    talk.detail.is_beside = other.is_some_and(|other| other.id != talk.id);
    if !talk.detail.is_beside {
        talk.status = Status::Awaiting;
    }
    turn.stop_timers(&talk);
    turn.run(talk).await
}

/// The trigger that written words may be: a command, in groups perhaps with the bot's name, or a key of the menu.
fn spoken_trigger(text: &str) -> Option<Trigger> {
    let text = text.trim();
    if !text.starts_with('/') {
        return (!text.is_empty()).then(|| Trigger::Button(text.to_owned()));
    }
    let word = text.split_whitespace().next()?;
    let name = word.split_once('@').map_or(word, |(name, _bot)| name);
    Some(Trigger::Command(name.to_lowercase()))
}

fn is_own_label(talk: &Talk, text: &str) -> bool {
    match talk.detail.awaiting.as_ref().map(|awaiting| &awaiting.question.expects) {
        Some(Expects::Choice { items, .. } | Expects::Many { items, .. }) => {
            items.iter().any(|item| item.label == text.trim())
        }
        _ => false,
    }
}

/// Back and Cancel as words: where a key under the input field is asked for, they are such keys too.
fn navigation(talk: &Talk, deed: &Incoming) -> Option<Tap> {
    let What::Text { text } = &deed.what else { return None };
    let question = &talk.detail.awaiting.as_ref()?.question;
    match text.trim() {
        words::BACK if question.offers_back => Some(Tap::Back),
        words::CANCEL if question.offers_cancel => Some(Tap::Cancel),
        _ => None,
    }
}

impl Turn<'_> {
    /// Says something above the waiting question, whose message moves down with its buttons.
    fn say_under_question(&mut self, talk: &mut Talk, words: &str) {
        let Some(mut awaiting) = talk.detail.awaiting.take() else { return };
        let prompt = Outgoing { content: Content::Text { html: words.to_owned() }, ..talk.prompt(&awaiting) };
        let former = std::mem::replace(&mut awaiting.key, self.say(&prompt));
        self.effect(Effect::Tidy { chat: talk.chat, target: Target::Key(former), html: None });
        talk.detail.awaiting = Some(awaiting);
    }

    /// The same about files, and remembers where it stands: an album comes file by file.
    fn count_under_question(&mut self, talk: &mut Talk, words: &str) {
        self.say_under_question(talk, words);
        if let Some(awaiting) = &mut talk.detail.awaiting {
            awaiting.counted = Some(awaiting.key.clone());
        }
    }

    /// Changes in place what was said of the files, and its button with it. If the question has moved on since, for an old
    /// button was pressed, it is said anew.
    fn recount(&mut self, talk: &mut Talk, words: &str) {
        let Some(awaiting) = &talk.detail.awaiting else { return };
        if awaiting.counted.as_ref() != Some(&awaiting.key) {
            return self.count_under_question(talk, words);
        }
        let target = Target::Key(awaiting.key.clone());
        let content = Content::Edit { target, html: words.to_owned() };
        let message = Outgoing { content, ..talk.prompt(awaiting) };
        self.say(&message);
    }
}
