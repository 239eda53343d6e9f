//! A desk for tests: the bot itself, a real store, real HTTP to the sandbox, and people who talk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use borodach::bot::{self, Bot};
use borodach::clock::{ManualClock, SharedClock, SystemClock};
use borodach::config::{Config, Env, Limit};
use borodach::lanes::Lanes;
use borodach::outbox::Outbox;
use borodach::sandbox::telegram::{Message, Telegram};
use borodach::store::{DatabaseUrl, Settings, Store};
use borodach::telegram::ChatId;
use sqlx::Connection as _;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The office's group, and somebody of the office.
pub const OFFICE: i64 = -1_001_000_000_777;
pub const OLGA: i64 = 901;
pub const PAVEL: i64 = 902;
/// A guest.
pub const ANNA: i64 = 501;

const TOKEN: &str = "1000000002:made-up-token-of-the-tests";

/// The bot on a desk.
pub struct Desk {
    pub sandbox: Telegram,
    pub folder: TempDir,
    pub config: Config,
    pub store: Settings,
    pub clock: SharedClock,
    running: Option<Running>,
}

/// A bot that runs.
struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
    address: std::net::SocketAddr,
    lanes: Arc<Lanes>,
    outbox: Arc<Outbox>,
}

impl Desk {
    /// The shipped flows on SQLite with the system's clock.
    pub async fn start() -> Desk {
        let mut desk = Desk::lay().await;
        desk.run().await;
        desk
    }

    /// The same on a clock turned by hand.
    pub async fn start_with_clock(clock: Arc<ManualClock>) -> Desk {
        let mut desk = Desk::lay().await;
        desk.clock = clock;
        desk.run().await;
        desk
    }

    /// Everything in its place, the bot not started yet.
    pub async fn lay() -> Desk {
        crate::crypto();
        let address = "127.0.0.1:0".parse().expect("an address");
        let sandbox = Telegram::start(address, TOKEN).await.expect("loopback has free ports");
        sandbox.person(ANNA, "Анна Петрова", Some("anna"), "79990000001");
        sandbox.person(OLGA, "Ольга Смирнова", Some("olga"), "+79990000901");
        sandbox.person(PAVEL, "Павел Орлов", None, "+79990000902");
        sandbox.group(OFFICE, "Офис", &[OLGA, PAVEL]);
        let folder = tempfile::tempdir().expect("a place for files");
        for part in ["flows", "scripts"] {
            copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(part), &folder.path().join(part));
        }
        let mut config =
            Config::parse(Path::new("config.yaml"), "{}", &Env::default()).expect("defaults are valid");
        config.telegram.bot_token = Some(TOKEN.to_owned().into());
        config.telegram.api_url = sandbox.url();
        config.telegram.staff_chat = Some(ChatId(OFFICE));
        config.telegram.limits.overall_per_second = Limit::OFF;
        config.telegram.limits.chat_per_second = Limit::OFF;
        config.telegram.limits.group_per_minute = Limit::OFF;
        config.telegram.tidy = false;
        config.spam.per_second = Limit::OFF;
        config.http.listen = address;
        let url = DatabaseUrl::Sqlite(folder.path().join("data/bot.db"));
        let store = Settings { url, ..bot::store_settings(&config) };
        Desk { sandbox, folder, config, store, clock: Arc::new(SystemClock), running: None }
    }

    /// Everything in its place, with these files in place of the shipped scripts; the bot not started yet.
    pub async fn lay_with(files: &[(&str, &str)]) -> Desk {
        let desk = Desk::lay().await;
        for part in ["flows", "scripts"] {
            let part = desk.folder.path().join(part);
            std::fs::remove_dir_all(&part).expect("the folder is ours");
            std::fs::create_dir(&part).expect("the folder is ours");
        }
        for (path, body) in files {
            std::fs::write(desk.folder.path().join(path), body).expect("the folder is ours");
        }
        desk
    }

    /// A bot with one flow for `/go`: a `start` with this body.
    pub async fn start_flow(body: &str) -> Desk {
        let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk(body))]).await;
        desk.run().await;
        desk
    }

    /// Starts the bot.
    pub async fn run(&mut self) {
        let clock = Arc::clone(&self.clock);
        let bot = Bot::open(self.folder.path(), self.config.clone(), self.store.clone(), clock);
        let bot = bot.await.unwrap_or_else(|error| panic!("the bot does not start: {error:#}"));
        let (stop, address) = (CancellationToken::new(), bot.address());
        let (lanes, outbox) = (Arc::clone(bot.lanes()), Arc::clone(bot.outbox()));
        let told = stop.clone();
        let task =
            tokio::spawn(async move { bot.run(axum::Router::new(), told).await.expect("it stops well") });
        self.running = Some(Running { stop, task, address, lanes, outbox });
    }

    /// Stops the bot as SIGTERM does.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.cancel();
            running.task.await.expect("the bot does not panic");
        }
    }

    /// Waits until nothing that came in is undone and nothing decided is undelivered.
    pub async fn settled(&self) {
        let running = self.running.as_ref().expect("the bot runs");
        let quiet = async {
            while self.sandbox.pending_updates() + running.lanes.busy() + running.outbox.queued() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), quiet).await.expect("the bot comes to rest");
    }

    /// An address of the bot's own.
    pub fn url(&self, path: &str) -> String {
        let running = self.running.as_ref().expect("the bot runs");
        format!("http://{}{path}", running.address)
    }

    /// What the running bot keeps.
    pub fn kept(&self) -> &Store {
        self.running.as_ref().expect("the bot runs").lanes.host().store()
    }

    /// What `/health` tells.
    pub async fn health(&self) -> serde_json::Value {
        let text = reqwest::get(self.url("/health")).await.expect("it answers").text().await.expect("a text");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Whether partners with this id are marked as reachable, as the database holds it.
    pub async fn reachable(&self, person: i64) -> Vec<i64> {
        self.rows("select reachable from partner where user_id = $1", person).await
    }

    /// Reads one column of numbers from the bot's own SQLite file.
    pub async fn rows(&self, sql: &'static str, argument: i64) -> Vec<i64> {
        let DatabaseUrl::Sqlite(file) = &self.store.url else { panic!("for SQLite") };
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("the file is there");
        sqlx::query_scalar(sql).bind(argument).fetch_all(&mut connection).await.expect("the query is right")
    }

    /// The same of texts.
    pub async fn texts(&self, sql: &'static str, argument: i64) -> Vec<String> {
        let DatabaseUrl::Sqlite(file) = &self.store.url else { panic!("for SQLite") };
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("the file is there");
        sqlx::query_scalar(sql).bind(argument).fetch_all(&mut connection).await.expect("the query is right")
    }

    /// Waits for a fact that is no event of the sandbox: a call it refused, a row of the bot's.
    pub async fn until(&self, what: &str, fact: impl AsyncFn() -> bool) {
        let happens = async {
            while !fact().await {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_mins(1), happens).await;
        assert!(in_time.is_ok(), "it did not happen: {what}");
    }

    /// A flow's file.
    pub fn flow(&self, name: &str) -> PathBuf {
        self.folder.path().join("flows").join(format!("{name}.rhai"))
    }

    /// Changes a flow's file as an editor does: a new file takes the old one's name.
    pub fn edit(&self, name: &str, change: impl FnOnce(String) -> String) {
        let file = self.flow(name);
        let changed = change(std::fs::read_to_string(&file).unwrap_or_default());
        let aside = file.with_extension("rhai.tmp");
        std::fs::write(&aside, changed).expect("the folder is ours");
        std::fs::rename(aside, file).expect("the folder is ours");
    }

    /// A person in their private chat.
    pub fn talks(&self, person: i64) -> Talker<'_> {
        Talker { desk: self, chat: person, person }
    }

    /// Somebody of the office in its group.
    pub fn office(&self, person: i64) -> Talker<'_> {
        Talker { desk: self, chat: OFFICE, person }
    }
}

/// A person in a chat.
#[derive(Clone, Copy)]
pub struct Talker<'a> {
    desk: &'a Desk,
    chat: i64,
    pub person: i64,
}

impl Talker<'_> {
    pub fn writes(&self, text: &str) {
        self.desk.sandbox.writes(self.chat, self.person, text);
    }

    /// Presses the key or button with this label.
    #[track_caller]
    pub fn presses(&self, label: &str) {
        if let Err(unable) = self.desk.sandbox.presses(self.chat, self.person, label) {
            panic!("cannot press [{label}]: {unable:?}\n{}", self.desk.sandbox.transcript(self.chat));
        }
    }

    pub fn shares_contact(&self) {
        self.desk.sandbox.shares_contact(
            self.chat,
            self.person,
            borodach::sandbox::telegram::people::Whose::Own,
        );
    }

    /// Waits until the last word in the chat is the bot's and holds this text.
    pub async fn hears(&self, text: &str) {
        let chat = self.chat;
        let seen = self.desk.sandbox.wait_for(|sandbox| {
            sandbox.messages(chat).last().is_some_and(|last| last.text().contains(text) && is_bots(last))
        });
        if let Err(not_seen) = seen.await {
            panic!("«{text}» was not heard: {not_seen}");
        }
    }

    /// Waits until the bot has said this so many times in the chat.
    pub async fn heard(&self, text: &str, times: usize) {
        let seen = self.desk.sandbox.wait_for(|_| self.count(text) >= times).await;
        if let Err(not_seen) = seen {
            panic!("«{text}» was heard {} times, not {times}: {not_seen}", self.count(text));
        }
    }

    /// How many messages of the bot in the chat hold this text.
    pub fn count(&self, text: &str) -> usize {
        let messages = self.desk.sandbox.messages(self.chat);
        messages.iter().filter(|message| is_bots(message) && message.text().contains(text)).count()
    }

    /// The bot's last message in the chat.
    pub fn last(&self) -> Message {
        self.desk.sandbox.last_from_bot(self.chat).expect("the bot has said something")
    }

    /// The whole talk so far.
    pub fn transcript(&self) -> String {
        self.desk.sandbox.transcript(self.chat)
    }
}

/// A flow that guests begin with `/go`: a `start` with this body.
pub fn talk(body: &str) -> String {
    format!(
        "flow(#{{ title: \"Проба\", on: [command(\"/go\")], access: [\"guest\"] }});\nfn start(chat, partner) {{\n{body}\n}}"
    )
}

/// Whether the bot said it.
pub fn is_bots(message: &Message) -> bool {
    message.is_from_bot()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a place for files");
    for entry in std::fs::read_dir(from).expect("the repository has it") {
        let path = entry.expect("a file").path();
        // Scenarios would refuse the changes that the tests of reloading make to the shipped talks.
        if path.to_string_lossy().ends_with(".test.rhai") {
            continue;
        }
        std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
    }
}
