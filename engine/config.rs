//! The settings: `config.yaml`, every key of which has a default, and secrets, which only the environment gives.
//!
//! Nothing else in the engine reads the file or the environment: each part receives its own section.

mod env;
mod findings;
mod sections;
mod setting;
mod variables;
mod yaml;

use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::http::Mask;

pub use env::Env;
pub use findings::{Finding, Severity};
pub use sections::{
    Admin, Bitrix24, Bitrix24Limits, Breaker, Cache, Conversations, Database, DeliveryLimits, Department,
    Environment, Helper, Http, Log, LogFormat, LogLevel, Mode, Retention, Retry, ScriptLimits, Scripts,
    Services, Shutdown, Spam, Telegram, Watch, Yclients, YclientsLimits,
};
pub use setting::{Limit, Setting, Size};
pub use yaml::Mistake;

/// The name of the file with the settings.
pub const FILE: &str = "config.yaml";

/// Everything people may set. Its `Debug` shows no secret; its `Serialize` is `config.yaml` without comments.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How the bot talks to Telegram.
    #[serde(deserialize_with = "yaml::section")]
    pub telegram: Telegram,
    /// How fast one person may write to the bot.
    #[serde(deserialize_with = "yaml::section")]
    pub spam: Spam,
    /// Where the records are.
    #[serde(deserialize_with = "yaml::section")]
    pub database: Database,
    /// How long answers of outside services are kept.
    #[serde(deserialize_with = "yaml::section")]
    pub cache: Cache,
    /// How scripts are watched and what they may use up.
    #[serde(deserialize_with = "yaml::section")]
    pub scripts: Scripts,
    /// What holds for every talk.
    #[serde(deserialize_with = "yaml::section")]
    pub conversations: Conversations,
    /// How Telegram, Bitrix24 and `YClients` are called.
    #[serde(deserialize_with = "yaml::section")]
    pub services: Services,
    /// How the bot talks to the head office's Bitrix24.
    #[serde(deserialize_with = "yaml::section")]
    pub bitrix24: Bitrix24,
    /// How long finished things are kept.
    #[serde(deserialize_with = "yaml::section")]
    pub retention: Retention,
    /// The barbershops' `YClients`.
    #[serde(deserialize_with = "yaml::section")]
    pub yclients: Yclients,
    /// The helper's language model.
    #[serde(deserialize_with = "yaml::section")]
    pub helper: Helper,
    /// The bot's own HTTP door.
    #[serde(deserialize_with = "yaml::section")]
    pub http: Http,
    /// What is logged and how it looks.
    #[serde(deserialize_with = "yaml::section")]
    pub log: Log,
    /// How the process leaves.
    #[serde(deserialize_with = "yaml::section")]
    pub shutdown: Shutdown,
    /// The calendar and the clock of schedules, and of salons without a zone of their own.
    #[serde(with = "setting")]
    pub time_zone: Tz,
    /// The departments partners choose from, in the order of the buttons.
    pub departments: Vec<Department>,

    /// `REDIS_URL`: the cache and the budgets that several instances share; in the process without it.
    #[serde(skip)]
    pub redis_url: Option<SecretString>,
    /// `SENTRY_DSN`: where errors are reported, without personal data; nowhere without it.
    #[serde(skip)]
    pub sentry_dsn: Option<SecretString>,
    /// Who opens the panel first.
    #[serde(skip)]
    pub admin: Admin,
    /// Where this process runs.
    #[serde(skip)]
    pub environment: Environment,
}

impl Config {
    /// Reads `dir/config.yaml`, `dir/.env` if there is one, and `env`, which wins over that file.
    ///
    /// A relative `database.path` or `services.extra_root` is put under `dir`. A missing token is no error here, for half of the commands
    /// need none: see [`Telegram::token`]. Errors: any [`Error`] but [`Error::NoToken`].
    pub fn load(dir: &Path, env: &Env) -> Result<Config, Error> {
        let file = dir.join(FILE);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::NoFile { dir: dir.to_owned() });
            }
            Err(source) => return Err(Error::Read { file, source }),
        };
        let mut config = Config::parse(&file, &text, &env.over_file(dir)?)?;
        config.database.path = dir.join(config.database.path);
        config.services.extra_root = config.services.extra_root.map(|file| dir.join(file));
        Ok(config)
    }

    /// Reads the text of a `config.yaml`; `file` is its name in messages. No disk is touched.
    ///
    /// Errors: [`Error::Yaml`], [`Error::Variable`].
    pub fn parse(file: &Path, text: &str, env: &Env) -> Result<Config, Error> {
        let mut config = yaml::read(file, text)?;
        variables::lay_over(&mut config, env)?;
        Ok(config)
    }

    /// What will not do, or will do less than people may expect, in the order of the file.
    pub fn check(&self) -> Vec<Finding> {
        findings::of(self)
    }

    /// Hides every secret that the environment gave. An address with a secret inside is hidden whole, and its parts
    /// are, too.
    pub fn mask(&self) -> Mask {
        let portals =
            [&self.telegram.bot_token, &self.telegram.webhook_secret, &self.bitrix24.application_token];
        let yclients = [&self.yclients.partner_token, &self.yclients.user_token];
        let admin = [&self.admin.password, &self.admin.secret_key];
        let words =
            portals.into_iter().chain(yclients).chain(admin).chain([&self.helper.api_key]).flatten().cloned();
        let urls = [&self.bitrix24.webhook_url, &self.database.url, &self.redis_url, &self.sentry_dsn];
        Mask::new(words.chain(urls.into_iter().flatten().flat_map(secrets_of)))
    }

    /// The dotted paths of all keys by alphabet: `telegram.limits.chat_burst`.
    pub fn keys() -> Vec<String> {
        let defaults =
            serde_json::to_value(Config::default()).expect("settings are plain words, lists and maps");
        let mut keys = Vec::new();
        collect_keys("", &defaults, &mut keys);
        keys
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            telegram: Telegram::default(),
            spam: Spam::default(),
            database: Database::default(),
            cache: Cache::default(),
            scripts: Scripts::default(),
            conversations: Conversations::default(),
            services: Services::default(),
            bitrix24: Bitrix24::default(),
            retention: Retention::default(),
            http: Http::default(),
            log: Log::default(),
            shutdown: Shutdown::default(),
            time_zone: sections::HOME,
            departments: vec![
                Department::new("development", "🚀 Развитие"),
                Department::new("marketing", "📢 Маркетинг"),
                Department::new("design", "🎨 Дизайн"),
            ],
            yclients: Yclients::default(),
            helper: Helper::default(),
            redis_url: None,
            sentry_dsn: None,
            admin: Admin::default(),
            environment: Environment::default(),
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder has no `config.yaml`.
    #[error("there is no {FILE} in `{}`; \
         name the bot's folder with --dir, or create an empty {FILE} to take every default", dir.display())]
    NoFile {
        /// The folder.
        dir: PathBuf,
    },
    /// A file is there and cannot be read.
    #[error("cannot read `{}`; it must be UTF-8 text that the bot's user may read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in `config.yaml` is wrong.
    #[error("{}:{line}:{column}: {mistake}", file.display())]
    Yaml {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column in characters, from 1.
        column: u64,
        /// What is wrong there.
        mistake: Mistake,
    },
    /// A line of `.env` cannot be understood. It is not shown: it may be a secret.
    #[error("{}:{line}: this line is neither `NAME=value` nor a comment; quote a value that has quotes inside", file.display())]
    DotEnv {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A variable holds something else than it should. The value is not shown: it may be a secret.
    #[error("the environment variable {name} must be {form}; correct it or unset it")]
    Variable {
        /// Its name.
        name: String,
        /// What it must look like.
        form: String,
    },
    /// There is no bot without a token.
    #[error(
        "TELEGRAM_BOT_TOKEN is not set; \
         get a token from @BotFather with /newbot and put it into the environment or into `.env`"
    )]
    NoToken,
}

/// An address, the password in it, and the parts of its path that look like a key: `…/rest/1/KEY/`.
fn secrets_of(url: &SecretString) -> Vec<SecretString> {
    let mut secrets = vec![url.clone()];
    if let Ok(url) = url.expose_secret().parse::<url::Url>() {
        let path = url.path_segments().into_iter().flatten().filter(|part| part.len() >= 12);
        secrets.extend(url.password().into_iter().chain(path).map(SecretString::from));
        secrets.extend(Some(url.username()).filter(|name| name.len() >= 12).map(SecretString::from));
    }
    secrets
}

fn collect_keys(prefix: &str, value: &serde_json::Value, keys: &mut Vec<String>) {
    let Some(map) = value.as_object() else { return keys.push(prefix.to_owned()) };
    for (key, value) in map {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        collect_keys(&path, value, keys);
    }
}
