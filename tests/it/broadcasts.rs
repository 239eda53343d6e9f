//! Broadcasts and polls: everybody once, beside the talks, through restarts, and counted.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use borodach::config::Limit;
use borodach::sandbox::telegram::limits::{Limits, Quota};
use borodach::sandbox::telegram::message::Content;
use borodach::sandbox::telegram::poll::Poll;
use borodach::sandbox::telegram::{Fault, Method, Telegram};
use borodach::store::{DatabaseUrl, Store};
use nonzero_ext::nonzero;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use crate::desk::{ANNA, Desk, OFFICE, OLGA, is_bots};

/// The first of the partners of these tests.
pub const FIRST: i64 = 100_001;

/// A flow of the office that sends everybody the same at once.
pub const SEND: &str = r#"flow(#{ title: "Проба", on: [command("/send")], access: ["staff"] });
import "scripts/sending" as sending;
fn start(chat, partner) { sending::begin(chat, #{ text: html::raw("Завтра <b>сбор</b>") }, #{ words: "все" }); }"#;

/// As many partners, all of whom the bot may write to.
pub async fn network(desk: &Desk, count: i64) {
    Store::migrate(&desk.store).await.expect("the file is new");
    let DatabaseUrl::Sqlite(file) = &desk.store.url else { panic!("for SQLite") };
    let mut connection =
        SqliteConnection::connect(file.to_str().expect("letters")).await.expect("the file is there");
    let sql = format!(
        "insert into partner (user_id, chat_id, status, name, phone, created_at, verified_at)
         with recursive numbers (n) as (select {FIRST} union all select n + 1 from numbers where n + 1 < {FIRST} + {count})
         select n, n, 'verified', 'Партнёр ' || n, '+79990000000', 0, 0 from numbers"
    );
    sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.expect("the table is empty");
    for person in FIRST..FIRST + count {
        desk.sandbox.person(person, "Партнёр", None, "79990000000");
        desk.sandbox.has_started(person);
    }
}

/// How often each partner has heard it.
pub fn heard(desk: &Desk, count: i64) -> Vec<usize> {
    (FIRST..FIRST + count).map(|person| desk.talks(person).count("Завтра сбор")).collect()
}

/// A desk with so many partners, and so many messages a second.
async fn laid(count: i64, rate: NonZeroU32) -> Desk {
    let mut desk = Desk::lay().await;
    desk.config.telegram.limits.overall_per_second = Limit::of(rate);
    network(&desk, count).await;
    std::fs::write(desk.flow("send"), SEND).expect("the folder is ours");
    desk
}

/// Waits for the report of a broadcast.
async fn reported(desk: &Desk) {
    let is_told = |sandbox: &Telegram| {
        sandbox.messages(OFFICE).last().is_some_and(|last| last.text().contains("закончена"))
    };
    desk.sandbox.wait_within(Duration::from_mins(10), is_told).await.expect("the broadcast ends");
}

/// Anna writes and waits for the answer, again and again, a little slower than is too fast.
async fn talks_on(desk: &Desk, answers: &mut Vec<Duration>) {
    const PAUSE: Duration = Duration::from_millis(1100);
    let anna = desk.talks(ANNA);
    let said = || desk.sandbox.messages(ANNA).iter().filter(|message| is_bots(message)).count();
    loop {
        let (before, asked) = (said(), Instant::now());
        anna.writes("/start");
        desk.sandbox.wait_for(|_| said() > before).await.expect("she is answered");
        answers.push(asked.elapsed());
        tokio::time::sleep(PAUSE).await; // Her own pace.
    }
}

#[tokio::test]
async fn the_office_writes_to_all_partners_and_sees_who_got_it() {
    let mut desk = Desk::lay().await;
    network(&desk, 30).await;
    desk.run().await;
    let office = desk.office(OLGA);
    office.writes("/broadcast");
    office.hears("Кому отправляем?").await;
    office.presses("👥 Всем партнёрам");
    office.hears("Что отправляем?").await;
    office.presses("📝 Только текст");
    office.hears("Напишите текст").await;
    office.writes("Завтра <b>сбор</b>");
    office.hears("все партнёры — 30 человек").await;
    desk.sandbox.blocks(FIRST + 3);
    office.presses("📣 Отправить");
    office.hears("закончена").await;
    assert!(
        office.last().text().contains("Доставлено: 29 из 30\n🚷 Остановили бота: 1"),
        "{}",
        office.transcript()
    );
    let mut expected = vec![1; 30];
    expected[3] = 0;
    assert_eq!(heard(&desk, 30), expected);
    desk.settled().await;
    assert_eq!(desk.reachable(FIRST + 3).await, [0]);
}

#[tokio::test]
async fn after_a_restart_a_broadcast_goes_on_exactly_where_it_was() {
    let mut desk = laid(60, nonzero!(40_u32)).await;
    desk.run().await;
    desk.office(OLGA).writes("/send");
    desk.until("half of them have it", async || heard(&desk, 60).iter().sum::<usize>() > 25).await;
    desk.stop().await;
    let before = heard(&desk, 60).iter().sum::<usize>();
    assert!(before < 60, "it was stopped too late");
    desk.run().await;
    reported(&desk).await;
    assert_eq!(heard(&desk, 60), vec![1; 60]);
}

#[tokio::test]
async fn a_stopped_broadcast_reaches_nobody_more() {
    const UNDER_WAY: &str =
        "select user_id from broadcast_recipient where status = 'sending' and broadcast_id > $1";
    let mut desk = laid(200, nonzero!(40_u32)).await;
    desk.run().await;
    let office = desk.office(OLGA);
    office.writes("/send");
    desk.until("some have it", async || heard(&desk, 200).iter().sum::<usize>() > 10).await;
    office.presses("⏹ Остановить");
    office.hears("остановлена: Ольга Смирнова").await;
    desk.until("what was under way has arrived", async || desk.rows(UNDER_WAY, 0).await.is_empty()).await;
    let then = heard(&desk, 200).iter().sum::<usize>();
    let stopped = desk.kept().broadcasts(1).await.expect("it reads").remove(0);
    let next = desk.kept().claim(stopped.id).await.expect("it is asked");
    assert!(next.is_none(), "somebody more is about to get it");
    assert!(then < 100, "{then} got it");
}

#[tokio::test]
async fn a_talk_waits_for_no_broadcast() {
    let mut desk = laid(300, nonzero!(30_u32)).await;
    desk.sandbox.set_limits(Limits { overall: Some(Quota::per_second(30)), ..Limits::default() });
    desk.run().await;
    desk.office(OLGA).writes("/send");
    desk.until("it has begun", async || heard(&desk, 300).iter().sum::<usize>() > 20).await;
    let mut longest = Duration::ZERO;
    for _ in 0..5 {
        let asked = Instant::now();
        desk.talks(ANNA).writes("/start");
        desk.talks(ANNA).hears("Начнём с регистрации").await;
        longest = longest.max(asked.elapsed());
        desk.talks(ANNA).writes("/cancel");
        desk.talks(ANNA).hears("остановились").await;
    }
    let sent = heard(&desk, 300).iter().sum::<usize>();
    assert!(sent < 290, "the broadcast was over before the talk: {sent}");
    assert!(longest < Duration::from_millis(700), "the answer took {longest:?}");
}

/// The copy of a poll in a person's chat.
fn copy(desk: &Desk, person: i64) -> (i64, Poll) {
    let messages = desk.sandbox.messages(person);
    let found = messages.iter().rev().find_map(|message| match &message.content {
        Content::Poll(poll) => Some((message.id, poll.clone())),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{person} has no poll"))
}

#[tokio::test]
async fn votes_are_counted_a_change_of_mind_too_until_the_poll_is_closed() {
    let mut desk = Desk::lay().await;
    network(&desk, 3).await;
    desk.run().await;
    let office = desk.office(OLGA);
    office.writes("/poll");
    office.hears("Кому отправляем?").await;
    office.presses("👥 Всем партнёрам");
    office.hears("О чём спросим?").await;
    office.writes("Когда собираемся?");
    office.hears("Варианты ответа").await;
    office.writes("В среду\nВ пятницу");
    office.hears("Можно выбрать несколько").await;
    office.presses("🔘 Только один");
    office.hears("Отправляем?").await;
    office.presses("📣 Отправить");
    office.hears("закончена").await;

    let votes = |person, options: &[usize]| {
        let (message, _) = copy(&desk, person);
        desk.sandbox.votes(person, person, message, options).expect("the poll is open");
    };
    votes(FIRST, &[0]);
    votes(FIRST + 1, &[0]);
    votes(FIRST + 2, &[1]);
    votes(FIRST, &[1]); // A change of mind.
    votes(FIRST + 1, &[]); // Takes the vote back.
    desk.settled().await;
    office.presses("📊 Голоса");
    office.hears("Проголосовали: 2").await;
    assert!(office.last().text().contains("0\u{a0}% — В среду (0)"), "{}", office.last().text());
    assert!(office.last().text().contains("100\u{a0}% — В пятницу (2)"), "{}", office.last().text());

    office.presses("🔒 Закрыть опрос");
    office.hears("Открыть его снова нельзя").await;
    office.presses("🔒 Закрыть");
    office.hears("Опрос закрыт").await;
    desk.until("every copy is closed", async || {
        (FIRST..FIRST + 3).all(|person| copy(&desk, person).1.closed)
    })
    .await;
}

/// The figure of a broadcast to 10,000: 2 % have stopped the bot, and Telegram asks to wait now and then. It takes
/// as long as Telegram's own limit: 334 s, and prints what share of it was used; on a quiet machine 99 %.
#[tokio::test]
#[ignore = "takes six minutes"]
async fn ten_thousand_partners_are_reached_once_and_it_is_told_how_fast() {
    const PEOPLE: i64 = 10_000;
    const RATE: u32 = 30;
    let mut desk = laid(PEOPLE, nonzero!(30_u32)).await;
    for lost in (FIRST..FIRST + PEOPLE).step_by(50) {
        desk.sandbox.blocks(lost);
    }
    // What Telegram says of those who stopped the bot came while nobody listened.
    desk.sandbox.set_limits(Limits { overall: Some(Quota::per_second(RATE)), ..Limits::default() });
    desk.run().await;
    desk.settled().await;
    let DatabaseUrl::Sqlite(file) = &desk.store.url else { panic!("for SQLite") };
    let mut beside = SqliteConnection::connect(file.to_str().expect("letters")).await.expect("it is there");
    sqlx::query("update partner set reachable = 1").execute(&mut beside).await.expect("it is written");
    let office = desk.office(OLGA);
    let began = Instant::now();
    office.writes("/send");
    let faults = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_mins(1)).await;
            desk.sandbox.faults().next(Method::SendMessage, Fault::TooManyRequests { retry_after: 1 }, 1);
        }
    };
    let mut answers = Vec::new();
    tokio::select! {
        () = talks_on(&desk, &mut answers) => {}
        _ = futures::future::join(faults, reported(&desk)) => {}
    }
    let took = began.elapsed();
    answers.sort_unstable();
    println!(
        "{} answers of a talk meanwhile: p50 {:.0?}, p99 {:.0?}, the longest {:.0?}",
        answers.len(),
        answers[answers.len() / 2],
        answers[answers.len() * 99 / 100],
        answers[answers.len() - 1]
    );
    let heard = heard(&desk, PEOPLE);
    let (sent, twice) = (heard.iter().sum::<usize>(), heard.iter().filter(|&&times| times > 1).count());
    #[expect(clippy::cast_precision_loss, reason = "there are ten thousand")]
    let limit = Duration::from_secs_f64((PEOPLE as f64 + answers.len() as f64) / f64::from(RATE))
        + Duration::from_secs(3);
    let share = limit.as_secs_f64() / took.as_secs_f64() * 100.0;
    println!(
        "{PEOPLE} people, 2 % lost, 3 × 429 of a second: {sent} delivered, {twice} twice, in {:.1} s; \
         Telegram's limit allows {:.1} s for them and the talk: {share:.1} %",
        took.as_secs_f64(),
        limit.as_secs_f64()
    );
    println!("{}", office.last().text());
    assert_eq!((sent, twice), (9_800, 0));
}
