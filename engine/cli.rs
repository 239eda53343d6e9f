//! The command line.

mod rules;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::bot::{self, Bot};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{Config, Env, Environment, LogFormat, Severity};
use crate::reporting::{self, Reporting};
use crate::sandbox::demo;
use crate::scenario::{self, Hardship};
use crate::script::{self, Finding, Set};
use crate::store::Store;

/// The franchise network's Telegram bot, scripted in Rhai.
#[derive(Debug, Parser)]
#[command(name = "borodach", version, about, after_help = AFTER_HELP)]
pub struct Cli {
    /// The bot's folder, with config.yaml, flows/ and scripts/.
    #[arg(long, global = true, default_value = ".", value_name = "FOLDER")]
    dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Settings are in config.yaml; secrets come from the environment or from a file .env beside it:
  TELEGRAM_BOT_TOKEN       from @BotFather; `run` needs it
  DATABASE_URL             postgres://… ; SQLite in data/borodach.db without it
  TELEGRAM_WEBHOOK_URL, TELEGRAM_WEBHOOK_SECRET   with telegram.mode: webhook
  HELPER_API_KEY           the key to the helper's language model, see helper in config.yaml
  SENTRY_DSN               where errors are reported, without personal data; nowhere without it
  TELEGRAM_API_URL, LISTEN_ADDR, ENVIRONMENT      see config.yaml

Try it without a token:  borodach demo";

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the bot.
    Run,
    /// Runs the bot on one desk with a stand-in Telegram and a page to talk to it; needs no token.
    Demo,
    /// Applies the migrations that the database lacks; `run` does it, too.
    Migrate,
    /// Compiles and checks flows/ and scripts/ as strictly as publishing does and plays their scenarios; exit code 1
    /// when something is wrong.
    Check(CheckOptions),
    /// Writes docs/host-functions.md and definitions for editors from the declarations of the host's functions.
    Docs,
    /// Rules by which tasks are routed: why they decided so, what changed ones would decide.
    #[command(subcommand)]
    Rules(rules::Command),
    /// What concerns config.yaml.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, clap::Args)]
struct CheckOptions {
    /// Plays each scenario also with crashes, with every update twice, with old buttons pressed, with the answers of
    /// writes to other services lost, and with Back at every question.
    #[arg(long)]
    hardened: bool,
    /// The least share of the scripts that scenarios must go over, in per cent.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    coverage: u8,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Reads config.yaml and the environment and says what will not do.
    Check,
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Run => run(&cli.dir),
        Command::Demo => demonstrate(&cli.dir),
        Command::Migrate => migrate(&cli.dir),
        Command::Check(options) => return check(&cli.dir, &options),
        Command::Docs => document(&cli.dir),
        Command::Rules(command) => decide(&cli.dir, command),
        Command::Config(ConfigCommand::Check) => return check_config(&cli.dir),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("borodach: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &Path) -> anyhow::Result<()> {
    let config = Config::load(folder, &Env::of_process())?;
    // Asked for first: without a token, or with a door that anybody could enter, nothing is opened.
    config.telegram.token()?;
    if let Some(error) = config.check().into_iter().find(|finding| finding.severity == Severity::Error) {
        anyhow::bail!("{error}");
    }
    let reporting = report(&config)?;
    log(&config, reporting.is_some());
    runtime()?.block_on(async {
        let store = bot::store_settings(&config);
        let clock: SharedClock = Arc::new(SystemClock);
        let bot = Bot::open(folder, config, store, clock).await?;
        bot.run(axum::Router::new(), stop_on_signal()?).await?;
        Ok(())
    })
}

fn demonstrate(folder: &Path) -> anyhow::Result<()> {
    let mut config = Config::load(folder, &Env::of_process())?;
    if config.log.format == LogFormat::Auto {
        config.log.format = LogFormat::Text;
    }
    log(&config, false);
    runtime()?.block_on(async { demo::run(folder, config, stop_on_signal()?).await })
}

fn document(folder: &Path) -> anyhow::Result<()> {
    let (docs, definitions) = (folder.join("docs"), folder.join("docs/definitions"));
    std::fs::create_dir_all(&definitions)
        .with_context(|| format!("cannot make {}", definitions.display()))?;
    let pages = script::docs::definitions().into_iter().map(|(name, text)| (definitions.join(name), text));
    for (file, text) in pages.chain([(docs.join("host-functions.md"), script::docs::page())]) {
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("{}", file.display());
    }
    Ok(())
}

fn migrate(folder: &Path) -> anyhow::Result<()> {
    let config = Config::load(folder, &Env::of_process())?;
    let applied = runtime()?.block_on(Store::migrate(&bot::store_settings(&config)))?;
    if applied.is_empty() {
        println!("the database is up to date");
    }
    for name in applied {
        println!("applied {name}");
    }
    Ok(())
}

fn decide(folder: &Path, command: rules::Command) -> anyhow::Result<()> {
    runtime()?.block_on(rules::run(folder, command))
}

fn check(folder: &Path, options: &CheckOptions) -> ExitCode {
    let limits = match Config::load(folder, &Env::of_process()) {
        Ok(config) => bot::limits(&config),
        Err(error) => {
            eprintln!("borodach: {error}");
            return ExitCode::FAILURE;
        }
    };
    let read = script::read(folder).and_then(|files| Ok((files, script::read_scenarios(folder)?)));
    let (files, tests) = match read {
        Ok(read) => read,
        Err(error) => {
            eprintln!("borodach: cannot read flows/ and scripts/ in {}: {error}", folder.display());
            return ExitCode::FAILURE;
        }
    };
    let begun = Instant::now();
    let count = files.len();
    let (set, trail) = match Set::checked_with_trail(files, limits) {
        Ok(checked) => checked,
        Err(findings) => return refuse(&findings),
    };
    let (set, compiled, begun) = (Arc::new(set), begun.elapsed(), Instant::now());
    let hardships = if options.hardened { &Hardship::ALL[..] } else { &[] };
    let report = scenario::play(&set, &tests, hardships);
    if !report.failures.is_empty() {
        return refuse(&report.failures);
    }
    let coverage = trail.coverage(&set);
    if report.scenarios > 0 {
        print!("{coverage}");
    }
    println!(
        "✅ файлов {count}, разговоров {}, сценариев {}: всё в порядке. Версия {}",
        set.flows().count(),
        report.scenarios,
        &set.hash()[..10]
    );
    println!(
        "⏱ набор {} мс, сценарии {} мс (сыграно {})",
        compiled.as_millis(),
        begun.elapsed().as_millis(),
        report.played
    );
    if coverage.places().percent() < usize::from(options.coverage) {
        eprintln!("⛔️ сценарии проходят {} %, а нужно {} %", coverage.places().percent(), options.coverage);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn refuse(findings: &[Finding]) -> ExitCode {
    for finding in findings {
        eprintln!("{finding}\n");
    }
    eprintln!("⛔️ замечаний: {}", findings.len());
    ExitCode::FAILURE
}

fn check_config(folder: &Path) -> ExitCode {
    let config = match Config::load(folder, &Env::of_process()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("borodach: {error}");
            return ExitCode::FAILURE;
        }
    };
    let findings = config.check();
    for finding in &findings {
        println!("{finding}");
    }
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return ExitCode::FAILURE;
    }
    println!("config.yaml is fine");
    ExitCode::SUCCESS
}

/// Worker threads for the cores; scripts run on threads that may block, with room for deep calls.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    provide_tls();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(8 << 20)
        .build()
        .context("the system gives no threads")
}

/// The one TLS provider of the process; a second call changes nothing.
fn provide_tls() {
    rustls::crypto::ring::default_provider().install_default().ok();
}

/// Reports errors from here on, if the environment says where to.
fn report(config: &Config) -> anyhow::Result<Option<Reporting>> {
    let Some(dsn) = &config.sentry_dsn else { return Ok(None) };
    provide_tls();
    Ok(Some(Reporting::start(dsn, config.environment, config.mask())?))
}

/// Stops at the first SIGTERM or Ctrl-C; at the second the process leaves at once.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if first {
                told.cancel();
            } else {
                eprintln!("borodach: leaving at once; nothing is lost, the next start goes on");
                std::process::exit(130);
            }
        }
    });
    Ok(stop)
}

/// JSON lines in production, readable ones on a terminal; and to Sentry what is to be reported.
fn log(config: &Config, is_reported: bool) {
    let level = tracing::Level::from(config.log.level);
    let filter = EnvFilter::new(format!("{level},sqlx=warn,hyper=warn,reqwest=warn,h2=warn"));
    let is_json = match config.log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => config.environment == Environment::Production && !std::io::stderr().is_terminal(),
    };
    let reports = is_reported.then(reporting::layers);
    let registry = tracing_subscriber::registry().with(filter).with(reports);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let installed = if is_json {
        registry.with(lines.json().flatten_event(true)).try_init()
    } else {
        registry.with(lines.with_target(false)).try_init()
    };
    installed.expect("the command line installs the only subscriber");
}
