//! How much the bot bears: people who talk as fast as they are answered, against a stand-in Telegram that costs next
//! to nothing. Everything stays on this machine.
//!
//! ```text
//! cargo build --profile dist # what is shipped
//! cargo run --release --example load -- --bot target/dist/borodach --people 200 --seconds 20 --half
//! cargo run --release --example load -- --mode polling --database postgres://postgres@127.0.0.1/load
//! cargo run --release --example load -- --latency 40ms
//! cargo run --release --example load -- --waiting 100000
//! cargo run --release --example load -- --start
//! cargo run --release --example load -- --command "python3 another_bot.py"
//! ```
//!
//! Another bot finds in its environment what ours finds: `TELEGRAM_API_URL`, `TELEGRAM_BOT_TOKEN`,
//! `TELEGRAM_WEBHOOK_URL`, `TELEGRAM_WEBHOOK_SECRET`, `LISTEN_ADDR`, `DATABASE_URL`, and `TELEGRAM_MODE`.

mod crowd;
mod figures;
mod process;
mod telegram;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use borodach::clock::parse_span;
use clap::{Parser, ValueEnum};
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crowd::{Crowd, Manner, REGISTRATION, Talk};
use figures::{Figures, memory};
use process::{Bot, Launch};
use telegram::Telegram;

/// Puts a bot under load and prints what it bears.
#[derive(Debug, Parser)]
struct Options {
    /// How updates reach the bot.
    #[arg(long, value_enum, default_value_t = Mode::Webhook)]
    mode: Mode,
    /// `sqlite` for a new file, or postgres://… of a database that nothing else uses.
    #[arg(long, default_value = "sqlite")]
    database: String,
    /// People who talk at once.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    people: u32,
    /// How long is counted.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How long people talk before it is counted.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=60))]
    warmup: u64,
    /// From a message to Telegram's answer, such as 40ms.
    #[arg(long, default_value = "0ms", value_parser = span)]
    latency: Duration,
    /// A folder of flows; `scripts` beside it is taken too.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/load/flows"))]
    flows: PathBuf,
    /// What each person says and hears: "/start=>name|Anna=>done".
    #[arg(long, default_value = REGISTRATION)]
    talk: Talk,
    /// The bot's binary; by default the one of the same build.
    #[arg(long)]
    bot: Option<PathBuf>,
    /// Another bot instead, as a command.
    #[arg(long, conflicts_with = "bot")]
    command: Option<String>,
    /// Goes on at half of what the bot bore, and prints how long an answer takes then.
    #[arg(long)]
    half: bool,
    /// Leaves so many conversations waiting and prints the bot's memory.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000), conflicts_with_all = ["half", "start"])]
    waiting: Option<u32>,
    /// Prints how long it takes from the start on an empty database to the first answer.
    #[arg(long)]
    start: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    Webhook,
    Polling,
}

/// A bot that answers nothing for so long is given up; a busy disk may hold one commit for seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// Answers after which a conversation is left waiting.
const DEEP: usize = 3;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        match options.waiting {
            Some(count) => fill(options, count).await,
            None if options.start => race(options).await,
            None => load(options).await,
        }
    })
}

/// People talk as fast as they are answered; then, if asked for, half as fast.
async fn load(options: &Options) -> anyhow::Result<()> {
    let people = options.people as usize;
    let crowd = Crowd::new(people, options.talk.clone(), Manner::Eager);
    let telegram = Telegram::start(crowd, options.latency).await?;
    let mut bot = Bot::start(&options.launch()?, &telegram.url())?;
    telegram.crowd(|crowd| crowd.come(people));
    first_answer(&telegram, &mut bot).await?;
    sleep(Duration::from_secs(options.warmup)).await;
    let full = measure(options, &telegram, &mut bot, sleep(Duration::from_secs(options.seconds))).await?;
    telegram.crowd(|crowd| crowd.behave(Manner::Patient));
    let unanswered = quiet(&telegram).await;
    println!("{}", full.table(&options.title("as fast as answered"), unanswered));
    if options.half {
        let rate = full.updates_per_second() / 2.0;
        let half = measure(options, &telegram, &mut bot, pace(options, &telegram, rate)).await?;
        let unanswered = quiet(&telegram).await;
        println!("{}", half.table(&options.title("at half of that"), unanswered));
    }
    bot.stop().await
}

/// Leaves many conversations waiting.
async fn fill(options: &Options, count: u32) -> anyhow::Result<()> {
    let count = count as usize;
    let crowd = Crowd::new(count, options.talk.clone(), Manner::Leaving(DEEP));
    let telegram = Telegram::start(crowd, options.latency).await?;
    let mut bot = Bot::start(&options.launch()?, &telegram.url())?;
    telegram.crowd(|crowd| crowd.come(1));
    first_answer(&telegram, &mut bot).await?;
    let empty = bot.usage()?.resident_kib;
    let started = Instant::now();
    telegram.crowd(|crowd| crowd.come(options.people as usize));
    let (mut reached, mut moved_at) = (0, started);
    while reached < count {
        sleep(Duration::from_secs(1)).await;
        bot.usage()?;
        let now = telegram.crowd(|crowd| crowd.have_reached(DEEP));
        if now > reached {
            (reached, moved_at) = (now, Instant::now());
        }
        ensure!(moved_at.elapsed() < PATIENCE, "the bot has stopped answering at {now} conversations");
    }
    let took = started.elapsed();
    let busy = bot.usage()?.resident_kib;
    sleep(Duration::from_secs(5)).await;
    let quiet = bot.usage()?.resident_kib;
    println!("{}: {count} conversations wait after {:.0} s", options.title("waiting"), took.as_secs_f64());
    println!("  resident with one      {}", memory(empty));
    println!("  as the last one came   {}", memory(busy));
    println!("  5 s later              {}", memory(quiet));
    println!("  database               {}", memory(bot.database_bytes() / 1024));
    bot.stop().await
}

/// Starts the bot again and again on nothing.
async fn race(options: &Options) -> anyhow::Result<()> {
    const RUNS: usize = 10;
    let mut spans = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let crowd = Crowd::new(1, options.talk.clone(), Manner::Patient);
        let telegram = Telegram::start(crowd, options.latency).await?;
        telegram.crowd(|crowd| crowd.come(1));
        let mut bot = Bot::start(&options.launch()?, &telegram.url())?;
        first_answer(&telegram, &mut bot).await?;
        spans.push(bot.age());
        bot.stop().await?;
    }
    spans.sort_unstable();
    println!(
        "{}: from start to the first answer {} ms, of {RUNS} runs {}–{} ms",
        options.title("start"),
        spans[RUNS / 2].as_millis(),
        spans[0].as_millis(),
        spans[RUNS - 1].as_millis()
    );
    Ok(())
}

/// Counts what happens while `span` lasts.
async fn measure(
    options: &Options,
    telegram: &Telegram,
    bot: &mut Bot,
    span: impl Future<Output = ()>,
) -> anyhow::Result<Figures> {
    let (before, own_before) = (bot.usage()?, process::own_usage()?);
    let started = Instant::now();
    drop(telegram.crowd(Crowd::take_tally));
    timeout(Duration::from_secs(options.seconds) + PATIENCE, span).await.context("the load took too long")?;
    let (tally, elapsed) = (telegram.crowd(Crowd::take_tally), started.elapsed());
    let (after, own_after) = (bot.usage()?, process::own_usage()?);
    Ok(Figures {
        tally,
        elapsed,
        bot_cpu: after.cpu.saturating_sub(before.cpu),
        own_cpu: own_after.cpu.saturating_sub(own_before.cpu),
        resident_kib: after.resident_kib,
    })
}

/// Has people go on at an even rate.
async fn pace(options: &Options, telegram: &Telegram, per_second: f64) {
    let started = Instant::now();
    let mut tick = interval(Duration::from_millis(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut sent = 0.0;
    while started.elapsed() < Duration::from_secs(options.seconds) {
        tick.tick().await;
        telegram.crowd(|crowd| {
            while sent < started.elapsed().as_secs_f64() * per_second && crowd.go_on() {
                sent += 1.0;
            }
        });
    }
}

/// Waits for the bot's first word. Errors: it has ended, or says nothing.
async fn first_answer(telegram: &Telegram, bot: &mut Bot) -> anyhow::Result<()> {
    while telegram.crowd(|crowd| crowd.tally().answers.is_empty()) {
        ensure!(bot.age() < PATIENCE, "the bot says nothing");
        bot.usage()?;
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Waits until everybody is answered, and tells how many are not.
async fn quiet(telegram: &Telegram) -> usize {
    let started = Instant::now();
    loop {
        let unanswered = telegram.crowd(|crowd| crowd.unanswered());
        if unanswered == 0 || started.elapsed() > PATIENCE {
            return unanswered;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

impl Options {
    fn launch(&self) -> anyhow::Result<Launch> {
        let command = match &self.command {
            Some(command) => command.split_whitespace().map(str::to_owned).collect(),
            None => vec![self.binary()?, "run".to_owned()],
        };
        let database = (self.database != "sqlite").then(|| self.database.clone());
        let is_webhook = self.mode == Mode::Webhook;
        Ok(Launch { command, is_webhook, database, flows: self.flows.clone() })
    }

    /// The bot of the same build: examples stand in a folder beside it.
    fn binary(&self) -> anyhow::Result<String> {
        let path = if let Some(path) = &self.bot {
            path.clone()
        } else {
            let own = std::env::current_exe()?;
            own.parent().and_then(Path::parent).context("no folder above this program")?.join("borodach")
        };
        let path = path.canonicalize().with_context(|| {
            format!(
                "there is no bot at {}; build it with the same profile, or name it by --bot",
                path.display()
            )
        })?;
        Ok(path.to_string_lossy().into_owned())
    }

    fn title(&self, what: &str) -> String {
        let who = self.command.as_deref().unwrap_or("borodach");
        let mode = if self.mode == Mode::Webhook { "webhook" } else { "polling" };
        let database = self.database.split(':').next().unwrap_or_default();
        let people = self.people;
        format!(
            "{who}, {mode}, {database}, {people} people, {} ms to Telegram, {what}",
            self.latency.as_millis()
        )
    }
}

fn span(text: &str) -> Result<Duration, String> {
    let limit = Duration::from_secs(10);
    parse_span(text).filter(|span| *span <= limit).ok_or_else(|| "a span up to 10s, such as 40ms".to_owned())
}
