//! The header of a flow: what starts it, who may, and what happens to its running conversations on a change.

use rhai::{Dynamic, Engine, Map};

use crate::schedule::Schedule;

/// What a flow says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// What people and staff call it.
    pub title: String,
    /// What starts it.
    pub on: Vec<Trigger>,
    /// Who may start it.
    pub access: Vec<Access>,
    /// What happens to running conversations when the file changes.
    pub versions: Versions,
}

/// What starts a flow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    /// A key of the menu, or the same words written by hand.
    Button(String),
    /// `/name`.
    Command(String),
    /// Something that happened: `request.approved`.
    Event(String),
    /// A moment that comes again and again; then it talks to each whom the header admits.
    Cron(Schedule),
    /// Words that nothing else answers to.
    Fallback,
}

/// A standing that a header may admit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Not registered.
    Guest,
    /// Registered, waits for the office.
    Pending,
    /// Refused by the office.
    Rejected,
    /// Approved.
    Verified,
    /// Acts for the office.
    Staff,
}

/// Who asks: a standing in the network, the office, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// In the network; `None` in a group, where nobody is a partner.
    pub partner: Option<Access>,
    /// Acts for the office.
    pub is_staff: bool,
}

/// What happens to running conversations when the file changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// They move over when their journal takes the same road in the new version.
    Follow,
    /// They stay on their own version to the end.
    Pin,
    /// They begin anew.
    Restart,
}

/// Under which a trigger is written in a header's map.
const KIND: &str = "$trigger";

impl Trigger {
    /// Puts `button(…)`, `command(…)`, `event(…)`, `cron(…)` and `fallback()` into an engine.
    pub(super) fn bind(engine: &mut Engine) {
        for kind in ["button", "command", "event", "cron"] {
            engine.register_fn(kind, move |name: &str| {
                Map::from([(KIND.into(), kind.into()), ("name".into(), name.into())])
            });
        }
        engine.register_fn("fallback", || {
            Map::from([(KIND.into(), "fallback".into()), ("name".into(), "".into())])
        });
    }

    fn read(value: &Dynamic) -> Result<Trigger, String> {
        const KINDS: &str = "в on бывают button(…), command(…), event(…), cron(…) и fallback()";
        let map = value.read_lock::<Map>().ok_or(KINDS)?;
        let field =
            |name: &str| map.get(name).and_then(|value| value.clone().into_string().ok()).unwrap_or_default();
        let name = field("name");
        match field(KIND).as_str() {
            "fallback" => Ok(Trigger::Fallback),
            "button" if !name.trim().is_empty() => Ok(Trigger::Button(name)),
            "event" if !name.trim().is_empty() => Ok(Trigger::Event(name)),
            "cron" => Schedule::parse(&name).map(Trigger::Cron).map_err(|_| {
                format!(
                    "расписание «{name}» непонятно: нужно пять полей — минута, час, день, месяц, день недели, \
                     например \"0 10 * * MON\""
                )
            }),
            "command" => match name.strip_prefix('/') {
                Some(rest)
                    if !rest.is_empty()
                        && rest.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit()) =>
                {
                    Ok(Trigger::Command(name))
                }
                _ => Err(format!("команда «{name}» пишется как /name: латинские строчные буквы, цифры и _")),
            },
            _ => Err(KINDS.to_owned()),
        }
    }
}

impl std::fmt::Display for Trigger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trigger::Button(label) => write!(f, "[{label}]"),
            Trigger::Command(command) => f.write_str(command),
            Trigger::Event(event) => write!(f, "событие {event}"),
            Trigger::Cron(schedule) => write!(f, "расписание {schedule}"),
            Trigger::Fallback => f.write_str("прочие слова"),
        }
    }
}

impl Access {
    const ALL: [(&'static str, Access); 5] = [
        ("guest", Access::Guest),
        ("pending", Access::Pending),
        ("rejected", Access::Rejected),
        ("verified", Access::Verified),
        ("staff", Access::Staff),
    ];

    /// Reads the word of a header or of a partner's row.
    pub fn from_word(word: &str) -> Option<Access> {
        Access::ALL.iter().find(|(name, _)| *name == word).map(|&(_, access)| access)
    }

    /// The word for it in headers.
    pub fn word(self) -> &'static str {
        Access::ALL.iter().find(|(_, access)| *access == self).map_or("", |(name, _)| name)
    }
}

impl Header {
    /// The schedules by which the flow comes of itself.
    pub fn schedules(&self) -> impl Iterator<Item = &Schedule> {
        self.on.iter().filter_map(|trigger| match trigger {
            Trigger::Cron(schedule) => Some(schedule),
            Trigger::Button(_) | Trigger::Command(_) | Trigger::Event(_) | Trigger::Fallback => None,
        })
    }

    /// Whether it may begin without anybody asking for it: then it must not ask anything either.
    pub fn comes_unasked(&self) -> bool {
        self.on.iter().any(|trigger| matches!(trigger, Trigger::Event(_) | Trigger::Cron(_)))
    }

    /// Whether somebody of this standing may start the flow.
    pub fn admits(&self, standing: Standing) -> bool {
        self.access.iter().any(|&access| match access {
            Access::Staff => standing.is_staff,
            other => standing.partner == Some(other),
        })
    }

    pub(super) fn read(map: &Map) -> Result<Header, String> {
        const KEYS: [&str; 4] = ["title", "on", "access", "versions"];
        if let Some(key) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(format!("нет такого поля «{key}»; есть {}", KEYS.join(", ")));
        }
        let words = |name: &str| -> Result<Vec<Dynamic>, String> {
            match map.get(name) {
                None => Ok(Vec::new()),
                Some(value) => value.clone().into_array().map_err(|_| format!("поле {name} — список […]")),
            }
        };
        let title = map.get("title").and_then(|title| title.clone().into_string().ok()).unwrap_or_default();
        if title.trim().is_empty() {
            return Err("нужно поле title — название по-русски".to_owned());
        }
        let on: Vec<Trigger> = words("on")?.iter().map(Trigger::read).collect::<Result<_, _>>()?;
        let access = words("access")?.into_iter().map(|word| {
            let word = word.into_string().unwrap_or_default();
            Access::from_word(&word).ok_or_else(|| {
                format!("access «{word}» не бывает; есть guest, pending, rejected, verified, staff")
            })
        });
        let access: Vec<Access> = access.collect::<Result<_, _>>()?;
        if access.is_empty() {
            return Err("нужно поле access — кому доступно, например [\"verified\"]".to_owned());
        }
        if access.contains(&Access::Guest) && on.iter().any(|trigger| matches!(trigger, Trigger::Cron(_))) {
            return Err("по расписанию нельзя писать гостям (guest): бот не знает, кто они".to_owned());
        }
        let versions = match map
            .get("versions")
            .map(|value| value.clone().into_string().unwrap_or_default())
            .as_deref()
        {
            None | Some("follow") => Versions::Follow,
            Some("pin") => Versions::Pin,
            Some("restart") => Versions::Restart,
            Some(other) => return Err(format!("versions «{other}» не бывает; есть follow, pin, restart")),
        };
        Ok(Header { title, on, access, versions })
    }
}
