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
use crate::lanes::Lanes;
use crate::{config, portal};

pub use health::{Health, count_together};

/// An update is a few kilobytes; Telegram's own server stops at a megabyte, others may not.
const LARGEST_UPDATE: usize = 16 << 20;

/// An event of the portal is a few hundred bytes.
const LARGEST_EVENT: usize = 64 << 10;

/// The door for what the portal tells.
#[derive(Debug)]
pub struct PortalDoor {
    /// Where entries are taken.
    pub lanes: Arc<Lanes>,
    /// Whose events are believed.
    pub settings: config::Bitrix24,
}

/// The routes.
pub fn router(health: Arc<Health>, intake: Arc<Intake>, portal: PortalDoor) -> Router {
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
    let bitrix24 = Router::new()
        .route("/bitrix24/events", post(event))
        .layer(DefaultBodyLimit::max(LARGEST_EVENT))
        .with_state(Arc::new(portal));
    health.merge(telegram).merge(bitrix24)
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

/// One event of the portal, which never brings it again: what cannot be written down now is found by asking later.
async fn event(State(door): State<Arc<PortalDoor>>, body: Bytes) -> StatusCode {
    let heard = tokio::spawn(async move { portal::hear(&door.lanes, &door.settings, &body).await });
    match heard.await {
        Ok(Ok(portal::Heard::Taken)) => StatusCode::OK,
        Ok(Ok(portal::Heard::Forged)) => StatusCode::UNAUTHORIZED,
        Ok(Err(error)) => {
            tracing::warn!("an event of the portal is not written down: {error}");
            StatusCode::SERVICE_UNAVAILABLE
        }
        Err(panic) => {
            tracing::error!("an event of the portal was not accepted: {panic}");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
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
