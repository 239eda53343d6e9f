//! The bot's own addresses: health, metrics, and the webhook.

mod health;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::value::RawValue;

use crate::intake::Intake;

pub use health::{Health, count_together};

/// An update is a few kilobytes; Telegram's own server stops at a megabyte, others may not.
const LARGEST_UPDATE: usize = 16 << 20;

/// The routes.
pub fn router(health: Arc<Health>, intake: Arc<Intake>) -> Router {
    let health = Router::new()
        .route("/health", get(whole))
        .route("/health/live", get(|| async { "ok" }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health);
    let telegram = Router::new()
        .route("/telegram/webhook", post(update))
        .layer(DefaultBodyLimit::max(LARGEST_UPDATE))
        .with_state(intake);
    health.merge(telegram)
}

async fn whole(State(health): State<Arc<Health>>) -> Response {
    let report = health.report().await;
    let status = if report["status"] == "down" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(report)).into_response()
}

async fn ready(State(health): State<Arc<Health>>) -> StatusCode {
    if health.can_work().await { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], health.metrics()).into_response()
}

/// One update. The answer is 200 only when it is written down; whatever else makes Telegram bring it again.
async fn update(State(intake): State<Arc<Intake>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let given = headers.get("x-telegram-bot-api-secret-token").map_or(&[][..], |value| value.as_bytes());
    if !intake.knows_secret(given) {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(update) = serde_json::from_slice::<Box<RawValue>>(&body) else {
        tracing::error!("something that is not JSON came to the webhook and is left aside");
        return StatusCode::OK;
    };
    // A task of its own: it must not end halfway, written and never taken, when Telegram hangs up.
    let accepted = tokio::spawn(async move { intake.accept(vec![update]).await });
    match accepted.await {
        Ok(Ok(())) => StatusCode::OK,
        Ok(Err(error)) => {
            tracing::warn!("an update waits for the database: {error}");
            StatusCode::SERVICE_UNAVAILABLE
        }
        Err(panic) => {
            tracing::error!("an update was not accepted: {panic}");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}
