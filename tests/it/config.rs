//! Settings: what is read, what is refused, and the words of each refusal.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use borodach::config::{Config, Env, Environment, Error, LogLevel, Mode, Severity, Watch};
use borodach::telegram::{ChatId, UserId};
use insta::assert_snapshot;
use secrecy::ExposeSecret;

const SHIPPED: &str = include_str!("../../config.yaml");

fn parse(text: &str) -> Result<Config, Error> {
    Config::parse(Path::new("config.yaml"), text, &Env::default())
}

fn refusal(text: &str) -> String {
    parse(text).expect_err("the text must be refused").to_string()
}

#[test]
fn the_shipped_file_says_exactly_the_defaults() {
    let shipped = parse(SHIPPED).unwrap();
    assert_eq!(format!("{shipped:#?}"), format!("{:#?}", Config::default()));
}

#[test]
fn the_shipped_file_names_every_key_with_its_default() {
    let shipped: serde_json::Value = serde_yaml::from_str(SHIPPED).unwrap();
    let defaults = serde_json::to_value(Config::default()).unwrap();
    assert_eq!(as_words(&shipped), as_words(&defaults));
}

/// The same with numbers as words: `5000000` in the file is "5000000" in the defaults.
fn as_words(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Number(number) => number.to_string().into(),
        serde_json::Value::Array(items) => items.iter().map(as_words).collect(),
        serde_json::Value::Object(map) => {
            serde_json::Value::Object(map.iter().map(|(key, value)| (key.clone(), as_words(value))).collect())
        }
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::String(_) => value.clone(),
    }
}

#[test]
fn an_empty_file_and_empty_sections_mean_the_defaults() {
    for text in ["", "# nothing\n", "telegram:\nspam:\n", "scripts:\n  limits:\n", "{}", "---\n"] {
        let config = parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()), "{text:?}");
    }
}

#[test]
fn values_are_read_in_the_units_people_write() {
    let config = parse(
        "telegram: { mode: webhook, staff_chat: -1001234567890, staff: [1, 2], poll_timeout: 5s }\n\
         scripts:\n  watch: off\n  limits: { string_size: 1MiB, value_size: 1000, wall_time: 2m }\n\
         retention: { inbox: 12h }\n\
         log: { level: debug }\n\
         time_zone: Asia/Yekaterinburg\n",
    )
    .unwrap();
    assert_eq!(config.telegram.mode, Mode::Webhook);
    assert_eq!(config.telegram.staff_chat, Some(ChatId(-1_001_234_567_890)));
    assert_eq!(config.telegram.staff, [UserId(1), UserId(2)]);
    assert_eq!(config.telegram.poll_timeout, Duration::from_secs(5));
    assert_eq!(config.telegram.request_timeout, Duration::from_secs(30), "a neighbour keeps its default");
    assert_eq!(config.scripts.watch, Watch::Off);
    assert_eq!(config.scripts.limits.string_size.get().unwrap().bytes(), 1024 * 1024);
    assert_eq!(config.scripts.limits.value_size.get().unwrap().bytes(), 1000);
    assert_eq!(config.scripts.limits.wall_time.get(), Some(Duration::from_mins(2)));
    assert_eq!(config.retention.inbox.get(), Some(Duration::from_hours(12)));
    assert_eq!(config.log.level, LogLevel::Debug);
    assert_eq!(config.time_zone, chrono_tz::Asia::Yekaterinburg);
}

#[test]
fn off_and_zero_switch_a_limit_off() {
    for word in ["off", "0", "'off'"] {
        let config = parse(&format!("spam: {{ per_second: {word} }}")).unwrap();
        assert_eq!(config.spam.per_second.get(), None, "{word}");
        assert_eq!(config.spam.burst.get(), NonZeroU32::new(5));
    }
    for word in ["off", "0", "0s", "0d"] {
        let config = parse(&format!("retention: {{ inbox: {word} }}")).unwrap();
        assert_eq!(config.retention.inbox.get(), None, "{word}");
    }
    for word in ["off", "0", "0KiB"] {
        let config = parse(&format!("conversations: {{ answer_clip: {word} }}")).unwrap();
        assert_eq!(config.conversations.answer_clip.get(), None, "{word}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_the_key_it_was_meant_to_be() {
    let text = "# watching\nscripts:\n  watch: poll\n  debonce: 1s\n";
    assert_snapshot!(refusal(text), @"config.yaml:4:3: unknown key `debonce` in `scripts`; did you mean `debounce`?");
    assert_snapshot!(refusal("scripts: { limits: { operation: 1 } }"), @"config.yaml:1:22: unknown key `operation` in `scripts.limits`; did you mean `operations`?");
    assert_snapshot!(refusal("debounce: 1s"), @"config.yaml:1:1: unknown key `debounce`; did you mean `scripts.debounce`?");
    assert_snapshot!(refusal("telegramm: {}"), @"config.yaml:1:1: unknown key `telegramm`; did you mean `telegram`?");
    assert_snapshot!(refusal("http: { bananas: 1 }"), @"config.yaml:1:9: unknown key `bananas` in `http`; the keys here are `listen`");
    assert_snapshot!(refusal("departments:\n  - name: it\n    titel: IT\n"), @"config.yaml:3:5: unknown key `titel` in `departments[0]`; did you mean `title`?");
}

#[test]
fn a_value_of_another_form_is_refused_with_the_form_it_must_have() {
    assert_snapshot!(refusal("scripts:\n  debounce: soon\n"), @"config.yaml:2:3: `scripts.debounce` must be a span like `150ms`, `10s`, `5m`, `2h` or `1d`, not `soon`");
    assert_snapshot!(refusal("scripts:\n  debounce: 150\n"), @"config.yaml:2:3: `scripts.debounce` must be a span like `150ms`, `10s`, `5m`, `2h` or `1d`, not `150`");
    assert_snapshot!(refusal("scripts:\n  watch: pol\n"), @"config.yaml:2:10: `scripts.watch` must be one of `notify`, `poll`, `off`, not `pol`; did you mean `poll`?");
    assert_snapshot!(refusal("spam: { burst: -1 }"), @"config.yaml:1:9: `spam.burst` must be a whole number from 1, or `off`, not `-1`");
    assert_snapshot!(refusal("spam: { burst: }"), @"config.yaml:1:14: `spam.burst` has no value; give it one, or delete the key to take the default");
    assert_snapshot!(refusal("spam: { burst: [1] }"), @"config.yaml:1:16: `spam.burst` must be one word, not a list or a section");
    assert_snapshot!(refusal("spam: 5"), @"config.yaml:1:7: `spam` must be a section: indented keys with their values");
    assert_snapshot!(refusal("scripts: { limits: { call_depth: off } }"), @"config.yaml:1:22: `scripts.limits.call_depth` must be a whole number from 1, not `off`");
    assert_snapshot!(refusal("scripts: { limits: { value_size: 64kb } }"), @"config.yaml:1:22: `scripts.limits.value_size` must be a size like `64KiB`, `1MiB` or a number of bytes, or `off`, not `64kb`");
    assert_snapshot!(refusal("telegram: { staff: [anna] }"), @"config.yaml:1:21: `telegram.staff[0]` must be a whole number");
    assert_snapshot!(refusal("telegram: { staff_chat: '@office' }"), @"config.yaml:1:25: `telegram.staff_chat` must be a whole number");
    assert_snapshot!(refusal("http: { listen: 8080 }"), @"config.yaml:1:9: `http.listen` must be an address and a port like `127.0.0.1:8080` or `[::]:8080`, not `8080`");
    assert_snapshot!(refusal("time_zone: Moscow"), @"config.yaml:1:1: `time_zone` must be a time zone like `Europe/Moscow`, not `Moscow`");
    assert_snapshot!(refusal("departments:\n  - name: it\n"), @"config.yaml:2:5: `departments[0]` lacks the key `title`; add it");
}

#[test]
fn what_is_no_yaml_is_refused_with_its_place() {
    assert_snapshot!(refusal("spam: { burst: 1\n"), @"config.yaml:1:7: `spam`: unclosed bracket '{'");
    assert_snapshot!(refusal("spam:\n  burst: 1\n  burst: 2\n"), @"config.yaml:3:3: `spam`: duplicate mapping key `burst` is not allowed here");
    assert_snapshot!(refusal("spam:\n\tburst: 1\n"), @"config.yaml:2:2: tabs disallowed within this context (block indentation)");
    assert_snapshot!(refusal("a: 1\n---\nb: 2\n"), @"config.yaml:1:1: unknown key `a`; the keys here are `telegram`, `spam`, `database`, `cache`, `scripts`, `conversations`, `services`, `bitrix24`, `retention`, `yclients`, `helper`, `http`, `log`, `shutdown`, `time_zone`, `departments`");
}

#[test]
fn a_secret_in_the_file_is_refused_by_the_name_of_its_variable_and_never_shown() {
    let keys = [
        "telegram:\n  token: hush",
        "telegram:\n  bot_token: hush",
        "telegram:\n  webhook_secret: hush",
        "database:\n  url: postgres://bot:hush@db/bot",
        "bitrix24:\n  webhook_url: https://portal/rest/1/hush/",
        "bitrix24: { application_token: hush }",
        "yclients: { user_token: hush }",
        "redis: { url: redis://:hush@cache }",
        "TELEGRAM_BOT_TOKEN: hush",
        "telegram: { mode: webhook, admin_password: hush }",
        "# 123456789:AAhushhushhushhushhushhushhushhushhu\n",
        "telegram: { staff_chat: 123456789:AAhushhushhushhushhushhushhushhushhu }\n",
    ];
    let refusals: Vec<String> = keys.into_iter().map(refusal).collect();
    for refusal in &refusals {
        assert!(!refusal.contains("hush"), "{refusal}");
    }
    assert_snapshot!(refusals.join("\n"), @r"
    config.yaml:2:3: `telegram.token` has no place in this file, which many may read; delete it and set TELEGRAM_BOT_TOKEN in the environment or in `.env`
    config.yaml:2:3: `telegram.bot_token` has no place in this file, which many may read; delete it and set TELEGRAM_BOT_TOKEN in the environment or in `.env`
    config.yaml:2:3: `telegram.webhook_secret` has no place in this file, which many may read; delete it and set TELEGRAM_WEBHOOK_SECRET in the environment or in `.env`
    config.yaml:2:3: `database.url` has no place in this file, which many may read; delete it and set DATABASE_URL in the environment or in `.env`
    config.yaml:2:3: `bitrix24.webhook_url` has no place in this file, which many may read; delete it and set BITRIX_WEBHOOK_URL in the environment or in `.env`
    config.yaml:1:13: `bitrix24.application_token` has no place in this file, which many may read; delete it and set BITRIX_APPLICATION_TOKEN in the environment or in `.env`
    config.yaml:1:13: `yclients.user_token` has no place in this file, which many may read; delete it and set YCLIENTS_USER_TOKEN in the environment or in `.env`
    config.yaml:1:1: `redis` has no place in this file, which many may read; delete it and set REDIS_URL in the environment or in `.env`
    config.yaml:1:1: `TELEGRAM_BOT_TOKEN` has no place in this file, which many may read; delete it and set TELEGRAM_BOT_TOKEN in the environment or in `.env`
    config.yaml:1:28: `telegram.admin_password` has no place in this file, which many may read; delete it and set ADMIN_PASSWORD in the environment or in `.env`
    config.yaml:1:1: this line holds a bot's token; delete it, ask @BotFather for a new one with /revoke, and set TELEGRAM_BOT_TOKEN in the environment or in `.env`
    config.yaml:1:1: this line holds a bot's token; delete it, ask @BotFather for a new one with /revoke, and set TELEGRAM_BOT_TOKEN in the environment or in `.env`
    ");
}

#[test]
fn an_error_beside_a_secret_does_not_show_it() {
    let text = "time_zone: Europe/Moscow # password: hush\nspam: { burst: many }\n# hush\n";
    assert!(!refusal(text).contains("hush"));
    assert!(!format!("{:?}", parse(text).unwrap_err()).contains("hush"));
}

#[test]
fn the_environment_fills_in_secrets_and_addresses() {
    let env = Env::from([
        ("TELEGRAM_BOT_TOKEN", "1:AA"),
        ("TELEGRAM_API_URL", "http://127.0.0.1:8081"),
        ("DATABASE_URL", "postgres://bot:hush@db/bot"),
        ("BITRIX_WEBHOOK_URL", "https://portal.example.org/rest/1/hushhush/"),
        ("BITRIX_APPLICATION_TOKEN", "hushhush"),
        ("BITRIX_GROUP_ID_DESIGN", "31"),
        ("BITRIX_RESPONSIBLE_DESIGN", "7"),
        ("YCLIENTS_CHAIN_ID", "555"),
        ("ENVIRONMENT", "development"),
        ("LISTEN_ADDR", "0.0.0.0:80"),
        ("SENTRY_DSN", " "),
    ]);
    let config = Config::parse(Path::new("config.yaml"), "http: { listen: 127.0.0.1:1 }", &env).unwrap();
    assert_eq!(config.telegram.token().unwrap().expose_secret(), "1:AA");
    assert_eq!(config.telegram.api_url.as_str(), "http://127.0.0.1:8081/");
    assert_eq!(config.yclients.chain_id, Some(555));
    assert_eq!(config.bitrix24.application_token.as_ref().unwrap().expose_secret(), "hushhush");
    assert_eq!(config.environment, Environment::Development);
    assert_eq!(config.http.listen.port(), 80);
    assert!(config.sentry_dsn.is_none(), "an empty variable is an absent one");
    let design = config.departments.iter().find(|department| department.name == "design").unwrap();
    assert_eq!((design.group, design.responsible), (Some(31), Some(7)));
    assert!(!format!("{config:?} {env:?}").contains("hush"));
}

#[test]
fn a_variable_of_another_form_is_refused_without_its_value() {
    let refusal = |name, value| {
        let env = Env::from([(name, value)]);
        Config::parse(Path::new("config.yaml"), "", &env).expect_err("the value must be refused").to_string()
    };
    assert_snapshot!(refusal("YCLIENTS_CHAIN_ID", "hush"), @"the environment variable YCLIENTS_CHAIN_ID must be a whole number; correct it or unset it");
    assert_snapshot!(refusal("BITRIX_GROUP_ID_DESIGN", "hush"), @"the environment variable BITRIX_GROUP_ID_DESIGN must be a whole number; correct it or unset it");
    assert_snapshot!(refusal("BITRIX_WEBHOOK_URL", "hush"), @"the environment variable BITRIX_WEBHOOK_URL must be an address with its scheme, like `https://example.org`; correct it or unset it");
    assert_snapshot!(refusal("LISTEN_ADDR", "hush"), @"the environment variable LISTEN_ADDR must be an address and a port like `127.0.0.1:8080` or `[::]:8080`; correct it or unset it");
    assert_snapshot!(refusal("ENVIRONMENT", "hush"), @"the environment variable ENVIRONMENT must be `production` or `development`; correct it or unset it");
}

#[test]
fn a_missing_token_says_which_variable_and_who_gives_it() {
    let error = Config::default().telegram.token().unwrap_err();
    assert_snapshot!(error, @"TELEGRAM_BOT_TOKEN is not set; get a token from @BotFather with /newbot and put it into the environment or into `.env`");
}

#[test]
fn a_folder_is_loaded_with_its_env_file_under_the_real_environment() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.yaml"), "").unwrap();
    let file = "\u{feff}# secrets\r\n\
        export TELEGRAM_BOT_TOKEN=1:from-file\r\n\
        ADMIN_USERNAME = anna # the director\n\
        ADMIN_PASSWORD=\"two words # \\\"quoted\\\" $HOME\"  # comment\n\
        ADMIN_SECRET_KEY='single \\n'\n\
        YCLIENTS_USER_TOKEN=a#b=c\n\
        YCLIENTS_PARTNER_TOKEN=\n\
        \n\
        REDIS_URL=redis://file\n";
    std::fs::write(dir.path().join(".env"), file).unwrap();
    let config =
        Config::load(dir.path(), &Env::from([("REDIS_URL", "redis://real"), ("ADMIN_USERNAME", "")]))
            .unwrap();
    let shown = |secret: &Option<secrecy::SecretString>| {
        secret.as_ref().map(|secret| secret.expose_secret().to_owned())
    };
    assert_eq!(shown(&config.telegram.bot_token).as_deref(), Some("1:from-file"));
    assert_eq!(config.admin.username.as_deref(), Some("anna"));
    assert_eq!(shown(&config.admin.password).as_deref(), Some("two words # \"quoted\" $HOME"));
    assert_eq!(shown(&config.admin.secret_key).as_deref(), Some("single \\n"));
    assert_eq!(shown(&config.yclients.user_token).as_deref(), Some("a#b=c"));
    assert_eq!(shown(&config.yclients.partner_token), None);
    assert_eq!(shown(&config.redis_url).as_deref(), Some("redis://real"));
    assert_eq!(config.database.path, dir.path().join("data/borodach.db"));
}

#[test]
fn a_bad_line_of_the_env_file_is_named_by_its_number_alone() {
    for line in ["hush", "=hush", "A B=hush", "A=\"hush", "A='hush' hush"] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.yaml"), "").unwrap();
        std::fs::write(dir.path().join(".env"), format!("# one\nTWO=2\n{line}\n")).unwrap();
        let error = Config::load(dir.path(), &Env::default()).unwrap_err().to_string();
        assert!(error.contains(".env:3: ") && !error.contains("hush"), "{error}");
    }
}

#[test]
fn a_folder_without_the_file_says_how_to_name_the_right_one() {
    let error = Config::load(Path::new("no/such/folder"), &Env::default()).unwrap_err();
    assert_snapshot!(error, @"there is no config.yaml in `no/such/folder`; name the bot's folder with --dir, or create an empty config.yaml to take every default");
}

#[test]
fn the_check_of_a_fresh_folder_lists_what_is_missing() {
    let found: Vec<String> = Config::default().check().iter().map(ToString::to_string).collect();
    assert_snapshot!(found.join("\n"), @r"
    error: TELEGRAM_BOT_TOKEN: is not set; get a token from @BotFather with /newbot and put it into the environment or into `.env`
    warning: telegram.staff_chat: is not set, so nobody is told of new requests, refused scripts and failures; add the bot to the staff's group and write the group's id here
    warning: BITRIX_GROUP_ID_DEVELOPMENT: is not set, so the department takes no tasks; set the number of its Bitrix24 project
    warning: BITRIX_GROUP_ID_MARKETING: is not set, so the department takes no tasks; set the number of its Bitrix24 project
    warning: BITRIX_GROUP_ID_DESIGN: is not set, so the department takes no tasks; set the number of its Bitrix24 project
    warning: BITRIX_WEBHOOK_URL: is not set, so tasks cannot be made; create an incoming webhook in the portal with the rights `task`, `tasks`, `disk`, `user` and `im`
    warning: YCLIENTS_PARTNER_TOKEN: is not set, so there is no statistics and no rating; take it from the developer's account
    warning: YCLIENTS_USER_TOKEN: is not set, so there is no statistics and no rating; take it from the account that sees the network
    warning: YCLIENTS_CHAIN_ID: is not set, so the network's barbershops are not known; it is the number in the network's address
    warning: ADMIN_USERNAME, ADMIN_PASSWORD: are not both set, so nobody can open the panel for the first time
    ");
}

#[test]
fn the_check_finds_settings_that_contradict_one_another() {
    let text = "telegram: { mode: webhook, poll_timeout: 1m, request_timeout: 0s, staff_chat: -1 }\n\
        database: { connections_kept: 31, acquire_timeout: 0s }\n\
        cache: { redis_timeout: 0s }\n\
        scripts: { limits: { value_size: 2MiB, operations: off, wall_time: off } }\n\
        bitrix24: { request_timeout: 0s }\n\
        departments: [{ name: Дизайн, title: ' ' }, { name: it, title: IT }, { name: it, title: IT }]\n";
    let env = Env::from([
        ("TELEGRAM_BOT_TOKEN", "no token"),
        ("TELEGRAM_WEBHOOK_URL", "http://bot.example.org/telegram/webhook"),
        ("TELEGRAM_WEBHOOK_SECRET", "тайна"),
        ("DATABASE_URL", "mysql://db"),
        ("REDIS_URL", "http://cache"),
        ("BITRIX_WEBHOOK_URL", "https://portal.example.org/"),
        ("ADMIN_SECRET_KEY", "short"),
    ]);
    let config = Config::parse(Path::new("config.yaml"), text, &env).unwrap();
    let errors = config.check().into_iter().filter(|finding| finding.severity == Severity::Error);
    assert_snapshot!(errors.map(|finding| finding.to_string()).collect::<Vec<_>>().join("\n"), @r"
    error: TELEGRAM_BOT_TOKEN: does not look like `123456789:AA…`; copy the whole token from @BotFather
    error: telegram.poll_timeout: is above 50s, the longest Telegram allows; make it shorter
    error: telegram.request_timeout: is zero, so no call can succeed; 30s is usual
    error: TELEGRAM_WEBHOOK_URL: is not https, and Telegram calls nothing else; give the bot a certificate or put it behind a proxy that has one
    error: TELEGRAM_WEBHOOK_SECRET: has something Telegram refuses; use 1–256 of A-Z, a-z, 0-9, `_` and `-`
    error: database.connections_kept: is above `connections_most`; make it smaller
    error: database.acquire_timeout: is zero, so no query can begin; 30s is usual
    error: DATABASE_URL: is not `postgres://…`; for SQLite leave it unset and name the file in `database.path`
    error: scripts.limits.value_size: is above `shared_value_size`, so no value could be shared; make it smaller
    error: departments[0]: has a name that cannot be part of a variable; use a-z, 0-9 and `_`
    error: departments[0]: has no title for the button
    error: departments[2]: repeats the name of an earlier one
    error: BITRIX_WEBHOOK_URL: does not look like `https://portal.example/rest/7/key/`; copy the whole address from the incoming webhook's page on the portal
    error: bitrix24.request_timeout, bitrix24.upload_timeout: must not be zero, or no call can succeed; 15s and 2m are usual
    error: REDIS_URL: is neither `redis://…` nor `rediss://…`; correct it, or unset it to cache in the process
    error: cache.redis_timeout: is zero, so Redis could never answer in time; 500ms is usual
    error: ADMIN_SECRET_KEY: is shorter than 32 characters and could be guessed; make one with `openssl rand -hex 32`
    ");
}

#[test]
fn a_complete_environment_leaves_nothing_to_find() {
    let env = Env::from([
        ("TELEGRAM_BOT_TOKEN", "123456789:AA"),
        ("TELEGRAM_WEBHOOK_URL", "https://bot.example.org/telegram/webhook"),
        ("TELEGRAM_WEBHOOK_SECRET", "a_-1"),
        ("BITRIX_WEBHOOK_URL", "https://portal.example.org/rest/1/key/"),
        ("BITRIX_APPLICATION_TOKEN", "c"),
        ("BITRIX_GROUP_ID_DEVELOPMENT", "1"),
        ("BITRIX_GROUP_ID_MARKETING", "2"),
        ("BITRIX_GROUP_ID_DESIGN", "3"),
        ("YCLIENTS_PARTNER_TOKEN", "a"),
        ("YCLIENTS_USER_TOKEN", "b"),
        ("YCLIENTS_CHAIN_ID", "4"),
        ("ADMIN_USERNAME", "anna"),
        ("ADMIN_PASSWORD", "hush"),
    ]);
    let text = "telegram: { mode: webhook, staff_chat: -1 }";
    let config = Config::parse(Path::new("config.yaml"), text, &env).unwrap();
    assert_eq!(config.check(), []);
}
