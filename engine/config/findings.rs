//! What `borodach config check` says of settings that can be read and still will not do.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::sections::{Department, Mode, Services, Telegram};
use super::setting::Limit;
use super::{Config, Environment, variables};
use crate::bitrix24::Address;

/// The longest Telegram holds a `getUpdates`.
const LONGEST_POLL: Duration = Duration::from_secs(50);

/// One thing to know about the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The key or the variable it is about.
    pub setting: String,
    /// What is wrong and what to do: lower case, no full stop.
    pub advice: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The bot works, without some of what it could do.
    Warning,
    /// The bot cannot run with it.
    Error,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity}: {}: {}", self.setting, self.advice)
    }
}

/// Everything found, in the order of the file.
pub(super) fn of(config: &Config) -> Vec<Finding> {
    let mut found = Findings::default();
    telegram(&config.telegram, &mut found);
    database(config, &mut found);
    scripts(config, &mut found);
    departments(&config.departments, &mut found);
    services(config, &mut found);
    layer(&config.services, config.conversations.turn_deadline, &mut found);
    reporting(config.sentry_dsn.as_ref(), &mut found);
    admin(config, &mut found);
    found.0
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn error(&mut self, wrong: bool, setting: &str, advice: &str) {
        self.add(Severity::Error, wrong, setting, advice);
    }

    fn warning(&mut self, wrong: bool, setting: &str, advice: &str) {
        self.add(Severity::Warning, wrong, setting, advice);
    }

    fn add(&mut self, severity: Severity, wrong: bool, setting: &str, advice: &str) {
        if wrong {
            self.0.push(Finding { severity, setting: setting.to_owned(), advice: advice.to_owned() });
        }
    }
}

fn telegram(telegram: &Telegram, found: &mut Findings) {
    let token = telegram.bot_token.as_ref().map(ExposeSecret::expose_secret);
    found.error(
        token.is_none(),
        "TELEGRAM_BOT_TOKEN",
        "is not set; get a token from @BotFather with /newbot and put it into the environment or into `.env`",
    );
    found.error(
        token.is_some_and(|token| !is_token(token)),
        "TELEGRAM_BOT_TOKEN",
        "does not look like `123456789:AA…`; copy the whole token from @BotFather",
    );
    found.warning(
        telegram.staff_chat.is_none(),
        "telegram.staff_chat",
        "is not set, so nobody is told of new requests, refused scripts and failures; \
         add the bot to the staff's group and write the group's id here",
    );
    found.error(
        telegram.poll_timeout > LONGEST_POLL,
        "telegram.poll_timeout",
        "is above 50s, the longest Telegram allows; make it shorter",
    );
    found.warning(
        telegram.poll_timeout.is_zero(),
        "telegram.poll_timeout",
        "is zero, so the bot asks without a pause; 50s is kind to everybody",
    );
    found.error(
        telegram.request_timeout.is_zero(),
        "telegram.request_timeout",
        "is zero, so no call can succeed; 30s is usual",
    );
    if telegram.mode == Mode::Webhook {
        webhook(telegram, found);
    }
}

fn webhook(telegram: &Telegram, found: &mut Findings) {
    let (url, secret) = (telegram.webhook_url.as_ref(), telegram.webhook_secret.as_ref());
    found.error(
        url.is_none(),
        "TELEGRAM_WEBHOOK_URL",
        "is not set, and `telegram.mode` is webhook; \
         set the address at which Telegram reaches the bot, or change the mode to polling",
    );
    let own_server = telegram.api_url.host_str() != Some("api.telegram.org");
    found.error(
        url.is_some_and(|url| url.scheme() != "https" && !own_server),
        "TELEGRAM_WEBHOOK_URL",
        "is not https, and Telegram calls nothing else; \
         give the bot a certificate or put it behind a proxy that has one",
    );
    found.error(
        secret.is_none(),
        "TELEGRAM_WEBHOOK_SECRET",
        "is not set, so anybody could speak for Telegram; set any 1–256 of A-Z, a-z, 0-9, `_` and `-`",
    );
    found.error(
        secret.is_some_and(|secret| !is_webhook_secret(secret)),
        "TELEGRAM_WEBHOOK_SECRET",
        "has something Telegram refuses; use 1–256 of A-Z, a-z, 0-9, `_` and `-`",
    );
}

fn database(config: &Config, found: &mut Findings) {
    let database = &config.database;
    found.error(
        database.connections_kept > database.connections_most,
        "database.connections_kept",
        "is above `connections_most`; make it smaller",
    );
    found.error(
        database.acquire_timeout.is_zero(),
        "database.acquire_timeout",
        "is zero, so no query can begin; 30s is usual",
    );
    let scheme =
        database.url.as_ref().and_then(|url| url.expose_secret().split_once(':')).map(|(scheme, _)| scheme);
    found.error(
        !matches!(scheme, None | Some("postgres" | "postgresql")),
        "DATABASE_URL",
        "is not `postgres://…`; for SQLite leave it unset and name the file in `database.path`",
    );
}

fn scripts(config: &Config, found: &mut Findings) {
    let limits = &config.scripts.limits;
    let values = limits.value_size.get().zip(limits.shared_value_size.get());
    found.error(
        values.is_some_and(|(own, shared)| own > shared),
        "scripts.limits.value_size",
        "is above `shared_value_size`, so no value could be shared; make it smaller",
    );
    let spans = limits.wall_time.get().zip(config.conversations.turn_deadline.get());
    found.warning(
        spans.is_some_and(|(run, turn)| run > turn),
        "scripts.limits.wall_time",
        "is above `conversations.turn_deadline`, so the deadline always comes first; make it shorter",
    );
    found.warning(
        limits.operations.get().is_none() && limits.wall_time.get().is_none(),
        "scripts.limits",
        "stop no endless loop: `operations` and `wall_time` are both off; set one of them",
    );
}

fn departments(departments: &[Department], found: &mut Findings) {
    for (place, department) in departments.iter().enumerate() {
        let Department { name, title, group, .. } = department;
        let setting = format!("departments[{place}]");
        found.error(
            !is_name(name),
            &setting,
            "has a name that cannot be part of a variable; use a-z, 0-9 and `_`",
        );
        found.error(title.trim().is_empty(), &setting, "has no title for the button");
        found.error(
            departments[..place].iter().any(|earlier| earlier.name == *name),
            &setting,
            "repeats the name of an earlier one",
        );
        let (variable, _) = variables::of_department(name);
        found.warning(
            group.is_none(),
            &variable,
            "is not set, so the department takes no tasks; set the number of its Bitrix24 project",
        );
    }
}

fn services(config: &Config, found: &mut Findings) {
    let missing = |secret: &Option<SecretString>| secret.is_none();
    let yclients = &config.yclients;
    found.warning(
        missing(&config.bitrix24.webhook_url),
        "BITRIX_WEBHOOK_URL",
        "is not set, so tasks cannot be made; \
         create an incoming webhook in the portal with the rights `task`, `tasks`, `disk`, `user` and `im`",
    );
    let address = config.bitrix24.webhook_url.as_ref();
    found.error(
        address.is_some_and(|address| Address::parse(address).is_err()),
        "BITRIX_WEBHOOK_URL",
        "does not look like `https://portal.example/rest/7/key/`; \
         copy the whole address from the incoming webhook's page on the portal",
    );
    found.warning(
        address.is_some() && missing(&config.bitrix24.application_token),
        "BITRIX_APPLICATION_TOKEN",
        "is not set, so what happens to tasks on the portal is noticed late, by asking; \
         create an outgoing webhook there and copy its token",
    );
    found.error(
        config.bitrix24.request_timeout.is_zero() || config.bitrix24.upload_timeout.is_zero(),
        "bitrix24.request_timeout, bitrix24.upload_timeout",
        "must not be zero, or no call can succeed; 15s and 2m are usual",
    );
    found.error(
        yclients.request_timeout.is_zero(),
        "yclients.request_timeout",
        "is zero, so no call can succeed; 15s is usual",
    );
    found.warning(
        missing(&yclients.partner_token),
        "YCLIENTS_PARTNER_TOKEN",
        "is not set, so there is no statistics and no rating; take it from the developer's account",
    );
    found.warning(
        missing(&yclients.user_token),
        "YCLIENTS_USER_TOKEN",
        "is not set, so there is no statistics and no rating; take it from the account that sees the network",
    );
    found.warning(
        yclients.chain_id.is_none(),
        "YCLIENTS_CHAIN_ID",
        "is not set, so the network's barbershops are not known; it is the number in the network's address",
    );
    let helper = &config.helper;
    found.error(
        helper.endpoint.as_ref().is_some_and(|address| !matches!(address.scheme(), "http" | "https")),
        "helper.endpoint",
        "is neither `https://…` nor `http://…`; write the server's address up to `/v1`",
    );
    found.error(
        helper.timeout.is_zero() || helper.timeout > Duration::from_secs(30),
        "helper.timeout",
        "must be above zero and at most 30s: a person waits for two tries of it",
    );
    found.warning(
        missing(&helper.api_key)
            && helper.endpoint.as_ref().is_some_and(|address| address.scheme() == "https"),
        "HELPER_API_KEY",
        "is not set, so the helper's model is asked without a key; take one from the model's provider",
    );
    let scheme = config
        .redis_url
        .as_ref()
        .and_then(|url| url.expose_secret().split_once(':'))
        .map(|(scheme, _)| scheme);
    found.error(
        !matches!(scheme, None | Some("redis" | "rediss")),
        "REDIS_URL",
        "is neither `redis://…` nor `rediss://…`; correct it, or unset it to cache in the process",
    );
    found.error(
        scheme.is_some() && config.cache.redis_timeout.is_zero(),
        "cache.redis_timeout",
        "is zero, so Redis could never answer in time; 500ms is usual",
    );
}

fn layer(services: &Services, turn_deadline: Limit<Duration>, found: &mut Findings) {
    found.error(
        services.deadline.is_zero() || services.background_deadline.is_zero(),
        "services.deadline, services.background_deadline",
        "is zero, so no call can succeed; 20s and 10m are usual",
    );
    found.warning(
        turn_deadline.get().is_some_and(|turn| turn <= services.deadline),
        "services.deadline",
        "is not below `conversations.turn_deadline`, so a slow service parks talks that could go on; make it shorter",
    );
    found.warning(
        services.retry.shortest_pause > services.retry.longest_pause,
        "services.retry.shortest_pause",
        "is above `services.retry.longest_pause`, which wins; make it shorter",
    );
}

fn reporting(dsn: Option<&SecretString>, found: &mut Findings) {
    found.error(
        dsn.is_some_and(|dsn| dsn.expose_secret().parse::<sentry::types::Dsn>().is_err()),
        "SENTRY_DSN",
        "is not like `https://KEY@HOST/PROJECT`; copy it from the project's settings, or unset it",
    );
}

fn admin(config: &Config, found: &mut Findings) {
    let admin = &config.admin;
    let complete = admin.username.is_some() && admin.password.is_some();
    found.warning(
        !complete,
        "ADMIN_USERNAME, ADMIN_PASSWORD",
        "are not both set, so nobody can open the panel for the first time",
    );
    let short = admin.secret_key.as_ref().is_some_and(|key| key.expose_secret().len() < 32);
    let severity = match config.environment {
        Environment::Production => Severity::Error,
        Environment::Development => Severity::Warning,
    };
    found.add(
        severity,
        short,
        "ADMIN_SECRET_KEY",
        "is shorter than 32 characters and could be guessed; make one with `openssl rand -hex 32`",
    );
}

fn is_token(token: &str) -> bool {
    token
        .split_once(':')
        .is_some_and(|(id, key)| !key.is_empty() && !id.is_empty() && id.chars().all(|c| c.is_ascii_digit()))
}

fn is_webhook_secret(secret: &SecretString) -> bool {
    let secret = secret.expose_secret();
    (1..=256).contains(&secret.len())
        && secret.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
