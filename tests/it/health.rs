//! What the bot tells of itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use borodach::sandbox::telegram::{Fault, Method, Often, Rule};
use borodach::store::CrashHook;
use reqwest::StatusCode;

use crate::desk::{ANNA, Desk, talk};

async fn status(desk: &Desk, path: &str) -> StatusCode {
    reqwest::get(desk.url(path)).await.expect("it answers").status()
}

#[tokio::test]
async fn a_healthy_bot_tells_of_every_part() {
    let desk = Desk::start().await;
    for path in ["/health", "/health/live", "/health/ready", "/metrics"] {
        assert_eq!(status(&desk, path).await, StatusCode::OK, "{path}");
    }
    let health = desk.health().await;
    assert_eq!(health["status"], "ok", "{health:#}");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert!(health["uptime_seconds"].is_u64());
    let parts = health["parts"].as_object().expect("an object");
    assert_eq!(
        parts.keys().collect::<Vec<_>>(),
        ["cache", "conversations", "database", "outbox", "scheduler", "scripts", "telegram"]
    );
    assert!(parts.values().all(|part| part["status"] == "ok"), "{health:#}");
    for number in ["awaiting", "parked", "open_entries", "busy_lanes"] {
        assert!(health["parts"]["conversations"][number].is_u64(), "{number}: {health:#}");
    }
    let flows = health["parts"]["scripts"]["live"]["flows"].as_array().expect("a list");
    assert!(flows.iter().any(|flow| flow["name"] == "registration"), "{health:#}");
}

#[tokio::test]
async fn without_telegram_the_bot_is_degraded_and_still_at_work() {
    let desk = Desk::start().await;
    let kind = Fault::ServerError;
    desk.sandbox.faults().add(Rule { endpoint: Some(Method::GetMe), kind, often: Often::Chance(1.0) });
    let health = desk.health().await;
    assert_eq!(
        (&health["status"], &health["parts"]["telegram"]["status"]),
        (&"degraded".into(), &"degraded".into())
    );
    assert_eq!(status(&desk, "/health").await, StatusCode::OK);
    assert_eq!(status(&desk, "/health/ready").await, StatusCode::OK);
}

#[tokio::test]
async fn a_parked_talk_degrades_the_health() {
    let desk = Desk::start_flow("throw \"ой\";").await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Номер случая").await;
    let health = desk.health().await;
    assert_eq!(health["status"], "degraded");
    assert_eq!(health["parts"]["conversations"]["parked"], 1);
    assert_eq!(status(&desk, "/health").await, StatusCode::OK);
}

#[tokio::test]
async fn without_its_database_the_bot_is_down_and_says_so() {
    let dies = Arc::new(AtomicBool::new(false));
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk("chat.say(\"здесь\");"))]).await;
    let hook = Arc::clone(&dies);
    desk.store.crash = Some(CrashHook(Arc::new(move |_| hook.load(Ordering::Relaxed))));
    desk.run().await;
    desk.talks(ANNA).writes("/go");
    desk.talks(ANNA).hears("здесь").await;
    dies.store(true, Ordering::Relaxed);
    desk.talks(ANNA).writes("/go");
    desk.until("it is not ready", async || status(&desk, "/health/ready").await != StatusCode::OK).await;
    assert_eq!(status(&desk, "/health").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status(&desk, "/health/live").await, StatusCode::OK, "a restart would not bring it back");
    let health = desk.health().await;
    assert_eq!(
        (&health["status"], &health["parts"]["database"]["status"]),
        (&"down".into(), &"degraded".into())
    );
}

#[tokio::test]
async fn the_metrics_keep_their_names() {
    let desk = Desk::start_flow("chat.ask_text(\"Имя?\"); throw \"ой\";").await;
    let anna = desk.talks(ANNA);
    desk.sandbox.raw_update(&serde_json::json!({ "message": 7 }));
    desk.sandbox.faults().next(Method::SendMessage, Fault::ResetAfterAccept, 1);
    anna.writes("/go");
    anna.hears("Имя?").await;
    anna.writes("Анна");
    anna.hears("Номер случая").await;
    let text = reqwest::get(desk.url("/metrics")).await.expect("it answers").text().await.expect("a text");
    for name in [
        "updates_total",
        "updates_unreadable_total",
        "turn_duration_seconds_bucket",
        "api_requests_total{service=\"telegram\",endpoint=\"SendMessage\",outcome=\"ok\"}",
        "api_duration_seconds_bucket{service=\"telegram\"",
        "api_retries_total{service=\"telegram\",endpoint=\"SendMessage\"}",
        "outbox_queued",
        "outbox_delay_seconds_bucket",
        "outbox_ambiguous_total",
        "conversations_parked_total",
        "lanes_busy",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "no {name} in\n{text}");
    }
}
