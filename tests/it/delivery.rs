//! Delivery while Telegram is slow, busy, broken or away: in order, nothing lost, repetitions counted.

use std::time::{Duration, Instant};

use borodach::clock::{ManualClock, Timestamp};
use borodach::config::Limit;
use borodach::sandbox::telegram::{Fault, Method, Often, Rule};
use borodach::telegram::UserId;
use nonzero_ext::nonzero;

use crate::desk::{ANNA, Desk, OFFICE, OLGA, Talker, talk};
use crate::registration::{applies, approves};

/// Says ten things at one go.
const TEN: &str = "for n in 0..10 { chat.say(`Слово ${n}.`); }";

const TOO_MANY: &str =
    "api_requests_total{service=\"telegram\",endpoint=\"SendMessage\",outcome=\"too_many\"}";

/// What the bot said in the chat, each time it arrived.
fn heard(desk: &Desk, chat: i64) -> Vec<String> {
    let messages = desk.sandbox.messages(chat);
    messages.iter().filter(|message| message.is_from_bot()).map(|message| message.text().to_owned()).collect()
}

fn ten() -> Vec<String> {
    (0..10).map(|n| format!("Слово {n}.")).collect()
}

/// A counter of `/metrics`; every bot of the process counts into the same.
async fn counter(desk: &Desk, name: &str) -> u64 {
    let text = reqwest::get(desk.url("/metrics")).await.expect("it answers").text().await.expect("a text");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    line.unwrap_or(0)
}

async fn hears_ten(anna: Talker<'_>) {
    anna.writes("/go");
    anna.hears("Слово 9.").await;
}

#[tokio::test]
async fn the_messages_of_each_chat_arrive_in_order() {
    let desk = Desk::start_flow(TEN).await;
    for person in 5_000..5_020 {
        desk.talks(person).writes("/go");
    }
    for person in 5_000..5_020 {
        desk.talks(person).hears("Слово 9.").await;
        assert_eq!(heard(&desk, person), ten());
    }
}

#[tokio::test]
async fn what_surely_was_not_done_is_repeated_and_arrives_once_and_in_order() {
    for fault in [Fault::ServerError, Fault::BadGatewayHtml, Fault::Reset] {
        let desk = Desk::start_flow(TEN).await;
        desk.sandbox.faults().next(Method::SendMessage, fault, 1);
        hears_ten(desk.talks(ANNA)).await;
        assert_eq!(heard(&desk, ANNA), ten(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_slow_telegram_holds_up_nobody_else() {
    let desk = Desk::start_flow("chat.say(\"здесь\");").await;
    desk.sandbox.faults().next(Method::SendMessage, Fault::Slow(Duration::from_secs(3)), 1);
    desk.talks(ANNA).writes("/go");
    desk.until("it is sent", async || desk.sandbox.faults().struck() == 1).await;
    desk.talks(OLGA).writes("/go");
    desk.talks(OLGA).hears("здесь").await;
    assert_eq!(desk.sandbox.sent(ANNA), 0);
    desk.talks(ANNA).hears("здесь").await;
}

#[tokio::test]
async fn a_message_whose_answer_is_lost_is_sent_again_and_counted() {
    let desk = Desk::start_flow(TEN).await;
    let before = counter(&desk, "outbox_ambiguous_total").await;
    desk.sandbox.faults().next(Method::SendMessage, Fault::ResetAfterAccept, 1);
    hears_ten(desk.talks(ANNA)).await;
    let mut expected = ten();
    expected.insert(0, "Слово 0.".to_owned());
    assert_eq!(heard(&desk, ANNA), expected, "the one in doubt twice, all others once");
    assert!(counter(&desk, "outbox_ambiguous_total").await > before);
    assert_eq!(desk.sandbox.faults().ambiguous().len(), 1);
}

#[tokio::test]
async fn telegrams_word_to_wait_is_obeyed_by_all_chats() {
    let clock = ManualClock::new(Timestamp(1_700_000_000_000));
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk("chat.say(\"здесь\");"))]).await;
    desk.clock = clock.clone();
    desk.run().await;
    desk.sandbox.faults().next(Method::SendMessage, Fault::TooManyRequests { retry_after: 30 }, 1);
    desk.talks(ANNA).writes("/go");
    desk.until("Telegram asks to wait", async || counter(&desk, TOO_MANY).await > 0).await;
    for person in 6_000..6_010 {
        desk.talks(person).writes("/go");
    }
    let queued = async || desk.health().await["parts"]["outbox"]["queued"].clone();
    desk.until("all messages wait", async || queued().await == 11).await;
    clock.turn(Duration::from_secs(29));
    assert_eq!(queued().await, 11);
    assert_eq!(desk.sandbox.calls(Method::SendMessage), 1, "nobody insists");
    clock.turn(Duration::from_secs(1));
    for person in 6_000..6_010 {
        desk.talks(person).hears("здесь").await;
    }
    desk.talks(ANNA).hears("здесь").await;
}

#[tokio::test]
async fn somebody_who_blocked_the_bot_is_marked_and_their_queue_dropped_until_they_come_back() {
    let desk = Desk::start().await;
    applies(&desk, ANNA).await;
    let reachable =
        async || desk.kept().partner(UserId(ANNA)).await.expect("it reads").expect("she applied").reachable;
    assert!(reachable().await);
    desk.sandbox.blocks(ANNA);
    let office = desk.office(OLGA);
    office.hears("Заявка №1").await;
    approves(&office).await;
    office.hears("одобрена").await;
    desk.until("she is marked", async || !reachable().await).await;
    let open = async || desk.kept().open_messages(borodach::telegram::ChatId(ANNA)).await.expect("it reads");
    desk.until("her queue is dropped", async || open().await.is_empty()).await;
    let anna = desk.talks(ANNA);
    anna.writes("/start");
    anna.hears("Чем помочь?").await;
    desk.until("she is reachable again", reachable).await;
}

#[tokio::test]
async fn broken_markup_arrives_as_plain_text_and_the_office_hears_of_it() {
    let desk = Desk::start_flow("chat.say(html::raw(\"<b>Важно: 5 < 6</i>\"));\nchat.say(\"дальше\");").await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("дальше").await;
    assert_eq!(anna.count("Важно: 5 < 6"), 1, "{}", anna.transcript());
    desk.office(OLGA).hears("Telegram не принял как есть").await;
    desk.office(OLGA).hears("can't parse entities").await;
}

#[tokio::test]
async fn a_message_that_telegram_refuses_does_not_stop_those_after_it() {
    let desk = Desk::start_flow("chat.photo(\"no-such-file\", \"подпись\");\nchat.say(\"дальше\");").await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("дальше").await;
    desk.office(OLGA).hears("Telegram не принял как есть").await;
    assert_eq!(desk.sandbox.sent(ANNA), 1, "{}", anna.transcript());
}

#[tokio::test]
async fn what_was_said_while_telegram_was_away_arrives_when_it_is_back_also_after_a_restart() {
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk(TEN))]).await;
    desk.config.shutdown.drain = Duration::from_millis(200);
    desk.run().await;
    let away = Rule { endpoint: Some(Method::SendMessage), kind: Fault::Reset, often: Often::Chance(1.0) };
    desk.sandbox.faults().add(away);
    desk.talks(ANNA).writes("/go");
    desk.until("it is tried", async || desk.sandbox.faults().struck() > 0).await;
    desk.stop().await;
    assert_eq!(desk.sandbox.sent(ANNA), 0);
    desk.sandbox.faults().clear();
    desk.run().await;
    desk.talks(ANNA).hears("Слово 9.").await;
    assert_eq!(heard(&desk, ANNA), ten());
}

#[tokio::test]
async fn a_minute_without_telegram_loses_nothing_and_changes_no_order() {
    let clock = ManualClock::new(Timestamp(1_700_000_000_000));
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk(TEN))]).await;
    desk.clock = clock.clone();
    desk.run().await;
    let away = |method| Rule { endpoint: method, kind: Fault::Reset, often: Often::Chance(1.0) };
    desk.sandbox.faults().add(away(Some(Method::SendMessage)));
    for person in 8_000..8_020 {
        desk.talks(person).writes("/go");
    }
    let outbox = async || desk.health().await["parts"]["outbox"].clone();
    desk.until("all words are decided", async || outbox().await["queued"] == 200).await;
    desk.sandbox.faults().add(away(None));
    for person in 8_020..8_030 {
        desk.talks(person).writes("/go");
    }
    clock.turn(Duration::from_secs(61));
    desk.until("its health says so", async || outbox().await["status"] == "degraded").await;
    let struck = desk.sandbox.faults().struck();
    // The breaker lets somebody through now and then.
    let breaker = async || {
        let state = desk.health().await["parts"]["telegram"]["breaker"].clone();
        if state == "open" {
            clock.turn(Duration::from_secs(10));
        }
        state
    };
    desk.until("it is tried again", async || {
        breaker().await;
        desk.sandbox.faults().struck() > struck + 3
    })
    .await;
    assert_eq!((8_000..8_030).map(|person| desk.sandbox.sent(person)).max(), Some(0));
    desk.sandbox.faults().clear();
    desk.until("Telegram is back", async || breaker().await == "closed").await;
    for person in 8_000..8_030 {
        desk.talks(person).hears("Слово 9.").await;
        assert_eq!(heard(&desk, person), ten());
    }
    desk.settled().await;
    assert_eq!(outbox().await["status"], "ok");
}

#[tokio::test]
async fn the_pace_of_a_chat_and_of_all_chats_is_kept() {
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk(TEN))]).await;
    desk.config.telegram.limits.chat_per_second = Limit::of(nonzero!(10_u32));
    desk.config.telegram.limits.chat_burst = Limit::of(nonzero!(3_u32));
    desk.run().await;
    let started = Instant::now();
    hears_ten(desk.talks(ANNA)).await;
    let took = started.elapsed();
    // Three at once, then seven with a tenth of a second before each.
    assert!(took >= Duration::from_millis(690), "ten messages took {took:?}");

    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk("chat.say(\"здесь\");"))]).await;
    desk.config.telegram.limits.overall_per_second = Limit::of(nonzero!(20_u32));
    desk.run().await;
    let started = Instant::now();
    for person in 7_000..7_030 {
        desk.talks(person).writes("/go");
    }
    for person in 7_000..7_030 {
        desk.talks(person).hears("здесь").await;
    }
    let took = started.elapsed();
    // Twenty at once, then ten with a twentieth of a second before each.
    assert!(took >= Duration::from_millis(490), "thirty messages took {took:?}");
}

#[tokio::test]
async fn a_group_has_a_limit_of_its_own() {
    let said = talk(TEN).replace("guest", "staff");
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &said)]).await;
    desk.config.telegram.limits.group_per_minute = Limit::of(nonzero!(4_u32));
    desk.run().await;
    desk.office(OLGA).writes("/go");
    desk.office(OLGA).hears("Слово 3.").await;
    desk.talks(OLGA).writes("/go");
    assert_eq!(heard(&desk, OFFICE), ten()[..4], "the fifth waits for its quarter of a minute");
}
