//! The bot with the shipped talks, and the services as they are on a desk.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use borodach::bot::{self, Bot, StartError};
use borodach::clock::{Clock as _, SystemClock};
use borodach::config::{Config, Env, Limit};
use borodach::sandbox::bitrix24::{self, Bitrix24, Fault, Often};
use borodach::sandbox::network::Network;
use borodach::sandbox::telegram::{self, Event, Telegram};
use borodach::sandbox::yclients::{self, YClients};
use borodach::store::partner::{Partner, Profile, Role, Salon, Status};
use borodach::store::{DatabaseUrl, Settings};
use borodach::telegram::{ChatId, UserId};
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Options;

const TOKEN: &str = "1000000003:made-up-token-of-random-presses";
/// The first partner; the others count on.
pub const FIRST: i64 = 10_000;
/// The office's group, in which nobody presses.
pub const OFFICE: i64 = -1_001_000_000_002;
const SALONS: usize = 300;
/// What goes wrong, each as often as any other.
const TROUBLES: [Fault; 5] = [
    Fault::Unavailable,
    Fault::ServerError,
    Fault::BadGatewayHtml,
    Fault::Slow(std::time::Duration::from_millis(700)),
    Fault::ResetAfterAccept,
];

pub struct Desk {
    pub telegram: Telegram,
    pub bitrix24: Bitrix24,
    yclients: YClients,
    config: Config,
    folder: tempfile::TempDir,
    people: u32,
    /// Wakes whoever waits for something to happen in their chat.
    news: HashMap<i64, Arc<Notify>>,
}

impl Desk {
    pub async fn lay(options: &Options) -> anyhow::Result<Desk> {
        // A second provider would be refused, and there is none.
        rustls::crypto::ring::default_provider().install_default().ok();
        let (anywhere, clock) = ("127.0.0.1:0".parse()?, Arc::new(SystemClock));
        let telegram = Telegram::start(anywhere, TOKEN).await?;
        let bitrix24 = Bitrix24::start(anywhere, clock.clone()).await?;
        let today = chrono::DateTime::from_timestamp_millis(clock.now().0).unwrap_or_default();
        let network =
            Network::new(SALONS, today.with_timezone(&chrono_tz::Europe::Moscow).date_naive(), options.seed);
        let yclients = YClients::start(anywhere, network, clock).await?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut config = Config::parse(&root.join("config.yaml"), "{}", &Env::default())?;
        config.telegram.bot_token = Some(TOKEN.to_owned().into());
        config.telegram.api_url = telegram.url();
        config.telegram.staff_chat = Some(ChatId(OFFICE));
        config.http.listen = anywhere;
        // What people wait for is the bot here, and not Telegram's limits.
        let limits = &mut config.telegram.limits;
        (limits.overall_per_second, limits.chat_per_second, limits.group_per_minute) =
            (Limit::OFF, Limit::OFF, Limit::OFF);
        config.spam.per_second = Limit::OFF;
        config.services.bitrix24.per_second = Limit::OFF;
        config.services.yclients.per_second = Limit::OFF;
        config.services.yclients.per_minute = Limit::OFF;
        config.scripts.watch = borodach::config::Watch::Off;
        config.bitrix24.webhook_url = Some(bitrix24.url().to_string().into());
        let groups = bitrix24.groups();
        for (department, group) in config.departments.iter_mut().zip(&groups) {
            (department.group, department.responsible) = (Some(group.id), Some(bitrix24::OWNER));
        }
        config.yclients.api_url = yclients.url();
        config.yclients.partner_token = Some(YClients::PARTNER.to_owned().into());
        config.yclients.user_token = Some(YClients::USER.to_owned().into());
        config.yclients.chain_id = Some(Network::CHAIN);
        telegram.group(OFFICE, "Офис", &[]);
        let news = (0..options.people).map(|number| (FIRST + i64::from(number), Arc::default())).collect();
        let folder = tempfile::tempdir().context("no place for the database")?;
        Ok(Desk { telegram, bitrix24, yclients, config, folder, people: options.people, news })
    }

    /// Starts the bot and makes everybody its partner.
    pub async fn start(
        self: &Arc<Desk>,
        stop: CancellationToken,
    ) -> anyhow::Result<JoinHandle<Result<(), StartError>>> {
        let url = DatabaseUrl::Sqlite(self.folder.path().join("presses.db"));
        let settings = Settings { url, ..bot::store_settings(&self.config) };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let bot = Bot::open(root, self.config.clone(), settings, Arc::new(SystemClock)).await?;
        let store = bot.lanes().host().store().clone();
        for number in 0..self.people {
            let partner = self.partner(number);
            self.telegram.person(partner.user.0, &partner.profile.name, None, &partner.profile.phone);
            store.introduce(&partner, "Офис").await?;
        }
        drop(store);
        self.listen();
        Ok(tokio::spawn(bot.run(axum::Router::new(), stop)))
    }

    /// From now on so many per cent of all calls go wrong.
    pub fn go_wrong(&self, percent: u8, seed: u64) {
        let each = f64::from(percent) / 100.0 / f64::from(u8::try_from(TROUBLES.len()).expect("a few"));
        for kind in TROUBLES {
            let often = Often::Chance(each);
            self.telegram.faults().add(telegram::Rule { endpoint: None, kind, often });
            self.bitrix24.faults().add(bitrix24::Rule { endpoint: None, kind, often });
            self.yclients.faults().add(yclients::Rule { endpoint: None, kind, often });
        }
        self.telegram.faults().seed(seed);
        self.bitrix24.faults().seed(seed);
        self.yclients.faults().seed(seed);
    }

    /// Nothing goes wrong any more.
    pub fn calm(&self) {
        self.telegram.faults().clear();
        self.bitrix24.faults().clear();
        self.yclients.faults().clear();
    }

    /// How many calls went wrong.
    pub fn struck(&self) -> u64 {
        self.telegram.faults().struck() + self.bitrix24.faults().struck() + self.yclients.faults().struck()
    }

    /// Everybody's chat.
    pub fn chats(&self) -> impl Iterator<Item = i64> {
        (0..self.people).map(|number| FIRST + i64::from(number))
    }

    /// The last lines of a chat.
    pub fn end_of_talk(&self, chat: i64) -> String {
        let transcript = self.telegram.transcript(chat);
        let lines: Vec<&str> = transcript.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    /// Wakes when something has happened in a chat.
    pub fn news(&self, chat: i64) -> &Notify {
        &self.news[&chat]
    }

    fn listen(self: &Arc<Desk>) {
        let (desk, mut events) = (Arc::clone(self), self.telegram.subscribe());
        tokio::spawn(async move {
            loop {
                match events.recv().await {
                    Ok(Event::Chat(chat) | Event::Toast { chat, .. }) => {
                        desk.news.get(&chat).into_iter().for_each(|news| news.notify_one());
                    }
                    // Whoever missed something looks by itself now and then.
                    Ok(Event::State) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }

    /// One to three barbershops each.
    fn partner(&self, number: u32) -> Partner {
        let id = FIRST + i64::from(number);
        let open = self.yclients.network().salons().iter().filter(|salon| salon.closed.is_none());
        let own = open.skip(number as usize % (SALONS / 2)).take(1 + number as usize % 3).map(|salon| {
            let city = Some(salon.city.to_owned());
            Salon { id: salon.id, title: salon.title.clone(), city, address: None }
        });
        Partner {
            user: UserId(id),
            chat: ChatId(id),
            status: Status::Verified,
            profile: Profile {
                name: format!("Партнёр <{number}> & Ко"),
                phone: format!("+7999{id:07}"),
                username: None,
                role: Some(Role::Owner),
                position: None,
            },
            reachable: true,
            reason: None,
            created_at: borodach::clock::Timestamp(0),
            verified_at: Some(borodach::clock::Timestamp(0)),
            salons: own.collect(),
        }
    }
}
