//! The binary itself, killed with SIGKILL at awkward moments and asked to leave with SIGTERM.

use std::fs::File;
use std::pin::pin;
use std::process::{Child, Command, ExitStatus};

use secrecy::ExposeSecret as _;

use super::*;
use crate::desk::{OFFICE, OLGA};
use crate::registration::approves;

/// A process of the binary `borodach`; killed when the test is over, whatever it came to.
struct Process(Child);

impl Process {
    /// Starts the binary in the desk's folder.
    fn start(desk: &Desk) -> Process {
        let folder = desk.folder.path();
        let config = format!(
            "telegram:\n  staff_chat: {OFFICE}\n  tidy: false\n  limits: {{ overall_per_second: off, chat_per_second: off, group_per_minute: off }}\n\
             spam: {{ per_second: off }}\n\
             database: {{ path: data/bot.db, connections_most: 4, connections_kept: 2 }}\n"
        );
        std::fs::write(folder.join("config.yaml"), config).expect("the folder is ours");
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join("bot.log"))
            .expect("the folder is ours");
        let mut command = Command::new(env!("CARGO_BIN_EXE_borodach"));
        command
            .args(["run", "--dir"])
            .arg(folder)
            .env_remove("DATABASE_URL")
            .env("TELEGRAM_BOT_TOKEN", desk.sandbox.token())
            .env("TELEGRAM_API_URL", desk.sandbox.url().as_str())
            .env("LISTEN_ADDR", "127.0.0.1:0")
            .stderr(log);
        if let DatabaseUrl::Postgres(url) = &desk.store.url {
            command.env("DATABASE_URL", url.expose_secret());
        }
        Process(command.spawn().expect("the binary is built"))
    }

    /// SIGKILL: the process has no say in it.
    async fn kill(mut self) {
        let killed = tokio::task::spawn_blocking(move || {
            self.0.kill().and_then(|()| self.0.wait()).expect("it is our child");
        });
        killed.await.expect("waiting does not panic");
    }

    /// SIGTERM: how it left, within the time it has for that.
    async fn terminate(mut self) -> ExitStatus {
        let left = tokio::task::spawn_blocking(move || {
            let sent = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
            assert!(sent.expect("every Unix has it").success());
            self.0.wait().expect("it is our child")
        });
        tokio::time::timeout(PATIENCE, left)
            .await
            .expect("it leaves in 20 s")
            .expect("waiting does not panic")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone, most often.
        let _ = self.0.kill().and_then(|()| self.0.wait().map(drop));
    }
}

/// Lets people talk to the binary, which is killed whenever Telegram has heard so many calls, and started again.
async fn told_through_kills(
    desk: &Desk,
    moments: impl IntoIterator<Item = u64>,
    story: impl Future<Output = ()>,
) -> usize {
    let (mut story, mut kills) = (pin!(story), 0);
    for moment in moments {
        let process = Process::start(desk);
        let reached = desk.sandbox.wait_for(|sandbox| sandbox.calls(Method::SendMessage) >= moment);
        tokio::select! {
            () = &mut story => return kills,
            reached = reached => reached.expect("the bot goes on talking"),
        }
        process.kill().await;
        kills += 1;
    }
    let process = Process::start(desk);
    story.await;
    comes_to_rest(desk).await;
    process.kill().await;
    kills
}

/// Fifty people, each at another question of the registration.
async fn fifty_stand_in_mid_talk(desk: &Desk) {
    introduce(desk, guests(50));
    let walk =
        |(at, person): (usize, i64)| walks(desk, person, &REGISTRATION[..=at % (REGISTRATION.len() - 1)]);
    futures::future::join_all(guests(50).enumerate().map(walk)).await;
}

/// They take `acts` more steps each, or go on to the end.
async fn fifty_go_on(desk: &Desk, acts: std::ops::Range<usize>) {
    let walk = |(at, person): (usize, i64)| {
        let done = 1 + at % (REGISTRATION.len() - 1);
        let (from, to) = ((done + acts.start).min(8), (done + acts.end).min(8));
        walks(desk, person, &REGISTRATION[from..to])
    };
    futures::future::join_all(guests(50).enumerate().map(walk)).await;
}

async fn killed_in_the_quiet(on: On) {
    let base = Base::make(on, "quiet").await;
    let desk = base.lay().await;
    let process = Process::start(&desk);
    fifty_stand_in_mid_talk(&desk).await;
    comes_to_rest(&desk).await;
    process.kill().await;
    let process = Process::start(&desk);
    fifty_go_on(&desk, 0..8).await;
    let doubled = compare(&desk, guests(50), &smooth_registration().await, 0);
    assert_eq!(doubled, 0, "nothing was on its way");
    process.kill().await;
    drop(desk);
    base.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_people_go_on_after_a_kill_in_the_quiet() {
    killed_in_the_quiet(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn fifty_people_go_on_after_a_kill_in_the_quiet_on_postgres() {
    killed_in_the_quiet(On::Postgres).await;
}

async fn killed_at_the_last_reply(on: On) {
    let base = Base::make(on, "reply").await;
    let desk = base.lay().await;
    let process = Process::start(&desk);
    fifty_stand_in_mid_talk(&desk).await;
    fifty_go_on(&desk, 0..1).await;
    process.kill().await; // The last reply is heard, its receipt perhaps not written.
    let process = Process::start(&desk);
    fifty_go_on(&desk, 1..8).await;
    comes_to_rest(&desk).await;
    let doubled = compare(&desk, guests(50), &smooth_registration().await, 1);
    println!("killed at the last reply on {on:?}: 50 of 50 went on, {doubled} words came twice");
    process.kill().await;
    drop(desk);
    base.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_people_go_on_after_a_kill_at_the_last_reply() {
    killed_at_the_last_reply(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn fifty_people_go_on_after_a_kill_at_the_last_reply_on_postgres() {
    killed_at_the_last_reply(On::Postgres).await;
}

async fn killed_under_load(on: On) {
    let base = Base::make(on, "load").await;
    let desk = base.lay().await;
    introduce(&desk, guests(50));
    // Fifty people hear nine words each, and the office fifty: kills are spread over all of it.
    let moments = [60, 137, 211, 298, 360];
    let kills = told_through_kills(&desk, moments, everybody_registers(&desk, guests(50))).await;
    assert_eq!(kills, moments.len());
    let doubled = compare(&desk, guests(50), &smooth_registration().await, kills);
    println!("killed {kills} times under load on {on:?}: 50 of 50 went on, {doubled} words came twice");
    assert_eq!(count(&desk, "select count(*) from request").await, 50, "one application each");
    drop(desk);
    base.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_people_go_on_after_kills_under_load() {
    killed_under_load(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn fifty_people_go_on_after_kills_under_load_on_postgres() {
    killed_under_load(On::Postgres).await;
}

async fn killed_after_every_word(on: On) {
    let base = Base::make(on, "words").await;
    let desk = base.lay().await;
    introduce(&desk, guests(1));
    let story = async {
        walks(&desk, FIRST_GUEST, &REGISTRATION).await;
        let office = desk.office(OLGA);
        office.hears("Заявка №").await;
        approves(&office).await;
        office.hears("одобрена. Решение").await;
        desk.talks(FIRST_GUEST).hears("Добро пожаловать").await;
    };
    // A word sent again counts, too: with at most one of those a life, the moments still grow.
    let kills = told_through_kills(&desk, (1..=24).step_by(2), story).await;
    let talk = Talk::of(&desk.sandbox, FIRST_GUEST);
    assert!(talk.doubled <= kills, "{}", desk.sandbox.transcript(FIRST_GUEST));
    assert_eq!(talk.acts[..talk.acts.len() - 1], smooth_registration().await, "then comes the welcome");
    println!("one registration, killed {kills} times on {on:?}: {} words came twice", talk.doubled);
    assert!(kills >= 6, "it was killed only {kills} times");
    assert_eq!(count(&desk, "select count(*) from partner where status = 'verified'").await, 1);
    assert_eq!(count(&desk, "select count(*) from request where status = 'approved'").await, 1);
    drop(desk);
    base.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_goes_on_though_the_bot_is_killed_after_every_other_word() {
    killed_after_every_word(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_registration_goes_on_though_the_bot_is_killed_after_every_other_word_on_postgres() {
    killed_after_every_word(On::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_told_to_stop_under_load_leaves_well_and_loses_nothing() {
    let desk = Desk::lay().await;
    introduce(&desk, guests(200));
    let process = Process::start(&desk);
    let mut story = pin!(everybody_registers(&desk, guests(200)));
    let busy = desk.sandbox.wait_for(|sandbox| sandbox.calls(Method::SendMessage) >= 500);
    tokio::select! {
        () = &mut story => panic!("they were not to be ready yet"),
        busy = busy => busy.expect("the bot talks"),
    }
    // People go on meanwhile: what comes in while the bot leaves waits for the next one.
    let status = tokio::select! {
        () = &mut story => panic!("nobody answers them"),
        status = process.terminate() => status,
    };
    assert!(status.success(), "it left with {status}");
    let process = Process::start(&desk);
    story.await;
    let doubled = compare(&desk, guests(200), &smooth_registration().await, 0);
    assert_eq!(doubled, 0, "what was sent was noted");
    process.kill().await;
}
