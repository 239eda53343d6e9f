//! `borodach demo`: the bot, a stand-in Telegram with people in it, a stand-in Bitrix24 with its board, and a page
//! to talk through, in one process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::Redirect;
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use super::bitrix24::{Bitrix24, OWNER};
use super::telegram::Telegram;
use crate::bot::{self, Bot};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::store;
use crate::telegram::ChatId;

/// The office's group.
const OFFICE: i64 = -1_001_000_000_001;
const TOKEN: &str = "1000000001:demo-token-for-the-sandbox-only";

/// Runs until told to stop. Every start is a fresh one: the stand-in forgets, so the database does, too.
pub async fn run(folder: &Path, mut config: Config, stop: CancellationToken) -> anyhow::Result<()> {
    let sandbox = Telegram::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), TOKEN)
        .await
        .context("the stand-in Telegram cannot start")?;
    people(&sandbox);
    config.telegram.bot_token = Some(TOKEN.to_owned().into());
    config.telegram.api_url = sandbox.url();
    config.telegram.staff_chat = Some(ChatId(OFFICE));
    config.telegram.mode = crate::config::Mode::Polling;
    let data = tempfolder().context("no place for the demo's database")?;
    let settings = store::Settings {
        url: store::DatabaseUrl::Sqlite(data.join("demo.db")),
        ..bot::store_settings(&config)
    };
    let address = config.http.listen;
    let office = Bitrix24::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Arc::new(SystemClock))
        .await
        .context("the stand-in Bitrix24 cannot start")?;
    open_office(&office, &mut config);
    let pages = pages().nest("/sandbox", sandbox.router()).nest("/sandbox/bitrix24", office.router());
    let bot = Bot::open(folder, config, settings, Arc::new(SystemClock)).await?;
    println!(
        "\n  Откройте в браузере:  http://{address}/\n  Сценарии можно править прямо сейчас: {}/flows\n  Закончить: Ctrl-C\n",
        folder.display()
    );
    let result = bot.run(pages, stop).await;
    std::fs::remove_dir_all(&data).ok();
    Ok(result?)
}

/// Two guests and two people of the office; the first has just opened the bot.
fn people(sandbox: &Telegram) {
    sandbox.person(501, "Анна Петрова", Some("anna_kazan"), "+79990000001");
    sandbox.person(502, "Тимур Ахметов", None, "79990000002");
    sandbox.person(503, "Игорь Ковалёв", Some("kovalev"), "8 999 000-00-03");
    sandbox.person(901, "Ольга Смирнова", Some("olga_office"), "+79990000901");
    sandbox.person(902, "Павел Орлов", Some("pavel_office"), "+79990000902");
    sandbox.group(OFFICE, "Офис BORODACH", &[901, 902]);
}

/// Tells the bot where the office works: the departments of `config.yaml` take the projects by their titles, the others
/// the first one.
fn open_office(office: &Bitrix24, config: &mut Config) {
    config.bitrix24.webhook_url = Some(office.url().to_string().into());
    let groups = office.groups();
    for department in &mut config.departments {
        let own = groups.iter().find(|group| group.name == department.title).or_else(|| groups.first());
        department.group = own.map(|group| group.id);
        department.responsible = Some(OWNER);
    }
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
