//! `borodach demo`: the bot, stand-ins for Telegram with people in it, Bitrix24 with its board and `YClients`
//! with its salons, and a page to talk through, in one process.

mod past;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::Redirect;
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use super::bitrix24::{Bitrix24, Hook, OWNER};
use super::network::{self, Network};
use super::telegram::Telegram;
use super::yclients::{Limits, YClients};
use crate::bot::{self, Bot};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Limit, YclientsLimits};
use crate::store;
use crate::telegram::ChatId;

/// The office's group.
const OFFICE: i64 = -1_001_000_000_001;
const TOKEN: &str = "1000000001:demo-token-for-the-sandbox-only";
const EVENTS: &str = "demo-token-of-the-portal-events";
/// Somebody who is a partner already.
const MARINA: i64 = 504;
/// Salons of the network, and the seed of its numbers.
const SALONS: usize = 300;
const SEED: u64 = 1;

/// Runs until told to stop. Every start is a fresh one: the stand-ins forget, so the database does, too.
pub async fn run(folder: &Path, mut config: Config, stop: CancellationToken) -> anyhow::Result<()> {
    let (anywhere, clock) = (SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Arc::new(SystemClock));
    let telegram = Telegram::start(anywhere, TOKEN).await.context("the stand-in Telegram cannot start")?;
    people(&telegram);
    let bitrix24 =
        Bitrix24::start(anywhere, clock.clone()).await.context("the stand-in Bitrix24 cannot start")?;
    let now = chrono::DateTime::from_timestamp_millis(clock.now().0).unwrap_or_default();
    let network = Network::new(SALONS, now.with_timezone(&config.time_zone).date_naive(), SEED);
    let yclients = YClients::start(anywhere, network, clock.clone())
        .await
        .context("the stand-in YClients cannot start")?;
    config.telegram.bot_token = Some(TOKEN.to_owned().into());
    config.telegram.api_url = telegram.url();
    config.telegram.staff_chat = Some(ChatId(OFFICE));
    config.telegram.mode = crate::config::Mode::Polling;
    open_portal(&bitrix24, &mut config);
    open_salons(&yclients, &mut config);
    let data = tempfolder().context("no place for the demo's database")?;
    let settings = store::Settings {
        url: store::DatabaseUrl::Sqlite(data.join("demo.db")),
        ..bot::store_settings(&config)
    };
    let pages = pages()
        .nest("/sandbox", telegram.router())
        .nest("/sandbox/bitrix24", bitrix24.router())
        .nest("/sandbox/yclients", yclients.router());
    let bot = Bot::open(folder, config, settings, clock.clone()).await?;
    Box::pin(past::happen(bot.lanes().host(), yclients.network(), clock.now())).await?;
    let address = bot.address();
    bitrix24.set_hook(Some(Hook {
        url: format!("http://{address}/bitrix24/events").parse().context("the bot's own address")?,
        application_token: EVENTS.to_owned(),
    }));
    println!(
        "\n  Откройте в браузере:  http://{address}/\n  Сценарии можно править прямо сейчас: {}/flows\n  Закончить: Ctrl-C\n",
        folder.display()
    );
    let result = bot.run(pages, stop).await;
    std::fs::remove_dir_all(&data).ok();
    Ok(result?)
}

/// Guests, a partner and two people of the office; the first has just opened the bot.
fn people(telegram: &Telegram) {
    telegram.person(501, "Анна Петрова", Some("anna_kazan"), "+79990000001");
    telegram.person(502, "Тимур Ахметов", None, "79990000002");
    telegram.person(503, "Игорь Ковалёв", Some("kovalev"), "8 999 000-00-03");
    telegram.person(MARINA, "Марина Соколова", Some("sokolova"), "+79990000004");
    telegram.person(901, "Ольга Смирнова", Some("olga_office"), "+79990000901");
    telegram.person(902, "Павел Орлов", Some("pavel_office"), "+79990000902");
    telegram.group(OFFICE, "Офис BORODACH", &[901, 902]);
}

/// Tells the bot where the office works: the departments of `config.yaml` take the projects named in their titles, the others
/// the first one.
fn open_portal(bitrix24: &Bitrix24, config: &mut Config) {
    config.bitrix24.webhook_url = Some(bitrix24.url().to_string().into());
    config.bitrix24.application_token = Some(EVENTS.to_owned().into());
    let groups = bitrix24.groups();
    for department in &mut config.departments {
        let own =
            groups.iter().find(|group| department.title.contains(&group.name)).or_else(|| groups.first());
        department.group = own.map(|group| group.id);
        department.responsible = Some(OWNER);
    }
}

/// Tells the bot where the barbershops keep their records.
fn open_salons(yclients: &YClients, config: &mut Config) {
    config.yclients.api_url = yclients.url();
    config.yclients.partner_token = Some(YClients::PARTNER.to_owned().into());
    config.yclients.user_token = Some(YClients::USER.to_owned().into());
    config.yclients.chain_id = Some(Network::CHAIN);
    // A year of 300 salons is 3,900 calls: within the service's limits a newcomer would wait twenty minutes for it.
    yclients.set_limits(Limits::OFF);
    config.services.yclients = YclientsLimits { per_second: Limit::OFF, per_minute: Limit::OFF };
}

fn tempfolder() -> std::io::Result<std::path::PathBuf> {
    let folder = std::env::temp_dir().join(format!("borodach-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The page and what it is made of.
fn pages() -> Router {
    const POLICY: &str = "default-src 'self'; img-src 'self' data: blob:";
    let file = |kind: &'static str, body: &'static str| {
        get(move || async move {
            ([(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, POLICY)], body)
        })
    };
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/demo/") }))
        .route("/demo/", file("text/html; charset=utf-8", include_str!("page/index.html")))
        .route("/demo/style.css", file("text/css; charset=utf-8", include_str!("page/style.css")))
        .route("/demo/app.js", file("text/javascript; charset=utf-8", include_str!("page/app.js")))
        .route("/demo/tools.js", file("text/javascript; charset=utf-8", include_str!("page/tools.js")))
        .route("/demo/board.html", file("text/html; charset=utf-8", include_str!("page/board.html")))
        .route("/demo/board.css", file("text/css; charset=utf-8", include_str!("page/board.css")))
        .route("/demo/board.js", file("text/javascript; charset=utf-8", include_str!("page/board.js")))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
}
