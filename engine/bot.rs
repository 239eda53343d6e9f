//! The whole bot, wired: everything long-lived is started here and stopped here.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use governor::Quota;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use teloxide::payloads::{SetMyCommands, SetWebhook, SetWebhookSetters as _};
use teloxide::types::BotCommand;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cache::Cache;
use crate::clock::SharedClock;
use crate::config::{self, Config, Environment, Mode, Watch};
use crate::conversation::{self, Host, World, notice};
use crate::http::{self, Policy, Service, Throttle};
use crate::intake::{self, ALLOWED, Intake};
use crate::jobs::{Jobs, Own, Work};
use crate::lanes::Lanes;
use crate::outbox::Outbox;
use crate::ratings::{Gathering, Roll};
use crate::redis::{self, Redis};
use crate::schedule::Schedule;
use crate::scheduler;
use crate::script::{self, Outcome, Refusal, Scripts, Trigger, watch};
use crate::store::{self, Store, housekeeping::Retention, inbox};
use crate::telegram::{Client, Request, html};
use crate::web;
use crate::{bitrix24, broadcasts, helper, portal, yclients};

/// A bot that is ready to run.
#[derive(Debug)]
pub struct Bot {
    config: Config,
    client: Client,
    /// Everything outside that the bot calls, for `/health`.
    services: Vec<Service>,
    lanes: Arc<Lanes>,
    outbox: Arc<Outbox>,
    intake: Arc<Intake>,
    scripts: Arc<Scripts>,
    jobs: Arc<Jobs>,
    reports: mpsc::Receiver<inbox::New>,
    listener: TcpListener,
    started: Instant,
}

/// Why the bot does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is missing.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The database.
    #[error("the store cannot be opened")]
    Store(#[from] store::Error),
    /// The scripts.
    #[error(transparent)]
    Scripts(#[from] script::OpenError),
    /// The address of Redis.
    #[error(transparent)]
    Redis(#[from] redis::NoAddress),
    /// The HTTP client.
    #[error(transparent)]
    Http(#[from] http::ClientError),
    /// The portal's address.
    #[error(transparent)]
    Portal(#[from] bitrix24::AddressError),
    /// The bot's own address.
    #[error("cannot listen on {address}; set http.listen or LISTEN_ADDR to a free address")]
    Listen {
        /// What was asked for.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Bot {
    /// Opens the store and the scripts in `folder`, and takes over what an earlier process left.
    pub async fn open(
        folder: &Path,
        config: Config,
        store: store::Settings,
        clock: SharedClock,
    ) -> Result<Bot, StartError> {
        let started = Instant::now();
        let token = config.telegram.token()?.clone();
        let http = http::client(&config.services.client())?;
        let telegram = telegram(&config, &clock);
        let mut services = vec![telegram.clone()];
        let (base, timeout) = (config.telegram.api_url.clone(), config.telegram.request_timeout);
        let client = Client::new(http.clone(), telegram, base, token, timeout);
        let redis = redis_settings(&config).map(|settings| Redis::connect(&settings)).transpose()?;
        let world = world(&config, &http, &client, redis.as_ref(), &clock, &mut services)?;
        let address = config.http.listen;
        let listener =
            TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
        let store = Store::open(&store, Arc::clone(&clock)).await?;
        let scripts = Scripts::open(folder, limits(&config), store.clone(), &clock).await?;
        if let Some(refusal) = scripts.refused() {
            tracing::error!(
                "the scripts in the folder are refused, those that were live last go on:\n{}",
                refusal.report
            );
        }
        let scripts = Arc::new(scripts);
        let settings = conversation::Settings {
            staff_chat: config.telegram.staff_chat,
            staff: config.telegram.staff.clone(),
            zone: config.time_zone,
            turn_deadline: config.conversations.turn_deadline.get().unwrap_or(Duration::MAX),
            doubt_settles: config.conversations.doubt_settles,
            wait_for_fresh: config.cache.wait_for_fresh,
            wait_for_first: config.cache.wait_for_first,
            doubt_asks: config.conversations.doubt_asks.get().unwrap_or(Duration::MAX),
        };
        let (outbox, reports) =
            Outbox::new(store.clone(), client.clone(), Arc::clone(&clock), &config.telegram);
        let cache = Cache::new(&config.cache, redis, Arc::clone(&clock));
        let host = Arc::new(Host::new(store, Arc::clone(&scripts), clock, cache, settings).with(world));
        let lanes = Lanes::new(host, Arc::clone(&outbox));
        let jobs = Jobs::new(Arc::clone(&lanes), config.time_zone, own_jobs(&config, lanes.host()));
        let clip = config.conversations.answer_clip.get().map_or(usize::MAX, config::Size::bytes);
        let secret = config.telegram.webhook_secret.clone();
        let intake =
            Intake::new(Arc::clone(&lanes), Arc::clone(&outbox), client.clone(), &config.spam, clip, secret);
        Ok(Bot { config, client, services, lanes, outbox, intake, scripts, jobs, reports, listener, started })
    }

    /// The door for updates.
    pub fn intake(&self) -> &Arc<Intake> {
        &self.intake
    }

    /// Where the bot's own pages are.
    pub fn address(&self) -> std::net::SocketAddr {
        self.listener.local_addr().unwrap_or(self.config.http.listen)
    }

    /// The lanes, for whoever waits until they are quiet.
    pub fn lanes(&self) -> &Arc<Lanes> {
        &self.lanes
    }

    /// The deliveries, for whoever waits until they are made.
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// What `/health` looks at.
    pub fn health(&self) -> Arc<web::Health> {
        Arc::new(web::Health::new(
            Arc::clone(&self.lanes),
            Arc::clone(&self.outbox),
            Arc::clone(&self.scripts),
            Arc::clone(&self.jobs),
            self.client.clone(),
            self.services.clone(),
            self.started,
        ))
    }

    /// Runs until `stop`, then drains: turns in progress end, messages leave, the rest stays on disk.
    /// `pages` are served beside the bot's own addresses.
    pub async fn run(self, pages: axum::Router, stop: CancellationToken) -> Result<(), StartError> {
        let address = self.address();
        let health = self.health();
        let Bot { config, client, lanes, outbox, intake, scripts, jobs, mut reports, listener, .. } = self;
        let tasks = TaskTracker::new();
        let door = web::PortalDoor { lanes: Arc::clone(&lanes), settings: config.bitrix24.clone() };
        let router = web::router(health, Arc::clone(&intake), door).merge(pages);
        let quiet = stop.clone();
        tasks.spawn(async move {
            let serve = axum::serve(listener, router).with_graceful_shutdown(quiet.cancelled_owned());
            if let Err(error) = serve.await {
                tracing::error!("the HTTP server stopped: {error}");
            }
        });
        tasks.spawn(web::count_together(stop.clone()));
        lanes.recover().await?;
        tasks.spawn(Arc::clone(&lanes).follow());
        tasks.spawn(scheduler::keep_promises(Arc::clone(&lanes), stop.clone()));
        tasks.spawn(broadcasts::deliver(Arc::clone(&lanes), Arc::clone(&outbox), stop.clone()));
        tasks.spawn(jobs.run(stop.clone()));
        let retention = retention(&config);
        tasks.spawn(scheduler::tidy(
            Arc::clone(&lanes),
            Arc::clone(&outbox),
            Arc::clone(&intake),
            retention,
            stop.clone(),
        ));
        if let Some(portal) = &lanes.host().world().bitrix24 {
            tasks.spawn(probe(portal.clone(), stop.clone()));
            if let Some(every) = config.bitrix24.look_for_changes.get() {
                tasks.spawn(portal::keep_up(Arc::clone(&lanes), portal.clone(), every, stop.clone()));
            }
        }
        if let Some(refusal) = scripts.refused() {
            lanes.accept(refused(lanes.host(), &refusal)).await?;
        }
        listen(&config, &client, &intake, &scripts, &tasks, &stop);
        let _watch = watch_scripts(&config.scripts, &lanes, &tasks, &stop);
        tracing::info!(http.address = %address, "the bot runs; its health is at http://{address}/health");
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(report) = reports.recv() => {
                    if let Err(error) = lanes.accept(vec![report]).await {
                        tracing::warn!("a report to the office is lost: {error}");
                    }
                }
            }
        }
        tracing::info!("stopping: turns in progress end, messages leave");
        let deadline = Instant::now() + config.shutdown.drain;
        if tokio::time::timeout(config.shutdown.drain, lanes.drain()).await.is_err() {
            tracing::warn!("some turns did not end in time; their entries stay for the next start");
        }
        outbox.drain(deadline.saturating_duration_since(Instant::now())).await;
        lanes.host().cache().stop();
        tasks.close();
        if tokio::time::timeout(Duration::from_secs(1), tasks.wait()).await.is_err() {
            tracing::debug!("some connections were still open");
        }
        lanes.host().store().clone().close().await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Telegram as the layer sees it. Nothing is repeated there: a message's next try is the outbox's, in its order.
fn telegram(config: &Config, clock: &SharedClock) -> Service {
    let policy =
        Policy { attempts: 1, deadline: config.telegram.request_timeout, ..config.services.policy() };
    // The quotas are by chat, so the outbox keeps them.
    let throttle = Throttle::new("telegram", &[]);
    Service::new("telegram", policy, throttle, config.services.breaker(), Arc::clone(clock))
}

/// The services outside that are configured; each becomes a part of `/health`. With Redis their quotas are shared by
/// all instances.
fn world(
    config: &Config,
    http: &reqwest::Client,
    telegram: &Client,
    redis: Option<&Redis>,
    clock: &SharedClock,
    services: &mut Vec<Service>,
) -> Result<World, StartError> {
    let mut road = |name, quotas: &[Quota]| {
        let throttle = match redis {
            Some(redis) => Throttle::shared(name, quotas, redis.clone()),
            None => Throttle::new(name, quotas),
        };
        let (policy, breaker) = (config.services.policy(), config.services.breaker());
        let service = Service::new(name, policy, throttle, breaker, Arc::clone(clock));
        services.push(service.clone());
        service
    };
    let bitrix24 = match &config.bitrix24.webhook_url {
        Some(webhook) => {
            let settings = &config.bitrix24;
            let service = road("bitrix24", &config.services.bitrix24.quotas());
            Some(bitrix24::Client::new(webhook, settings, service, http.clone(), Arc::clone(clock))?)
        }
        None => None,
    };
    let yclients = config.yclients.partner_token.as_ref().map(|_| {
        let service = road("yclients", &config.services.yclients.quotas());
        yclients::Client::new(&config.yclients, service, http.clone(), Arc::clone(clock))
    });
    let helper = config.helper.endpoint.as_ref().and_then(|_| {
        // A model takes its time: a call may take two tries of it, whatever other services get.
        let deadline = config.helper.timeout * 2;
        let policy = Policy { attempts: 2, deadline, ..config.services.policy() };
        let (throttle, breaker) = (Throttle::new("helper", &[]), config.services.breaker());
        let service = Service::new("helper", policy, throttle, breaker, Arc::clone(clock));
        services.push(service.clone());
        helper::Client::new(&config.helper, service, http.clone())
    });
    let (telegram, departments) = (Some(telegram.clone()), config.departments.clone());
    Ok(World { bitrix24, yclients, helper, telegram, departments })
}

/// The jobs of the host itself: those of the network, when its service is set up.
fn own_jobs(config: &Config, host: &Arc<Host>) -> Vec<Own> {
    let Some(client) = &host.world().yclients else { return Vec::new() };
    let job = |name, schedule: &str, work: Arc<dyn Work>| Own {
        name,
        schedule: Schedule::parse(schedule).expect("our own schedules are readable"),
        work,
    };
    let at_once = config.yclients.salons_at_once;
    vec![
        job("host:salons", "30 */4 * * *", Arc::new(Roll::new(Arc::clone(host), client))),
        job(
            "host:ratings",
            "0 1 * * *",
            Arc::new(Gathering::new(Arc::clone(host), client, at_once, config.time_zone)),
        ),
    ]
}

/// Finds out what the portal can do, until it has answered: writes begun before go by the surer of two ways.
async fn probe(portal: bitrix24::Client, stop: CancellationToken) {
    loop {
        match portal.probe().await {
            Ok(can) => return tracing::info!("the portal answers: {can:?}"),
            Err(error) => tracing::warn!("the portal cannot be asked what it can do: {error}"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PROBE_PAUSE) => {}
        }
    }
}

/// How long to wait before the portal is asked again what it can do.
const PROBE_PAUSE: Duration = Duration::from_mins(1);

/// Starts whichever way updates come in, and tells Telegram the commands.
fn listen(
    config: &Config,
    client: &Client,
    intake: &Arc<Intake>,
    scripts: &Scripts,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let (client, stop) = (client.clone(), stop.clone());
    let commands = Request::of(&SetMyCommands::new(commands(scripts)));
    match (config.telegram.mode, config.telegram.webhook_url.clone()) {
        (Mode::Webhook, Some(url)) => {
            let secret = config.telegram.webhook_secret.clone();
            tasks.spawn(persist("set the webhook", client.clone(), webhook(url, secret), stop.clone()));
        }
        (Mode::Webhook, None) => {
            tracing::warn!(
                "telegram.mode is webhook, but TELEGRAM_WEBHOOK_URL is not set: updates come only to whoever sends them to /telegram/webhook"
            );
        }
        (Mode::Polling, _) => {
            let hold = config.telegram.poll_timeout;
            tasks.spawn(intake::poll(Arc::clone(intake), client.clone(), hold, stop.clone()));
        }
    }
    tasks.spawn(persist("set the commands", client, commands, stop));
}

/// The commands of the live flows, by their titles.
fn commands(scripts: &Scripts) -> Vec<BotCommand> {
    let live = scripts.live();
    let mut commands: Vec<BotCommand> = Vec::new();
    for flow in live.flows() {
        for trigger in &flow.header.on {
            if let Trigger::Command(name) = trigger
                && !commands.iter().any(|known| known.command == name[1..])
            {
                commands.push(BotCommand::new(&name[1..], &flow.header.title));
            }
        }
    }
    commands
}

/// `None` without `REDIS_URL`. Instances of one environment share; those of another never see them.
fn redis_settings(config: &Config) -> Option<redis::Settings> {
    let url = config.redis_url.clone()?;
    let environment = match config.environment {
        Environment::Production => "production",
        Environment::Development => "development",
    };
    Some(redis::Settings {
        url,
        prefix: format!("borodach:{environment}"),
        timeout: config.cache.redis_timeout,
    })
}

fn retention(config: &Config) -> Retention {
    let settings = &config.retention;
    Retention {
        inbox: settings.inbox.get(),
        outbox: settings.outbox.get(),
        conversations: settings.conversations.get(),
    }
}

/// Watches the scripts and publishes what changes.
fn watch_scripts(
    settings: &config::Scripts,
    lanes: &Arc<Lanes>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Option<watch::Watch> {
    let method = match settings.watch {
        Watch::Notify => watch::Method::Notify,
        Watch::Poll => watch::Method::Poll,
        Watch::Off => return None,
    };
    let changed = Arc::new(Notify::new());
    let watch =
        watch::watch(lanes.host().scripts().folder(), method, settings.debounce, Arc::clone(&changed))
            .inspect_err(|error| tracing::error!("changes of scripts will not be noticed: {error}"))
            .ok()?;
    // A file saved while the bot was starting was seen by nobody.
    changed.notify_one();
    let (lanes, stop) = (Arc::clone(lanes), stop.clone());
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = changed.notified() => publish(&lanes).await,
            }
        }
    });
    Some(watch)
}

/// Publishes what the folder holds now: the office hears of it, and parked conversations try to go on.
pub async fn publish(lanes: &Arc<Lanes>) {
    let host = lanes.host();
    let entries = match host.scripts().publish(host.clock()).await {
        Ok(Outcome::Same) => return,
        Ok(Outcome::Live(set)) => {
            tracing::info!(script_set.hash = set.hash(), "script set {} is live", short(set.hash()));
            let mut entries = tell_office(
                host,
                set.hash(),
                "live",
                &format!("✅ Сценарии обновлены: <code>{}</code>.", short(set.hash())),
            );
            entries.extend(resumes(host, set.hash()).await);
            entries
        }
        Ok(Outcome::Refused(refusal)) => refused(host, &refusal),
        Err(error) => return tracing::error!("cannot publish the scripts: {error}"),
    };
    if let Err(error) = lanes.accept(entries).await {
        tracing::warn!("the office does not hear of the change of scripts: {error}");
    }
}

/// Says to the log and to the office that scripts are refused.
fn refused(host: &Host, refusal: &Refusal) -> Vec<inbox::New> {
    tracing::error!("the changed scripts are refused, the former ones go on:\n{}", refusal.report);
    let words = format!(
        "⛔️ Изменение сценариев не принято, работает прежняя версия.\n<pre>{}</pre>",
        html::escape(&refusal.report)
    );
    tell_office(host, &refusal.hash, "refused", &words)
}

fn tell_office(host: &Host, hash: &str, what: &str, words: &str) -> Vec<inbox::New> {
    let key = format!("scripts-{what}-{hash}-{}", host.clock().now().0);
    host.staff_chat().map(|staff| notice(staff, key, words)).into_iter().collect()
}

/// An entry for each parked conversation: perhaps the new scripts mend it.
async fn resumes(host: &Host, hash: &str) -> Vec<inbox::New> {
    let parked = host.store().parked().await.unwrap_or_else(|error| {
        tracing::warn!("cannot look for parked conversations: {error}");
        Vec::new()
    });
    let resume = |row: store::conversation::Row| inbox::New {
        source: "resume".to_owned(),
        key: format!("{}-{hash}", row.id.0),
        lane: row.chat.into(),
        body: json!({ "conversation": row.id.0 }).into(),
    };
    parked.into_iter().map(resume).collect()
}

fn short(hash: &str) -> &str {
    &hash[..hash.len().min(10)]
}

fn webhook(url: url::Url, secret: Option<SecretString>) -> Request {
    let mut request = SetWebhook::new(url).allowed_updates(ALLOWED).max_connections(100);
    request.secret_token = secret.map(|secret| secret.expose_secret().to_owned());
    Request::of(&request)
}

/// Makes a call until it succeeds or is refused for good.
async fn persist(what: &'static str, client: Client, request: Request, stop: CancellationToken) {
    let mut pause = Duration::from_secs(1);
    loop {
        let Err(error) = client.call::<bool>(request.clone()).await else { return };
        if error.verdict() == crate::telegram::Verdict::GiveUp {
            return tracing::error!("cannot {what}: {error}");
        }
        tracing::warn!("cannot {what} yet: {error}");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_mins(1)),
        }
    }
}

/// What the configuration allows scripts to take; a limit that is off is as large as it can be.
pub fn limits(config: &Config) -> script::Limits {
    let limits = &config.scripts.limits;
    let count = |limit: config::Limit<std::num::NonZeroU32>| limit.get().map_or(0, |n| n.get() as usize);
    let size = |limit: config::Limit<config::Size>| limit.get().map_or(0, config::Size::bytes);
    script::Limits {
        operations: limits.operations.get().map_or(0, |n| u64::from(n.get())),
        wall_time: limits.wall_time.get().unwrap_or(Duration::from_hours(1)),
        call_depth: limits.call_depth.get() as usize,
        string_bytes: size(limits.string_size),
        array_items: count(limits.array_items),
        map_items: count(limits.map_items),
        journal_steps: limits.journal_steps.get().map_or(usize::MAX, |n| n.get() as usize),
        shared_value_bytes: limits.shared_value_size.get().map_or(usize::MAX, config::Size::bytes),
    }
}

/// What the configuration says of the database.
pub fn store_settings(config: &Config) -> store::Settings {
    let database = &config.database;
    let limits = &config.scripts.limits;
    store::Settings {
        url: match &database.url {
            Some(url) => store::DatabaseUrl::Postgres(url.clone()),
            None => store::DatabaseUrl::Sqlite(database.path.clone()),
        },
        kept: database.connections_kept.get(),
        most: database.connections_most.get(),
        lifetime: database.connection_lifetime.get().unwrap_or(Duration::MAX),
        acquire_timeout: database.acquire_timeout,
        busy_timeout: database.busy_timeout,
        value_bytes: limits.value_size.get().map_or(usize::MAX, config::Size::bytes),
        blob_bytes: limits.shared_value_size.get().map_or(usize::MAX, config::Size::bytes),
        crash: None,
    }
}
