//! The bot under load: a process of its own in a folder of its own, and what the system says of it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

/// Made up; it never leaves this machine.
const TOKEN: &str = "1000000001:made-up-token-of-the-load-program";
/// What the stand-in shows to the webhook.
pub const SECRET: &str = "made-up-secret";

/// How to start a bot.
#[derive(Clone, Debug)]
pub struct Launch {
    /// A program and its arguments; the environment tells it the rest.
    pub command: Vec<String>,
    /// Whether updates are brought or fetched.
    pub is_webhook: bool,
    /// `DATABASE_URL`, when it is not a file in the bot's folder.
    pub database: Option<String>,
    /// The bot's talks.
    pub flows: PathBuf,
}

/// A bot that runs.
#[derive(Debug)]
pub struct Bot {
    child: Child,
    folder: TempDir,
    started: Instant,
}

/// What a process has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// On all cores together.
    pub cpu: Duration,
    /// Kilobytes of memory that are in use now.
    pub resident_kib: u64,
}

impl Bot {
    /// Starts a bot on a new folder, with every limit on people off.
    pub fn start(launch: &Launch, api_url: &str) -> anyhow::Result<Bot> {
        let folder = tempfile::tempdir().context("no place for the bot's folder")?;
        copy(&launch.flows, &folder.path().join("flows"))?;
        fs::create_dir_all(folder.path().join("scripts"))?;
        let scripts = launch.flows.with_file_name("scripts");
        if scripts.is_dir() {
            copy(&scripts, &folder.path().join("scripts"))?;
        }
        let mode = if launch.is_webhook { "webhook" } else { "polling" };
        fs::write(
            folder.path().join("config.yaml"),
            format!(
                "telegram:\n  mode: {mode}\n  tidy: false\n  limits: {{ overall_per_second: off, \
                 chat_per_second: off, chat_burst: off, group_per_minute: off }}\n\
                 spam: {{ per_second: off, burst: off }}\nlog: {{ level: warn }}\n"
            ),
        )?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let (program, arguments) = launch.command.split_first().context("the command is empty")?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder.path()).stdin(Stdio::null());
        command.env("TELEGRAM_BOT_TOKEN", TOKEN).env("TELEGRAM_API_URL", api_url);
        command.env("TELEGRAM_WEBHOOK_URL", format!("http://{address}/telegram/webhook"));
        command.env("TELEGRAM_WEBHOOK_SECRET", SECRET).env("LISTEN_ADDR", address.to_string());
        command.env("TELEGRAM_MODE", mode).env_remove("REDIS_URL").env_remove("SENTRY_DSN");
        match &launch.database {
            Some(url) => command.env("DATABASE_URL", url),
            None => command.env_remove("DATABASE_URL"),
        };
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        Ok(Bot { child, folder, started })
    }

    /// How long ago it was started.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// What it has used so far. Errors: it does not run any more.
    pub fn usage(&mut self) -> anyhow::Result<Usage> {
        ensure!(self.child.try_wait()?.is_none(), "the bot has ended; its words are above");
        usage(Path::new("/proc").join(self.child.id().to_string()).as_path())
    }

    /// Bytes of its folder's database.
    pub fn database_bytes(&self) -> u64 {
        let files = fs::read_dir(self.folder.path().join("data")).into_iter().flatten();
        files.flatten().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
    }

    /// Stops it as SIGTERM does; the stand-in answers meanwhile, so that its last messages leave.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        asked.context("cannot ask the bot to stop")?;
        while self.child.try_wait().context("cannot wait for the bot")?.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What this program itself has used.
pub fn own_usage() -> anyhow::Result<Usage> {
    usage(Path::new("/proc/self"))
}

fn usage(process: &Path) -> anyhow::Result<Usage> {
    /// Linux counts time in hundredths whatever the machine.
    const TICK: Duration = Duration::from_millis(10);
    let stat = fs::read_to_string(process.join("stat"))?;
    // The name in brackets may hold anything; the numbers come after it, user and system time 12th and 13th.
    let numbers = stat.rsplit_once(')').context("/proc has another form")?.1;
    let ticks: u32 = numbers.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u32>().ok()).sum();
    let status = fs::read_to_string(process.join("status"))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let resident_kib = resident.trim().trim_end_matches(" kB").parse().context("VmRSS is no number")?;
    Ok(Usage { cpu: TICK * ticks, resident_kib })
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for file in fs::read_dir(from).with_context(|| format!("no flows in {}", from.display()))? {
        let path = file?.path();
        if path.extension().is_some_and(|ending| ending == "rhai") {
            fs::copy(&path, to.join(path.file_name().expect("it has an ending, so it has a name")))?;
        }
    }
    Ok(())
}
