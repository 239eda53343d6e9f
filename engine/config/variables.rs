//! Lays what the environment says over the settings, and knows which keys may come from nowhere else.

use std::net::SocketAddr;
use std::str::FromStr;

use secrecy::SecretString;
use url::Url;

use super::env::Env;
use super::sections::{Department, Environment};
use super::setting::Setting;
use super::{Config, Error};

/// Keys people expect in `config.yaml` and the variables that hold them instead.
const ELSEWHERE: [(&str, &str); 25] = [
    ("telegram.token", "TELEGRAM_BOT_TOKEN"),
    ("telegram.bot_token", "TELEGRAM_BOT_TOKEN"),
    ("telegram.api_url", "TELEGRAM_API_URL"),
    ("telegram.webhook_url", "TELEGRAM_WEBHOOK_URL"),
    ("telegram.webhook_secret", "TELEGRAM_WEBHOOK_SECRET"),
    ("database.url", "DATABASE_URL"),
    ("database.password", "DATABASE_URL"),
    ("bitrix24.url", "BITRIX_WEBHOOK_URL"),
    ("bitrix24.webhook", "BITRIX_WEBHOOK_URL"),
    ("bitrix24.webhook_url", "BITRIX_WEBHOOK_URL"),
    ("bitrix24.application_token", "BITRIX_APPLICATION_TOKEN"),
    ("bitrix24.token", "BITRIX_WEBHOOK_URL and BITRIX_APPLICATION_TOKEN"),
    ("bitrix", "BITRIX_WEBHOOK_URL"),
    ("yclients.token", "YCLIENTS_PARTNER_TOKEN and YCLIENTS_USER_TOKEN"),
    ("yclients.partner_token", "YCLIENTS_PARTNER_TOKEN"),
    ("yclients.user_token", "YCLIENTS_USER_TOKEN"),
    ("yclients.chain_id", "YCLIENTS_CHAIN_ID"),
    ("yclients.api_url", "YCLIENTS_API_URL"),
    ("helper.key", "HELPER_API_KEY"),
    ("helper.api_key", "HELPER_API_KEY"),
    ("redis", "REDIS_URL"),
    ("sentry", "SENTRY_DSN"),
    ("admin", "ADMIN_USERNAME, ADMIN_PASSWORD and ADMIN_SECRET_KEY"),
    ("environment", "ENVIRONMENT"),
    ("token", "TELEGRAM_BOT_TOKEN"),
];

/// Variables whose names may also be typed as keys, in any case.
const NAMES: [&str; 21] = [
    "TELEGRAM_BOT_TOKEN",
    "TELEGRAM_API_URL",
    "TELEGRAM_WEBHOOK_URL",
    "TELEGRAM_WEBHOOK_SECRET",
    "DATABASE_URL",
    "REDIS_URL",
    "BITRIX_WEBHOOK_URL",
    "BITRIX_APPLICATION_TOKEN",
    "YCLIENTS_API_URL",
    "YCLIENTS_PARTNER_TOKEN",
    "YCLIENTS_USER_TOKEN",
    "YCLIENTS_CHAIN_ID",
    "HELPER_API_KEY",
    "SENTRY_DSN",
    "ENVIRONMENT",
    "ADMIN_USERNAME",
    "ADMIN_PASSWORD",
    "ADMIN_SECRET_KEY",
    "LISTEN_ADDR",
    "BITRIX_GROUP_ID",
    "BITRIX_RESPONSIBLE",
];

/// The variable that holds what somebody wrote into `config.yaml` under this path.
pub(super) fn instead_of(path: &str) -> Option<&'static str> {
    let key = path.rsplit('.').next().unwrap_or(path);
    let by_path = ELSEWHERE.iter().find(|(known, _)| *known == path).map(|(_, variable)| *variable);
    by_path.or_else(|| NAMES.into_iter().find(|name| name.eq_ignore_ascii_case(key)))
}

/// The variables of a department: its project in Bitrix24, and whose its tasks are.
pub(super) fn of_department(department: &str) -> (String, String) {
    let name = department.to_ascii_uppercase();
    (format!("BITRIX_GROUP_ID_{name}"), format!("BITRIX_RESPONSIBLE_{name}"))
}

/// Lays the environment over `config`. Errors: [`Error::Variable`] for a value that cannot be read.
pub(super) fn lay_over(config: &mut Config, env: &Env) -> Result<(), Error> {
    let telegram = &mut config.telegram;
    telegram.bot_token = secret(env, "TELEGRAM_BOT_TOKEN");
    telegram.webhook_secret = secret(env, "TELEGRAM_WEBHOOK_SECRET");
    telegram.webhook_url = url(env, "TELEGRAM_WEBHOOK_URL")?;
    if let Some(api_url) = url(env, "TELEGRAM_API_URL")? {
        telegram.api_url = api_url;
    }
    config.database.url = secret_url(env, "DATABASE_URL")?;
    config.redis_url = secret_url(env, "REDIS_URL")?;
    config.sentry_dsn = secret_url(env, "SENTRY_DSN")?;
    config.bitrix24.webhook_url = secret_url(env, "BITRIX_WEBHOOK_URL")?;
    config.bitrix24.application_token = secret(env, "BITRIX_APPLICATION_TOKEN");
    config.departments.iter_mut().try_for_each(|department| fill(department, env))?;

    let yclients = &mut config.yclients;
    yclients.partner_token = secret(env, "YCLIENTS_PARTNER_TOKEN");
    yclients.user_token = secret(env, "YCLIENTS_USER_TOKEN");
    yclients.chain_id = number(env, "YCLIENTS_CHAIN_ID")?;
    if let Some(api_url) = url(env, "YCLIENTS_API_URL")? {
        yclients.api_url = api_url;
    }
    config.helper.api_key = secret(env, "HELPER_API_KEY");
    config.admin.username = env.get("ADMIN_USERNAME").map(str::to_owned);
    config.admin.password = secret(env, "ADMIN_PASSWORD");
    config.admin.secret_key = secret(env, "ADMIN_SECRET_KEY");
    config.environment = environment(env)?;
    if let Some(listen) = read(env, "LISTEN_ADDR", SocketAddr::read, SocketAddr::form)? {
        config.http.listen = listen;
    }
    Ok(())
}

fn fill(department: &mut Department, env: &Env) -> Result<(), Error> {
    let (group, responsible) = of_department(&department.name);
    department.group = number(env, &group)?;
    department.responsible = number(env, &responsible)?;
    Ok(())
}

fn environment(env: &Env) -> Result<Environment, Error> {
    let read = |text: &str| match text.to_ascii_lowercase().as_str() {
        "production" => Some(Environment::Production),
        "development" => Some(Environment::Development),
        _ => None,
    };
    let found = self::read(env, "ENVIRONMENT", read, || "`production` or `development`".to_owned())?;
    Ok(found.unwrap_or_default())
}

fn secret(env: &Env, name: &str) -> Option<SecretString> {
    env.get(name).map(SecretString::from)
}

fn secret_url(env: &Env, name: &str) -> Result<Option<SecretString>, Error> {
    url(env, name).map(|_| secret(env, name))
}

fn url(env: &Env, name: &str) -> Result<Option<Url>, Error> {
    read(
        env,
        name,
        |text| Url::from_str(text).ok(),
        || "an address with its scheme, like `https://example.org`".to_owned(),
    )
}

fn number(env: &Env, name: &str) -> Result<Option<i64>, Error> {
    read(env, name, |text| text.parse().ok(), || "a whole number".to_owned())
}

/// The error never shows the value: most of them are secrets.
fn read<T>(
    env: &Env,
    name: &str,
    read: impl FnOnce(&str) -> Option<T>,
    form: impl FnOnce() -> String,
) -> Result<Option<T>, Error> {
    let Some(text) = env.get(name) else { return Ok(None) };
    let value = read(text).ok_or_else(|| Error::Variable { name: name.to_owned(), form: form() })?;
    Ok(Some(value))
}
