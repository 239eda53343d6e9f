//! Twice is once: people send tasks to a Bitrix24 that fails in every way, through a bot that is killed every few
//! seconds, and in the end each task is on the board exactly once. Everything stays on this machine.
//!
//! ```text
//! cargo build --release && cargo run --release --example once -- --portal keys
//! cargo run --release --example once -- --portal marks --tasks 10000 --faults 0.3 --seed 7
//! cargo run --release --example once -- --portal blind
//! ```
//!
//! `keys` is a portal that obeys `Idempotency-Key`; `marks` one without it, where a task is found by its `XML_ID`;
//! `blind` one that ignores that filter, too: there a task in doubt must be parked for a person to decide, and listed.
//! Two kinds of failure are left out: 429 asks to wait for minutes, so it would only make the run longer; and no client
//! can see through a search that says "nothing" and lies.

mod people;
mod portal;
mod process;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use borodach::clock::SystemClock;
use borodach::sandbox::bitrix24::Bitrix24;
use borodach::sandbox::telegram::Telegram;
use clap::{Parser, ValueEnum};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use people::{Fate, People};
use process::Home;

/// Sends tasks through every failure and counts them.
#[derive(Debug, Parser)]
struct Options {
    /// What the portal offers against doing a thing twice.
    #[arg(long, value_enum, default_value_t = Portal::Keys)]
    portal: Portal,
    /// Tasks sent altogether.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    tasks: u32,
    /// People who send them.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    people: u32,
    /// The share of calls that fail, from 0 to 0.9.
    #[arg(long, default_value_t = 0.3)]
    faults: f64,
    /// The bot is killed after so many seconds, give or take a half; 0: never.
    #[arg(long, default_value_t = 4)]
    kill_every: u64,
    /// Of the dice for failures and kills. Which call meets which failure still depends on the order in which calls
    /// happen to come.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The bot's binary; by default the one of the same build.
    #[arg(long)]
    bot: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Portal {
    Keys,
    Marks,
    Blind,
}

/// Made up; it never leaves this machine.
const TOKEN: &str = "1000000001:made-up-token-of-the-once-program";

#[tokio::main]
async fn main() -> ExitCode {
    // Both ends of every connection are on loopback without TLS, yet the client wants a provider.
    let installed = rustls::crypto::ring::default_provider().install_default();
    debug_assert!(installed.is_ok(), "nobody else installs one");
    match run(&Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("once: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The whole run; whether every task is where it should be.
async fn run(options: &Options) -> anyhow::Result<bool> {
    let address = ([127, 0, 0, 1], 0).into();
    let telegram = Telegram::start(address, TOKEN).await.context("the stand-in Telegram")?;
    let bitrix24 = Bitrix24::start(address, Arc::new(SystemClock)).await.context("the stand-in Bitrix24")?;
    portal::furnish(&bitrix24, options.portal);
    let home = Home::make(options.bot.clone(), &telegram, &bitrix24)?;
    let people = People::introduce(&telegram, options.people, options.tasks);
    home.register(people.ids()).await?;
    let mut bot = home.start()?;
    // The portal is asked what it can at the start, and told apart while it is well.
    people.send_one(&bitrix24).await?;
    bitrix24.seed(options.seed);
    portal::spoil(&bitrix24, options.faults);

    let started = Instant::now();
    let mut dice = StdRng::seed_from_u64(options.seed);
    let mut kills = 0_u32;
    let mut work = std::pin::pin!(people.send_all());
    loop {
        let pause = match options.kill_every {
            0 => Duration::from_hours(24),
            seconds => Duration::from_millis(dice.random_range(seconds * 500..=seconds * 1_500)),
        };
        tokio::select! {
            done = &mut work => { done?; break; }
            () = tokio::time::sleep(pause) => {
                bot.kill()?;
                bot = home.start()?;
                kills += 1;
                eprint!("\r{kills} kills, {} of {} tasks told", people.told(), options.tasks);
            }
        }
    }
    eprintln!();
    people.rest(&telegram).await;
    bot.kill()?;
    Ok(report(options, &bitrix24, &people.fates(), &home.doubts().await?, kills, started.elapsed()))
}

/// Compares what people were told with what is on the board, and prints it.
fn report(
    options: &Options,
    bitrix24: &Bitrix24,
    fates: &[(String, Fate)],
    listed: &[String],
    kills: u32,
    took: Duration,
) -> bool {
    let count = portal::count(bitrix24);
    let made = |text: &str| count.get(text).map_or(0, Vec::len);
    let told = |fate: fn(&Fate) -> bool| fates.iter().filter(move |(_, told)| fate(told));
    let done = told(|fate| matches!(fate, Fate::Done(_)));
    let lost = done.clone().filter(|(text, fate)| match (fate, count.get(text).map(Vec::as_slice)) {
        (Fate::Done(id), Some([only])) => id != only,
        _ => true,
    });
    let refused = told(|fate| matches!(fate, Fate::Refused));
    let parked = told(|fate| matches!(fate, Fate::InDoubt));
    let unlisted =
        parked.clone().filter(|(text, _)| !listed.iter().any(|request| request.contains(text.as_str())));
    let doubled = count.values().filter(|ids| ids.len() > 1).count();
    let belied = refused.clone().filter(|(text, _)| made(text) > 0).count();
    let (lost, unlisted) = (lost.count(), unlisted.count());
    println!(
        "portal {:?}, seed {}: {} tasks sent in {:.0} s, {} calls, {} struck by failures, bot killed {kills} times",
        options.portal,
        options.seed,
        fates.len(),
        took.as_secs_f64(),
        portal::calls(bitrix24),
        bitrix24.faults().struck(),
    );
    println!(
        "told done {}, told refused {}, in doubt and parked {} ({} of them on the board)",
        done.count(),
        refused.count(),
        parked.clone().count(),
        parked.filter(|(text, _)| made(text) > 0).count(),
    );
    println!(
        "doubled {doubled}, lost {lost}, refused and yet made {belied}, in doubt and not listed {unlisted}"
    );
    doubled + lost + belied + unlisted == 0
}
