//! `borodach rules`: why a task went where it went, and where changed rules would have sent those of the last days.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use chrono::{NaiveDateTime, TimeZone as _};
use chrono_tz::Tz;
use clap::Subcommand;
use serde_json::{Map, Value, json};

use crate::bot;
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::config::{Config, Env};
use crate::script::{self, Set};
use crate::store::Archive;
use crate::store::task::{Task, TaskId};

/// Where the rules are, and who asks them.
const SCRIPT: &str = "scripts/routing.rhai";
const DECIDE: &str = "decide";
/// What rules may always ask about, known or not.
const FACTS: [&str; 5] = ["department", "shop", "city", "text", "at"];

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tells which rules were looked at, which one fitted, and on what facts.
    Explain {
        /// A task's number in Bitrix24: tells what was decided when it was made.
        #[arg(required_unless_present = "facts")]
        number: Option<i64>,
        /// Facts instead of a task, for the rules of the folder: department=design city=Казань "text=Срочно вывеска"
        /// "at=2026-11-25 10:00".
        #[arg(long, num_args = 1.., value_name = "FACT=VALUE", conflicts_with = "number")]
        facts: Vec<String>,
    },
    /// Tries changed rules on the tasks of the last days beside the live ones, and shows where they decide otherwise.
    Shadow {
        /// How many days back.
        #[arg(long, default_value_t = 30, value_name = "DAYS")]
        days: u32,
        /// The folder with the changed flows/ and scripts/; the bot's own when it is not given.
        #[arg(long, value_name = "FOLDER")]
        changed: Option<PathBuf>,
    },
}

/// Does what the command says. Everything it prints is for staff.
pub async fn run(folder: &Path, command: Command) -> anyhow::Result<()> {
    let config = Config::load(folder, &Env::of_process())?;
    match command {
        Command::Explain { number: Some(number), .. } => explain(&config, number).await,
        Command::Explain { facts, .. } => {
            let facts = read_facts(&facts, config.time_zone)?;
            print!("{}", explained(&decided(&set_of(folder, &config)?, &facts)?, config.time_zone));
            Ok(())
        }
        Command::Shadow { days, changed } => {
            shadow(&config, &set_of(changed.as_deref().unwrap_or(folder), &config)?, days).await
        }
    }
}

async fn explain(config: &Config, number: i64) -> anyhow::Result<()> {
    let archive = Archive::open(&bot::store_settings(config)).await?;
    let task = archive.task(TaskId(number)).await?;
    archive.close().await;
    let task = task.with_context(|| format!("задачи №{number} бот не ставил"))?;
    println!("{}", headline(&task, config.time_zone));
    print!("{}", explained(&task.explanation.read()?, config.time_zone));
    Ok(())
}

async fn shadow(config: &Config, changed: &Set, days: u32) -> anyhow::Result<()> {
    let since = SystemClock.now() - Duration::from_hours(24 * u64::from(days));
    let archive = Archive::open(&bot::store_settings(config)).await?;
    let (live, tasks) = (archive.live_set().await?, archive.tasks_since(since).await?);
    archive.close().await;
    let live = live.context("в базе ещё нет ни одной опубликованной версии: запустите бота")?;
    let live = Set::compile(live.files, bot::limits(config)).map_err(|findings| wrong(&findings))?;
    let (mut tried, mut others) = (0, 0);
    for task in &tasks {
        let explanation: Value = task.explanation.read()?;
        // Tasks of flows that do not ask the rules have none.
        let Some(facts) = explanation["facts"].as_object().filter(|facts| facts.contains_key("text")) else {
            continue;
        };
        tried += 1;
        let difference = difference(&decided(&live, facts)?, &decided(changed, facts)?, config.time_zone);
        if !difference.is_empty() {
            others += 1;
            println!("{}\n{difference}", headline(task, config.time_zone));
        }
    }
    println!("Задач за {days} дн.: {}, с фактами {tried}; иначе решились бы {others}.", tasks.len());
    Ok(())
}

/// The set of a folder. Errors: what is wrong with it, place by place.
fn set_of(folder: &Path, config: &Config) -> anyhow::Result<Set> {
    let files = script::read(folder)
        .with_context(|| format!("cannot read flows/ and scripts/ in {}", folder.display()))?;
    Set::checked(files, bot::limits(config)).map_err(|findings| wrong(&findings))
}

fn wrong(findings: &[script::Finding]) -> anyhow::Error {
    let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
    anyhow::anyhow!("{}", told.join("\n\n"))
}

fn decided(set: &Set, facts: &Map<String, Value>) -> anyhow::Result<Value> {
    set.compute(SCRIPT, DECIDE, &Value::Object(facts.clone())).map_err(|finding| wrong(&[finding]))
}

fn read_facts(given: &[String], zone: Tz) -> anyhow::Result<Map<String, Value>> {
    let mut facts: Map<String, Value> = FACTS.iter().map(|&name| (name.to_owned(), Value::Null)).collect();
    facts.insert("at".to_owned(), json!(SystemClock.now()));
    for fact in given {
        let (name, value) =
            fact.split_once('=').with_context(|| format!("факт пишется имя=значение, а не «{fact}»"))?;
        let value = match name {
            "at" => {
                let local = NaiveDateTime::parse_from_str(value, "%Y-%m-%d %H:%M");
                let local =
                    local.with_context(|| format!("время пишется «2026-11-25 10:00», а не «{value}»"))?;
                let at = zone.from_local_datetime(&local).earliest().context("такого времени не было")?;
                json!(at.timestamp_millis())
            }
            _ => json!(value),
        };
        facts.insert(name.to_owned(), value);
    }
    Ok(facts)
}

fn headline(task: &Task, zone: Tz) -> String {
    format!("№{} «{}», поставлена {}", task.id.0, task.title, moment(task.created_at, zone))
}

/// An explanation as it is kept with a task, in words.
fn explained(explanation: &Value, zone: Tz) -> String {
    let mut text = String::new();
    let mut line = |words: String| writeln!(text, "{words}").expect("a string takes everything");
    match explanation["rule"].as_str() {
        Some(rule) => {
            let why = listed(&explanation["why"]);
            line(format!("✅ {rule}{}", if why.is_empty() { why } else { format!(": {why}") }));
        }
        None => line("⚠️ Не подошло ни одно правило".to_owned()),
    }
    for (name, value) in explanation["decision"].as_object().into_iter().flatten() {
        line(format!("   {name}: {}", shown(name, value, zone)));
    }
    for skipped in explanation["skipped"].as_array().into_iter().flatten() {
        let word = |key: &str| skipped[key].as_str().unwrap_or_default().to_owned();
        line(format!("✖️ {}: {}", word("rule"), word("why")));
    }
    line("Факты:".to_owned());
    for (name, value) in explanation["facts"].as_object().into_iter().flatten() {
        line(format!("   {name}: {}", shown(name, value, zone)));
    }
    text
}

/// What of two decisions differs, a line each; nothing when they are the same.
fn difference(live: &Value, changed: &Value, zone: Tz) -> String {
    let mut text = String::new();
    let mut tell = |name: &str, before: &Value, after: &Value| {
        if before != after {
            let (before, after) = (shown(name, before, zone), shown(name, after, zone));
            writeln!(text, "   {name}: {before} → {after}").expect("a string takes everything");
        }
    };
    let (before, after) = (&live["decision"], &changed["decision"]);
    let keys =
        |decision: &Value| decision.as_object().into_iter().flat_map(Map::keys).cloned().collect::<Vec<_>>();
    let mut names = keys(before);
    names.extend(keys(after));
    names.sort_unstable();
    names.dedup();
    tell("правило", &live["rule"], &changed["rule"]);
    for name in names {
        tell(&name, &before[&name], &after[&name]);
    }
    text
}

fn shown(name: &str, value: &Value, zone: Tz) -> String {
    match (name, value) {
        ("at" | "deadline", Value::Number(at)) => moment(Timestamp(at.as_i64().unwrap_or_default()), zone),
        (_, Value::Null) => "—".to_owned(),
        (_, Value::String(text)) => text.replace('\n', " ⏎ "),
        (_, Value::Array(_)) => listed(value),
        (_, other) => other.to_string(),
    }
}

fn listed(values: &Value) -> String {
    let words = values.as_array().into_iter().flatten();
    words
        .map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned))
        .collect::<Vec<_>>()
        .join(", ")
}

fn moment(at: Timestamp, zone: Tz) -> String {
    let at = chrono::DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    at.with_timezone(&zone).format("%d.%m.%Y %H:%M").to_string()
}
