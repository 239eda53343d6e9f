//! Partners who press everything at random, while a part of all calls to Telegram, Bitrix24 and `YClients` goes wrong:
//! does anybody come to a dead end, stay without an answer, or read of our own failure? And is what they were told of
//! tasks, comments, files and applications what there is, once each?
//!
//! ```text
//! cargo run --release --example presses -- --people 300 --minutes 5 --faults 5 --seed 1
//! ```
//!
//! The bot and the services run in this process, by real time. The seed decides what each person does next and which calls
//! go wrong; which of two things that happen at once comes first is left to the machine.

mod board;
mod desk;
mod person;
mod report;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use desk::Desk;
use person::Person;
use report::Report;

/// Lets partners press everything at random and prints what they met.
#[derive(Debug, Parser)]
pub struct Options {
    /// Partners who press at once.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    people: u32,
    /// How long they press.
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// The share of all calls to services that goes wrong, in per cent.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=100))]
    faults: u8,
    /// The longest pause between two deeds of one person, in milliseconds.
    #[arg(long, default_value_t = 2_000)]
    pause: u64,
    /// How long the bot may take at most, when nothing goes wrong any more, to find out what is in doubt and to do what
    /// was put off, in minutes.
    #[arg(long, default_value_t = 5.0)]
    settling: f64,
    /// What the dice begin with.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(8 << 20).build();
    match runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run(&options))) {
        Ok(report) => {
            print!("{report}");
            if report.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("presses: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> anyhow::Result<Report> {
    let desk = Arc::new(Desk::lay(options).await?);
    let stop = CancellationToken::new();
    let bot = desk.start(stop.clone()).await?;
    desk.go_wrong(options.faults, options.seed);
    let until = Instant::now() + Duration::from_secs_f64(options.minutes * 60.0);
    let people = TaskTracker::new();
    let lives: Vec<_> = (0..options.people)
        .map(|number| people.spawn(Person::new(&desk, number, options).lives(until)))
        .collect();
    people.close();
    people.wait().await;
    let mut report = Report::default();
    for life in lives {
        report.add(life.await?);
    }
    desk.calm();
    report.look_back(&desk, Duration::from_secs_f64(options.settling * 60.0)).await;
    stop.cancel();
    bot.await??;
    Ok(report)
}
