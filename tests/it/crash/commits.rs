//! Death at every commit: a registration with its approval, killed before and after each transaction that the bot
//! writes, and again while it recovers.

use borodach::store::request::RequestId;
use borodach::store::{ConversationId, CrashPoint, Store};
use borodach::telegram::UserId;

use super::{At, Base, On, Talk, numbers, tells};
use crate::desk::{ANNA, Desk, OFFICE, OLGA};
use crate::registration::{applies, approves};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_at_any_commit_changes_nothing_that_people_see() {
    every_commit(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn a_death_at_any_commit_changes_nothing_that_people_see_on_postgres() {
    every_commit(On::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_death_while_recovering_changes_nothing_that_people_see() {
    deaths_while_recovering(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn a_second_death_while_recovering_changes_nothing_that_people_see_on_postgres() {
    deaths_while_recovering(On::Postgres).await;
}

/// Desks at work at a time.
const AT_ONCE: usize = 3;

/// What is left of a registration with its approval: what people saw, and what the database holds.
struct World {
    /// Anna's, then the office's.
    talks: Vec<String>,
    rows: Vec<String>,
}

async fn every_commit(on: On) {
    let (smooth, commits) = smooth(on, "commits").await;
    let points = (1..=commits).flat_map(|number| [CrashPoint::Before(number), CrashPoint::After(number)]);
    let (tried, died) = compare_all(on, "commits", &smooth, points.map(|point| vec![point]).collect()).await;
    println!("{commits} commits: {tried} deaths tried, {died} struck");
    assert!(died * 10 >= tried * 9, "only {died} of {tried} deaths struck");
}

async fn deaths_while_recovering(on: On) {
    let (smooth, commits) = smooth(on, "recovery").await;
    let pairs = (1..=commits).step_by(5).zip((1..=6).cycle()).flat_map(|(first, second)| {
        let after = vec![CrashPoint::After(first), CrashPoint::Before(second), CrashPoint::After(second)];
        [vec![CrashPoint::Before(first), CrashPoint::After(second)], after]
    });
    let (tried, died) = compare_all(on, "recovery", &smooth, pairs.collect()).await;
    println!("{tried} talks with two or three deaths each: {died} struck");
    assert!(died > tried, "nobody died twice");
}

/// What is left of a talk in which nothing happens, and how many commits it took.
async fn smooth(on: On, name: &str) -> (World, u64) {
    let base = Base::make(on, &format!("{name}_smooth")).await;
    let (world, _, commits) = world_after(&base, &[]).await;
    base.drop().await;
    (world, commits)
}

/// Has the talk with each list of deaths and holds what is left of it against the smooth one. Returns how many
/// talks there were, and how many deaths.
async fn compare_all(on: On, name: &str, smooth: &World, all: Vec<Vec<CrashPoint>>) -> (usize, usize) {
    let all = &all;
    let shares = (0..AT_ONCE).map(|share| async move {
        let base = Base::make(on, &format!("{name}_{share}")).await;
        let mut died = 0;
        for deaths in all.iter().skip(share).step_by(AT_ONCE) {
            let _at = At(format!("with deaths at {deaths:?}"));
            let (world, deaths, _) = world_after(&base, deaths).await;
            assert_eq!(world.rows, smooth.rows);
            assert_eq!(world.talks, smooth.talks);
            died += deaths;
        }
        base.drop().await;
        died
    });
    let died = futures::future::join_all(shares).await;
    (all.len(), died.iter().sum())
}

/// Anna registers and Olga approves, with these deaths on the way.
async fn world_after(base: &Base, deaths: &[CrashPoint]) -> (World, usize, u64) {
    let desk = base.lay().await;
    let (died, commits) = tells(&desk, deaths, applies_and_is_approved(&desk)).await;
    let (anna, office) = (Talk::of(&desk.sandbox, ANNA), Talk::of(&desk.sandbox, OFFICE));
    for talk in [&anna, &office] {
        assert!(talk.doubled <= died, "{} words came twice in {died} deaths", talk.doubled);
    }
    let world = World { talks: [anna.acts, office.acts].concat(), rows: rows(&desk).await };
    (world, died, commits)
}

async fn applies_and_is_approved(desk: &Desk) {
    applies(desk, ANNA).await;
    let office = desk.office(OLGA);
    office.hears("Заявка №").await;
    approves(&office).await;
    office.hears("одобрена. Решение: Ольга Смирнова").await;
    desk.talks(ANNA).hears("Добро пожаловать в сеть").await;
}

/// What the database holds in the end, but for numbers and moments.
async fn rows(desk: &Desk) -> Vec<String> {
    let store = Store::open(&desk.store, desk.clock.clone()).await.expect("the bot has left");
    let health = store.health().await.expect("the database answers");
    let mut rows = vec![format!(
        "{} open entries, undelivered: {}, {} parked",
        health.open_entries,
        health.oldest_message.is_some(),
        health.parked
    )];
    let partner = store.partner(UserId(ANNA)).await.expect("the database answers").expect("Anna registered");
    rows.push(format!("{} is {:?}", partner.profile.name, partner.status));
    for number in numbers(desk, "select id from request order by id").await {
        let request = store.request(RequestId(number)).await.expect("it reads").expect("it is there");
        rows.push(format!("request of {:?}: {:?} by {:?}", request.user, request.status, request.decided_by));
    }
    for number in numbers(desk, "select id from conversation order by id").await {
        let found = store.conversation_by_id(ConversationId(number)).await.expect("it reads");
        let talk = found.expect("it is there");
        let steps: Vec<String> = talk.journal.into_iter().map(|step| step.name).collect();
        let (flow, status, epoch) = (talk.row.flow, talk.row.status, talk.row.epoch);
        rows.push(format!("{flow} is {status:?} in epoch {epoch} after {}", steps.join(", ")));
    }
    store.close().await;
    rows
}
