//! The sections of `config.yaml` and their defaults. What only the environment may give is skipped by serde and
//! filled in by [`super::variables`].

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use nonzero_ext::nonzero;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Error;
use super::setting::{self, Limit, Size};
use super::yaml::section;
use crate::telegram::{ChatId, UserId};

/// How the bot talks to Telegram.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telegram {
    /// How updates arrive.
    pub mode: Mode,
    /// The chat of the head office: new requests, refused scripts, failures. `None`: nobody is told.
    pub staff_chat: Option<ChatId>,
    /// People with the rights of staff, besides those added in the panel.
    pub staff: Vec<UserId>,
    /// How long Telegram may hold one `getUpdates`; it allows 50 s at most.
    #[serde(with = "setting")]
    pub poll_timeout: Duration,
    /// Deadline of any other call, retries not counted.
    #[serde(with = "setting")]
    pub request_timeout: Duration,
    /// Whether buttons are taken off questions that are answered, when messages leave room for it.
    pub tidy: bool,
    /// How fast messages leave.
    #[serde(deserialize_with = "section")]
    pub limits: DeliveryLimits,
    /// `TELEGRAM_BOT_TOKEN`; whoever cannot work without it asks [`Telegram::token`].
    #[serde(skip)]
    pub bot_token: Option<SecretString>,
    /// `TELEGRAM_API_URL`: the Bot API server, Telegram's own unless it is a local or a stand-in one.
    #[serde(skip)]
    pub api_url: Url,
    /// `TELEGRAM_WEBHOOK_URL`: where Telegram reaches us from outside, with the path.
    #[serde(skip)]
    pub webhook_url: Option<Url>,
    /// `TELEGRAM_WEBHOOK_SECRET`: what Telegram repeats in a header of each delivery.
    #[serde(skip)]
    pub webhook_secret: Option<SecretString>,
}

impl Telegram {
    /// The bot's token. Errors: [`Error::NoToken`].
    pub fn token(&self) -> Result<&SecretString, Error> {
        self.bot_token.as_ref().ok_or(Error::NoToken)
    }
}

impl Default for Telegram {
    fn default() -> Telegram {
        Telegram {
            mode: Mode::Polling,
            staff_chat: None,
            staff: Vec::new(),
            poll_timeout: Duration::from_secs(50),
            request_timeout: Duration::from_secs(30),
            tidy: true,
            limits: DeliveryLimits::default(),
            bot_token: None,
            api_url: known_url("https://api.telegram.org"),
            webhook_url: None,
            webhook_secret: None,
        }
    }
}

/// How updates arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// We ask, Telegram holds the call until there is something. Needs no address of our own.
    Polling,
    /// Telegram calls us.
    Webhook,
}

/// Telegram's limits on what a bot sends. They are not promised and vary: a 429 is obeyed whatever stands here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliveryLimits {
    /// Messages a second, all chats together.
    pub overall_per_second: Limit<NonZeroU32>,
    /// Messages a second in one chat.
    pub chat_per_second: Limit<NonZeroU32>,
    /// Messages one chat may get at once before `chat_per_second` counts.
    pub chat_burst: Limit<NonZeroU32>,
    /// Messages a minute in one group.
    pub group_per_minute: Limit<NonZeroU32>,
}

impl Default for DeliveryLimits {
    fn default() -> DeliveryLimits {
        DeliveryLimits {
            overall_per_second: Limit::of(nonzero!(30_u32)),
            chat_per_second: Limit::of(nonzero!(1_u32)),
            chat_burst: Limit::of(nonzero!(3_u32)),
            group_per_minute: Limit::of(nonzero!(20_u32)),
        }
    }
}

/// How fast one person may write to the bot; with either limit off, at any rate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spam {
    /// Updates a second from one person.
    pub per_second: Limit<NonZeroU32>,
    /// Updates one person may send at once before `per_second` counts.
    pub burst: Limit<NonZeroU32>,
}

impl Default for Spam {
    fn default() -> Spam {
        Spam { per_second: Limit::of(nonzero!(1_u32)), burst: Limit::of(nonzero!(5_u32)) }
    }
}

/// Where the records are: `SQLite` in a file, or `PostgreSQL` when the environment names one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// The file; from [`super::Config::load`] it stands under the folder of `config.yaml` unless absolute.
    pub path: PathBuf,
    /// Connections kept open when there is little to do.
    #[serde(with = "setting")]
    pub connections_kept: NonZeroU32,
    /// Connections open at most.
    #[serde(with = "setting")]
    pub connections_most: NonZeroU32,
    /// A connection older than this is replaced.
    pub connection_lifetime: Limit<Duration>,
    /// How long a caller waits for a free connection.
    #[serde(with = "setting")]
    pub acquire_timeout: Duration,
    /// How long `SQLite` waits for another writer.
    #[serde(with = "setting")]
    pub busy_timeout: Duration,
    /// `DATABASE_URL`: with it the records are in `PostgreSQL` and `path` is not used.
    #[serde(skip)]
    pub url: Option<SecretString>,
}

impl Default for Database {
    fn default() -> Database {
        Database {
            path: PathBuf::from("data/borodach.db"),
            connections_kept: nonzero!(10_u32),
            connections_most: nonzero!(30_u32),
            connection_lifetime: Limit::of(Duration::from_hours(1)),
            acquire_timeout: Duration::from_secs(30),
            busy_timeout: Duration::from_secs(5),
            url: None,
        }
    }
}

/// How long answers of outside services are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// How long the rating of the network is fresh.
    #[serde(with = "setting")]
    pub rating: Duration,
    /// How long the list of salons is fresh.
    #[serde(with = "setting")]
    pub salons: Duration,
    /// How long the numbers of a partner's salons are fresh.
    #[serde(with = "setting")]
    pub statistics: Duration,
    /// How long the stages of a department's project are fresh.
    #[serde(with = "setting")]
    pub stages: Duration,
    /// How long after that an answer is still given, with its age, when the service cannot be asked.
    #[serde(with = "setting")]
    pub keep: Duration,
    /// How long somebody waits for fresh numbers when older ones are at hand.
    #[serde(with = "setting")]
    pub wait_for_fresh: Duration,
    /// The same when there are none.
    #[serde(with = "setting")]
    pub wait_for_first: Duration,
    /// Deadline of one command to Redis.
    #[serde(with = "setting")]
    pub redis_timeout: Duration,
}

impl Default for Cache {
    fn default() -> Cache {
        Cache {
            rating: Duration::from_hours(1),
            salons: Duration::from_mins(15),
            statistics: Duration::from_mins(5),
            stages: Duration::from_hours(1),
            keep: Duration::from_hours(24),
            wait_for_fresh: Duration::from_secs(3),
            wait_for_first: Duration::from_secs(10),
            redis_timeout: Duration::from_millis(500),
        }
    }
}

/// How scripts are watched and what they may use up.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scripts {
    /// How a saved file is noticed.
    pub watch: Watch,
    /// How long the folder must be quiet before the new set is built.
    #[serde(with = "setting")]
    pub debounce: Duration,
    /// What one run of a script may use up.
    #[serde(deserialize_with = "section")]
    pub limits: ScriptLimits,
}

impl Default for Scripts {
    fn default() -> Scripts {
        Scripts {
            watch: Watch::Notify,
            debounce: Duration::from_millis(150),
            limits: ScriptLimits::default(),
        }
    }
}

/// How a saved file is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Watch {
    /// The system tells.
    Notify,
    /// The folder is read again and again: for network disks and Docker Desktop, where the system is silent.
    Poll,
    /// Never; a new set goes live at a restart or by command.
    Off,
}

/// What one run of a script may use up before it is stopped.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScriptLimits {
    /// Operations of the interpreter.
    pub operations: Limit<NonZeroU32>,
    /// Time on the wall clock.
    pub wall_time: Limit<Duration>,
    /// Functions called inside one another. Never off: the thread's stack has an end.
    #[serde(with = "setting")]
    pub call_depth: NonZeroU32,
    /// The longest string.
    pub string_size: Limit<Size>,
    /// Items of an array.
    pub array_items: Limit<NonZeroU32>,
    /// Entries of a map.
    pub map_items: Limit<NonZeroU32>,
    /// Steps in the journal of one conversation.
    pub journal_steps: Limit<NonZeroU32>,
    /// A value in its own journal row, as JSON; a larger one is kept once by its hash.
    pub value_size: Limit<Size>,
    /// A value kept once by its hash.
    pub shared_value_size: Limit<Size>,
}

impl Default for ScriptLimits {
    fn default() -> ScriptLimits {
        ScriptLimits {
            operations: Limit::of(nonzero!(5_000_000_u32)),
            wall_time: Limit::of(Duration::from_millis(250)),
            call_depth: nonzero!(64_u32),
            string_size: Limit::of(Size::kib(256)),
            array_items: Limit::of(nonzero!(10_000_u32)),
            map_items: Limit::of(nonzero!(2_000_u32)),
            journal_steps: Limit::of(nonzero!(3_000_u32)),
            value_size: Limit::of(Size::kib(64)),
            shared_value_size: Limit::of(Size::mib(1)),
        }
    }
}

/// What holds for every talk.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conversations {
    /// A turn that takes longer is parked as failed, and the chat goes on.
    pub turn_deadline: Limit<Duration>,
    /// A person's text longer than this is cut before the journal keeps it.
    pub answer_clip: Limit<Size>,
    /// A write to another service whose answer is lost counts as not done when it is not to be found after so long.
    #[serde(with = "setting")]
    pub doubt_settles: Duration,
    /// How long the bot tries to find out by itself what became of such a write before it asks the office.
    pub doubt_asks: Limit<Duration>,
}

impl Default for Conversations {
    fn default() -> Conversations {
        Conversations {
            turn_deadline: Limit::of(Duration::from_secs(30)),
            answer_clip: Limit::of(Size::kib(16)),
            doubt_settles: Duration::from_mins(1),
            doubt_asks: Limit::of(Duration::from_hours(1)),
        }
    }
}

/// How long finished things are kept; `off` keeps them for ever.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Updates already answered.
    pub inbox: Limit<Duration>,
    /// Messages already delivered.
    pub outbox: Limit<Duration>,
    /// Finished conversations with their journals.
    pub conversations: Limit<Duration>,
}

impl Default for Retention {
    fn default() -> Retention {
        let days = |count: u64| Limit::of(Duration::from_secs(count * 86_400));
        Retention { inbox: days(3), outbox: days(7), conversations: days(90) }
    }
}

/// How Telegram, Bitrix24 and `YClients` are called.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Services {
    /// How long connecting may take.
    #[serde(with = "setting")]
    pub connect_timeout: Duration,
    /// A PEM file with certificates that are trusted besides the system's own; from [`super::Config::load`] it stands
    /// under the folder of `config.yaml` unless absolute.
    pub extra_root: Option<PathBuf>,
    /// A call that a person waits for, with all its attempts and waits.
    #[serde(with = "setting")]
    pub deadline: Duration,
    /// The same for reports and broadcasts.
    #[serde(with = "setting")]
    pub background_deadline: Duration,
    /// When a failed call is made again.
    #[serde(deserialize_with = "section")]
    pub retry: Retry,
    /// When a service that fails is left alone.
    #[serde(deserialize_with = "section")]
    pub breaker: Breaker,
    /// How fast the portal is called.
    #[serde(deserialize_with = "section")]
    pub bitrix24: Bitrix24Limits,
    /// How fast `YClients` is called.
    #[serde(deserialize_with = "section")]
    pub yclients: YclientsLimits,
}

impl Default for Services {
    fn default() -> Services {
        Services {
            connect_timeout: Duration::from_secs(5),
            extra_root: None,
            deadline: Duration::from_secs(20),
            background_deadline: Duration::from_mins(10),
            retry: Retry::default(),
            breaker: Breaker::default(),
            bitrix24: Bitrix24Limits::default(),
            yclients: YclientsLimits::default(),
        }
    }
}

/// When a failed call is made again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Attempts altogether.
    #[serde(with = "setting")]
    pub attempts: NonZeroU32,
    /// The first pause, before `shortest_pause` and `longest_pause` are applied.
    #[serde(with = "setting")]
    pub first_pause: Duration,
    /// How many times longer each next pause is.
    #[serde(with = "setting")]
    pub factor: NonZeroU32,
    /// No pause is shorter.
    #[serde(with = "setting")]
    pub shortest_pause: Duration,
    /// No pause is longer.
    #[serde(with = "setting")]
    pub longest_pause: Duration,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry {
            attempts: nonzero!(3_u32),
            first_pause: Duration::from_secs(1),
            factor: nonzero!(2_u32),
            shortest_pause: Duration::from_secs(2),
            longest_pause: Duration::from_secs(10),
        }
    }
}

/// When a service that fails is left alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    /// After so many failures in a row.
    pub failures: Limit<NonZeroU32>,
    /// For so long; then one call goes as a probe.
    #[serde(with = "setting")]
    pub open_for: Duration,
}

impl Default for Breaker {
    fn default() -> Breaker {
        Breaker { failures: Limit::of(nonzero!(8_u32)), open_for: Duration::from_secs(10) }
    }
}

/// The portal's leaky bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bitrix24Limits {
    /// Calls a second in the long run.
    pub per_second: Limit<NonZeroU32>,
    /// Calls at once before `per_second` counts.
    pub burst: Limit<NonZeroU32>,
}

impl Default for Bitrix24Limits {
    fn default() -> Bitrix24Limits {
        Bitrix24Limits { per_second: Limit::of(nonzero!(2_u32)), burst: Limit::of(nonzero!(50_u32)) }
    }
}

/// `YClients`' two sliding windows, both counted by address.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct YclientsLimits {
    /// Calls in any second.
    pub per_second: Limit<NonZeroU32>,
    /// Calls in any minute.
    pub per_minute: Limit<NonZeroU32>,
}

impl Default for YclientsLimits {
    fn default() -> YclientsLimits {
        YclientsLimits { per_second: Limit::of(nonzero!(5_u32)), per_minute: Limit::of(nonzero!(200_u32)) }
    }
}

/// The bot's own HTTP door.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Where it listens. `LISTEN_ADDR` wins.
    #[serde(with = "setting")]
    pub listen: SocketAddr,
}

impl Default for Http {
    fn default() -> Http {
        Http { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)) }
    }
}

/// What is logged and how it looks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// The least important level still written.
    pub level: LogLevel,
}

impl Default for Log {
    fn default() -> Log {
        Log { format: LogFormat::Auto, level: LogLevel::Info }
    }
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// For machines: an object a line.
    Json,
}

/// The least important level still written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What somebody must look at.
    Error,
    /// What went wrong and was survived.
    Warn,
    /// What the bot does.
    Info,
    /// How it does it.
    Debug,
    /// Everything.
    Trace,
}

impl From<LogLevel> for tracing::Level {
    fn from(level: LogLevel) -> tracing::Level {
        match level {
            LogLevel::Error => tracing::Level::ERROR,
            LogLevel::Warn => tracing::Level::WARN,
            LogLevel::Info => tracing::Level::INFO,
            LogLevel::Debug => tracing::Level::DEBUG,
            LogLevel::Trace => tracing::Level::TRACE,
        }
    }
}

/// How the process leaves.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shutdown {
    /// How long the turns in progress and the outbox may take. Nothing is lost after it: the rest is done at the
    /// next start.
    #[serde(with = "setting")]
    pub drain: Duration,
}

impl Default for Shutdown {
    fn default() -> Shutdown {
        Shutdown { drain: Duration::from_secs(20) }
    }
}

/// A department of the head office that takes tasks from partners.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Department {
    /// Its name in scripts and in the environment: small Latin letters, digits and `_`.
    pub name: String,
    /// What partners see on the button.
    pub title: String,
    /// `BITRIX_GROUP_ID_<NAME>`: the project its tasks go to. `None`: the department takes no tasks yet.
    #[serde(skip)]
    pub group: Option<i64>,
    /// `BITRIX_RESPONSIBLE_<NAME>`: whose the tasks are unless a routing rule says otherwise.
    #[serde(skip)]
    pub responsible: Option<i64>,
}

impl Department {
    /// A department known by `name`, with nothing from Bitrix24 yet.
    pub fn new(name: &str, title: &str) -> Department {
        Department { name: name.to_owned(), title: title.to_owned(), group: None, responsible: None }
    }
}

/// How the bot talks to the head office's Bitrix24.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bitrix24 {
    /// Deadline of one request, repetitions not counted.
    #[serde(with = "setting")]
    pub request_timeout: Duration,
    /// Deadline of a request that carries a file.
    #[serde(with = "setting")]
    pub upload_timeout: Duration,
    /// How long a request may go on at the portal after its answer was lost. A write in doubt is looked for, or
    /// repeated, no sooner: the lost one could still come out.
    #[serde(with = "setting")]
    pub longest_request: Duration,
    /// Files up to this size go within one request, larger ones in a second request of their own.
    pub inline_file: Limit<Size>,
    /// Running time of one method in ten minutes, as the portal counts it, after which the method rests.
    pub method_time: Limit<Duration>,
    /// How often the portal is asked for changes its events did not tell of.
    pub look_for_changes: Limit<Duration>,
    /// `BITRIX_WEBHOOK_URL`: the address with the key inside.
    #[serde(skip)]
    pub webhook_url: Option<SecretString>,
    /// `BITRIX_APPLICATION_TOKEN`: what the portal's own events are known by. None is believed without it.
    #[serde(skip)]
    pub application_token: Option<SecretString>,
}

impl Default for Bitrix24 {
    fn default() -> Bitrix24 {
        Bitrix24 {
            request_timeout: Duration::from_secs(15),
            upload_timeout: Duration::from_mins(2),
            longest_request: Duration::from_mins(1),
            inline_file: Limit::of(Size::kib(256)),
            method_time: Limit::of(Duration::from_mins(7)),
            look_for_changes: Limit::of(Duration::from_mins(5)),
            webhook_url: None,
            application_token: None,
        }
    }
}

/// How the bot talks to the barbershops' `YClients`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Yclients {
    /// Deadline of one request, repetitions not counted.
    #[serde(with = "setting")]
    pub request_timeout: Duration,
    /// Salons asked at the same time while the network is gone through.
    #[serde(with = "setting")]
    pub salons_at_once: NonZeroU32,
    /// `YCLIENTS_API_URL`: the service itself unless it is a stand-in.
    #[serde(skip)]
    pub api_url: Url,
    /// `YCLIENTS_PARTNER_TOKEN`.
    #[serde(skip)]
    pub partner_token: Option<SecretString>,
    /// `YCLIENTS_USER_TOKEN`.
    #[serde(skip)]
    pub user_token: Option<SecretString>,
    /// `YCLIENTS_CHAIN_ID`: the network's number.
    #[serde(skip)]
    pub chain_id: Option<i64>,
}

impl Default for Yclients {
    fn default() -> Yclients {
        Yclients {
            request_timeout: Duration::from_secs(15),
            salons_at_once: nonzero!(8_u32),
            api_url: known_url("https://api.yclients.com/api/v1"),
            partner_token: None,
            user_token: None,
            chain_id: None,
        }
    }
}

/// The helper's language model; without an endpoint there is none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Helper {
    /// An OpenAI-compatible server, up to `chat/completions`.
    pub endpoint: Option<Url>,
    /// Which of its models.
    pub model: String,
    /// Deadline of one request, repetitions not counted.
    #[serde(with = "setting")]
    pub timeout: Duration,
    /// Questions one person may ask a day.
    pub questions_per_day: Limit<NonZeroU32>,
    /// The longest answer, in the model's tokens.
    #[serde(with = "setting")]
    pub answer_tokens: NonZeroU32,
    /// `HELPER_API_KEY`; a server on one's own desk may need none.
    #[serde(skip)]
    pub api_key: Option<SecretString>,
}

impl Default for Helper {
    fn default() -> Helper {
        Helper {
            endpoint: None,
            model: "gpt-4o-mini".to_owned(),
            timeout: Duration::from_secs(20),
            questions_per_day: Limit::of(nonzero!(20_u32)),
            answer_tokens: nonzero!(400_u32),
            api_key: None,
        }
    }
}

/// Who opens the panel first; all of it comes from the environment.
#[derive(Clone, Debug, Default)]
pub struct Admin {
    /// `ADMIN_USERNAME`.
    pub username: Option<String>,
    /// `ADMIN_PASSWORD`.
    pub password: Option<SecretString>,
    /// `ADMIN_SECRET_KEY`: what sessions are signed with.
    pub secret_key: Option<SecretString>,
}

/// Where this process runs: `ENVIRONMENT`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Environment {
    /// In earnest. The default: forgetting the variable must not open anything.
    #[default]
    Production,
    /// On somebody's desk.
    Development,
}

/// Moscow, where the head office is.
pub(super) const HOME: Tz = Tz::Europe__Moscow;

fn known_url(text: &'static str) -> Url {
    text.parse().expect("the address is written in the code and tested by every default")
}
