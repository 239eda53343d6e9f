//! The outgoing webhook: one POST an event, once, in the form that PHP likes, and no word of what changed.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use url::Url;
use url::form_urlencoded::byte_serialize;

use crate::clock::Timestamp;

use super::conduct::Card;
use super::{Bitrix24, Event, lock};

/// How long a handler may think.
const PATIENCE: Duration = Duration::from_secs(10);
const MEMBER: &str = "a223c6b3710f85df22e9377d6c4f7553";

/// What happened to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happened {
    TaskAdded(i64),
    TaskChanged(i64),
    TaskRemoved(i64),
    Commented { task: i64, message: i64 },
}

/// An outgoing webhook, as somebody set it up in the portal by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The handler.
    pub url: Url,
    /// What the portal proves itself with: `auth[application_token]`.
    pub application_token: String,
}

/// How names are written in the form: both were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Brackets {
    /// `data[FIELDS_AFTER][ID]`.
    #[default]
    Raw,
    /// `data%5BFIELDS_AFTER%5D%5BID%5D`.
    Encoded,
}

/// How events travel. The dice are seeded, the time is the sandbox's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mail {
    /// The least an event waits.
    pub delay: Duration,
    /// What it may wait besides: events overtake each other.
    pub spread: Duration,
    /// How many are lost, from 0 to 1.
    pub lost: f64,
    /// How many come twice, from 0 to 1.
    pub twice: f64,
    /// Events gather and leave together, all at once, at multiples of this span.
    pub burst: Option<Duration>,
    /// How names are written.
    pub brackets: Brackets,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was never sent.
    Lost,
    /// The handler answered with this status; whatever it is, the event is not sent again.
    Answered(u16),
    /// The handler could not be reached or did not answer in time.
    Unheard,
}

/// An event that left, or was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// `ONTASKUPDATE`.
    pub name: &'static str,
    /// The task it concerned.
    pub task: i64,
    /// What became of it.
    pub fate: Fate,
}

/// Events on their way.
#[derive(Debug)]
pub(super) struct Courier {
    pub hook: Option<Hook>,
    pub mail: Mail,
    dice: StdRng,
    /// By the moment they are due, then in the order in which they happened.
    queue: BTreeMap<(Timestamp, u64), Happened>,
    number: u64,
    /// Taken off the queue, and not answered yet.
    on_the_way: usize,
    pub sent: Vec<Sent>,
}

impl Default for Courier {
    fn default() -> Courier {
        Courier {
            hook: None,
            mail: Mail::default(),
            dice: StdRng::seed_from_u64(0),
            queue: BTreeMap::new(),
            number: 0,
            on_the_way: 0,
            sent: Vec::new(),
        }
    }
}

impl Courier {
    pub fn seed(&mut self, seed: u64) {
        self.dice = StdRng::seed_from_u64(seed);
    }

    pub fn waiting(&self) -> usize {
        self.queue.len() + self.on_the_way
    }

    fn take(&mut self, happened: Happened, now: Timestamp) {
        if self.hook.is_none() {
            return;
        }
        let Mail { delay, spread, lost, twice, burst, .. } = self.mail;
        if self.dice.random_bool(lost.clamp(0.0, 1.0)) {
            self.sent.push(Sent { name: happened.name(), task: happened.task(), fate: Fate::Lost });
            return;
        }
        let copies = 1 + u32::from(self.dice.random_bool(twice.clamp(0.0, 1.0)));
        for _ in 0..copies {
            let due = now + delay + spread.mul_f64(self.dice.random_range(0.0..=1.0));
            let span = burst.map_or(0, |span| i64::try_from(span.as_millis()).unwrap_or(0));
            let due = if span == 0 { due } else { Timestamp((due.0.div_euclid(span) + 1) * span) };
            self.number += 1;
            self.queue.insert((due, self.number), happened);
        }
    }

    fn due(&mut self, now: Timestamp) -> Vec<Happened> {
        let later = self.queue.split_off(&(Timestamp(now.0 + 1), 0));
        let due: Vec<Happened> = std::mem::replace(&mut self.queue, later).into_values().collect();
        self.on_the_way += due.len();
        due
    }
}

impl Happened {
    fn name(self) -> &'static str {
        match self {
            Happened::TaskAdded(_) => "ONTASKADD",
            Happened::TaskChanged(_) => "ONTASKUPDATE",
            Happened::TaskRemoved(_) => "ONTASKDELETE",
            Happened::Commented { .. } => "ONTASKCOMMENTADD",
        }
    }

    fn task(self) -> i64 {
        match self {
            Happened::TaskAdded(task)
            | Happened::TaskChanged(task)
            | Happened::TaskRemoved(task)
            | Happened::Commented { task, .. } => task,
        }
    }

    /// Names and values under `data`; what is not there is the text `undefined`.
    fn data(self, card: Card) -> Vec<(&'static str, String)> {
        let undefined = || "undefined".to_owned();
        let (before, after) = ("[FIELDS_BEFORE]", "[FIELDS_AFTER]");
        let mut data = match self {
            Happened::TaskAdded(task) => {
                vec![(before, undefined()), ("[FIELDS_AFTER][ID]", task.to_string())]
            }
            Happened::TaskChanged(task) => {
                vec![("[FIELDS_BEFORE][ID]", task.to_string()), ("[FIELDS_AFTER][ID]", task.to_string())]
            }
            Happened::TaskRemoved(task) => {
                vec![("[FIELDS_BEFORE][ID]", task.to_string()), (after, undefined())]
            }
            Happened::Commented { task, message } => {
                let mut data = vec![(before, undefined())];
                match card {
                    Card::Chat => data.extend([
                        ("[FIELDS_AFTER][ID]", "0".to_owned()),
                        ("[FIELDS_AFTER][MESSAGE_ID]", message.to_string()),
                    ]),
                    Card::Forum => data.push(("[FIELDS_AFTER][ID]", message.to_string())),
                }
                data.push(("[FIELDS_AFTER][TASK_ID]", task.to_string()));
                data
            }
        };
        data.extend([("[IS_ACCESSIBLE_BEFORE]", undefined()), ("[IS_ACCESSIBLE_AFTER]", undefined())]);
        data
    }
}

impl Bitrix24 {
    /// Tells the board and the handler.
    pub(super) fn happened(&self, what: Happened) {
        lock(&self.0.courier).take(what, self.now());
        self.0.mail.send_modify(|version| *version = version.wrapping_add(1));
        self.announce(Event::Board);
    }

    /// Carries events for as long as the runtime lives.
    pub(super) async fn carry(self) {
        let mut posted = self.0.mail.subscribe();
        loop {
            posted.mark_unchanged();
            let next = lock(&self.0.courier).queue.first_key_value().map(|((due, _), _)| *due);
            match next {
                None => drop(posted.changed().await),
                Some(due) if due > self.now() => tokio::select! {
                    () = self.0.clock.sleep_until(due) => {}
                    _ = posted.changed() => {}
                },
                Some(_) => self.deliver().await,
            }
        }
    }

    async fn deliver(&self) {
        let (due, hook, is_burst) = {
            let mut courier = lock(&self.0.courier);
            (courier.due(self.now()), courier.hook.clone(), courier.mail.burst.is_some())
        };
        let Some(hook) = hook else {
            lock(&self.0.courier).on_the_way -= due.len();
            return;
        };
        if is_burst {
            join_all(due.into_iter().map(|event| self.post(&hook, event))).await;
            return;
        }
        for event in due {
            self.post(&hook, event).await;
        }
    }

    async fn post(&self, hook: &Hook, event: Happened) {
        let request = self.0.client.post(hook.url.clone()).timeout(PATIENCE);
        let request =
            request.header("content-type", "application/x-www-form-urlencoded").body(self.form(hook, event));
        let fate =
            request.send().await.map_or(Fate::Unheard, |answer| Fate::Answered(answer.status().as_u16()));
        let mut courier = lock(&self.0.courier);
        courier.on_the_way -= 1;
        courier.sent.push(Sent { name: event.name(), task: event.task(), fate });
        drop(courier);
        self.announce(Event::Board);
    }

    fn form(&self, hook: &Hook, event: Happened) -> String {
        let base = self.base();
        let domain = base.host_str().unwrap_or_default();
        let data =
            event.data(self.conduct().card).into_iter().map(|(name, value)| (format!("data{name}"), value));
        let mut form = vec![
            ("event".to_owned(), event.name().to_owned()),
            ("event_handler_id".to_owned(), "404".to_owned()),
        ];
        form.extend(data);
        form.push(("ts".to_owned(), (self.now().0 / 1000).to_string()));
        let auth = [
            ("domain", domain.to_owned()),
            ("client_endpoint", format!("{base}rest/")),
            ("server_endpoint", "https://oauth.bitrix.info/rest/".to_owned()),
            ("member_id", MEMBER.to_owned()),
            ("application_token", hook.application_token.clone()),
        ];
        form.extend(auth.into_iter().map(|(name, value)| (format!("auth[{name}]"), value)));
        let brackets = lock(&self.0.courier).mail.brackets;
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = |(name, value): (String, String)| match brackets {
            Brackets::Raw => format!("{name}={}", encoded(&value)),
            Brackets::Encoded => format!("{}={}", encoded(&name), encoded(&value)),
        };
        form.into_iter().map(pair).collect::<Vec<_>>().join("&")
    }
}
