//! Death at every commit around a write to another service: it is made once, and its answer is told.

use std::time::Duration;

use super::*;
use crate::desk::{ANNA, OFFICE, OLGA, talk};
use crate::trial::{Service, Whim};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_at_any_commit_around_a_write_makes_nothing_twice() {
    every_commit(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn a_death_at_any_commit_around_a_write_makes_nothing_twice_on_postgres() {
    every_commit(On::Postgres).await;
}

/// Commits of a talk with a write and its doubt, at most.
const COMMITS: u64 = 24;

/// Tries all, each way to write at a desk of its own, for most of the time somebody waits.
async fn every_commit(on: On) {
    let ways = ["keyed", "checked", "once"].map(|function| every_commit_of(on, function));
    let told: Vec<Told> = futures::future::join_all(ways).await.concat();
    let died: usize = told.iter().map(|told| told.died).sum();
    let found = told.iter().filter(|told| told.was_in_doubt).count();
    let asked = told.iter().filter(|told| told.was_asked).count();
    let tried = told.len();
    println!("{tried} talks, {died} deaths: {found} times in doubt, {asked} times the office was asked");
    assert!(died > 60, "only {died} of {tried} deaths struck");
}

async fn every_commit_of(on: On, function: &str) -> Vec<Told> {
    let base = Base::make(on, &format!("writes_{function}")).await;
    let mut all = Vec::new();
    for whim in [Whim::Does, Whim::DoesInSilence, Whim::Loses] {
        for point in (1..=COMMITS).flat_map(|number| [CrashPoint::Before(number), CrashPoint::After(number)])
        {
            let _at = At(format!("{function} that {whim:?}, with a death at {point:?}"));
            let told = one(&base, function, whim, point).await;
            all.push(told);
            if told.died == 0 {
                break; // The talk has fewer commits.
            }
        }
    }
    base.drop().await;
    all
}

/// What became of a talk.
#[derive(Clone, Copy)]
struct Told {
    died: usize,
    was_in_doubt: bool,
    was_asked: bool,
}

/// Anna's talk with one write and one death.
async fn one(base: &Base, function: &str, whim: Whim, point: CrashPoint) -> Told {
    let service = Service::start().await;
    service.whims(&[whim]);
    let body = format!(
        "chat.say(\"Отправляю…\");\nlet made = trial::{function}(\"{}\");\nchat.say(`Готово, номер ${{made.id}}.`);",
        service.url()
    );
    let mut desk = base.lay().await;
    for part in ["flows", "scripts"] {
        let part = desk.folder.path().join(part);
        std::fs::remove_dir_all(&part).expect("the folder is ours");
        std::fs::create_dir(&part).expect("the folder is ours");
    }
    for (path, flow) in [
        ("talk", talk(&body).as_str()),
        ("doubt", include_str!("../../../flows/doubt.rhai")),
        ("doubt_decision", include_str!("../../../flows/doubt_decision.rhai")),
    ] {
        std::fs::write(desk.flow(path), flow).expect("the folder is ours");
    }
    desk.config.conversations.doubt_settles = Duration::from_millis(20);
    let (died, _) = tells(&desk, &[point], writes_once(&desk, &service)).await;
    assert_eq!(service.objects().len(), 1, "{}", desk.sandbox.transcript(ANNA));
    let (anna, office) = (desk.sandbox.transcript(ANNA), desk.sandbox.transcript(OFFICE));
    Told {
        died, was_in_doubt: anna.contains("пока неясно"), was_asked: office.contains("неясно, дошло")
    }
}

/// Anna starts the talk; as often as the office is asked, Olga looks at the service and says what is so.
async fn writes_once(desk: &Desk, service: &Service) {
    let (anna, olga) = (desk.talks(ANNA), desk.office(OLGA));
    anna.writes("/go");
    for asked in 1.. {
        let told = desk.sandbox.wait_for(|sandbox| {
            sandbox.transcript(ANNA).contains("Готово, номер 1.")
                || sandbox.transcript(OFFICE).matches("неясно, дошло").count() >= asked
        });
        told.await.expect("the talk comes to something");
        if anna.count("Готово, номер 1.") > 0 {
            break;
        }
        if service.objects().is_empty() {
            olga.presses("🔁 Сделать ещё раз");
        } else {
            olga.presses("✅ Уже сделано");
            olga.heard("Какой там номер?", 1).await;
            olga.writes("1");
        }
    }
    anna.hears("Готово, номер 1.").await;
}
