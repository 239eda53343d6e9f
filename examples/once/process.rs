//! The bot as a process of its own: started, killed without a word, started again on the same folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use borodach::sandbox::bitrix24::{Bitrix24, DESIGN, OWNER};
use borodach::sandbox::telegram::Telegram;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};
use tempfile::TempDir;

const OFFICE: i64 = -1_001_000_000_001;
const CONFIG: &str = "\
telegram:
  staff_chat: -1001000000001
  tidy: false
  limits: { overall_per_second: off, chat_per_second: off, chat_burst: off, group_per_minute: off }
spam: { per_second: off, burst: off }
conversations: { doubt_settles: 3s, doubt_asks: 5s }
services:
  retry: { first_pause: 10ms, shortest_pause: 10ms, longest_pause: 100ms }
  breaker: { failures: off }
  bitrix24: { per_second: off, burst: off }
bitrix24: { request_timeout: 1s, longest_request: 3s, look_for_changes: off }
log: { level: error }
";

/// The bot's folder, and where it finds the services.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
    bot: PathBuf,
    environment: Vec<(&'static str, String)>,
}

/// A bot that runs; killed at the latest when it is dropped.
#[derive(Debug)]
pub struct Bot(Child);

impl Home {
    /// A folder with settings and talks.
    pub fn make(bot: Option<PathBuf>, telegram: &Telegram, bitrix24: &Bitrix24) -> anyhow::Result<Home> {
        let folder = tempfile::tempdir().context("no place for the bot's folder")?;
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let flows = folder.path().join("flows");
        fs::create_dir_all(&flows)?;
        fs::create_dir_all(folder.path().join("scripts"))?;
        fs::copy(here.join("examples/once/flows/task.rhai"), flows.join("task.rhai"))?;
        for flow in ["doubt.rhai", "doubt_decision.rhai"] {
            fs::copy(here.join("flows").join(flow), flows.join(flow))?;
        }
        fs::write(folder.path().join("config.yaml"), CONFIG)?;
        telegram.group(OFFICE, "Офис", &[]);
        let environment = vec![
            ("TELEGRAM_BOT_TOKEN", telegram.token().to_owned()),
            ("TELEGRAM_API_URL", telegram.url().to_string()),
            ("BITRIX_WEBHOOK_URL", bitrix24.url().to_string()),
            ("BITRIX_GROUP_ID_DESIGN", DESIGN.to_string()),
            ("BITRIX_RESPONSIBLE_DESIGN", OWNER.to_string()),
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
        ];
        let own = std::env::current_exe()?;
        let built = own.ancestors().nth(2).map(|folder| folder.join("borodach"));
        let bot = bot.or(built).context("which binary is the bot? --bot says it")?;
        ensure!(bot.is_file(), "{} is not there: build it first, or name another with --bot", bot.display());
        Ok(Home { folder, bot, environment })
    }

    /// Makes these people partners of the network.
    pub async fn register(&self, people: impl Iterator<Item = i64>) -> anyhow::Result<()> {
        let migrated = self.command("migrate").status().context("the bot does not start")?;
        ensure!(migrated.success(), "the migrations are not applied");
        let mut database = self.database().await?;
        for id in people {
            const SQL: &str = "insert into partner (user_id, chat_id, status, name, phone, created_at, verified_at) \
                               values ($1, $1, 'verified', 'Партнёр', '+79990000000', 0, 0)";
            sqlx::query(SQL).bind(id).execute(&mut database).await?;
        }
        Ok(())
    }

    /// What the office was asked to decide about: the requests of the writes in doubt.
    pub async fn doubts(&self) -> anyhow::Result<Vec<String>> {
        const SQL: &str = "select request from doubt where decision is null order by id";
        Ok(sqlx::query_scalar(SQL).fetch_all(&mut self.database().await?).await?)
    }

    /// Starts the bot.
    pub fn start(&self) -> anyhow::Result<Bot> {
        self.command("run").spawn().map(Bot).with_context(|| format!("cannot start {}", self.bot.display()))
    }

    fn command(&self, what: &str) -> Command {
        let mut command = Command::new(&self.bot);
        command.arg(what).arg("--dir").arg(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        for other in ["DATABASE_URL", "REDIS_URL", "SENTRY_DSN"] {
            command.env_remove(other);
        }
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        command
    }

    async fn database(&self) -> anyhow::Result<SqliteConnection> {
        let file = self.folder.path().join("data/borodach.db");
        SqliteConnectOptions::new().filename(file).connect().await.context("the bot's database")
    }
}

impl Bot {
    /// SIGKILL: the process has no say in it.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        // Already gone, most often.
        let _ = self.0.kill().and_then(|()| self.0.wait().map(drop));
    }
}
