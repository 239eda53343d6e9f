//! The control API: what the page of the demo asks and switches.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Endpoint, Limits, Refused, YClients};
use crate::sandbox::faults::{Endpoint as _, Switch, rule_json};
use crate::sandbox::lock;

/// Routes without the prefix under which the page has them.
pub(super) fn router(sandbox: YClients) -> Router {
    Router::new()
        .route("/state", get(state))
        .route("/faults", post(add_fault).delete(clear_faults))
        .route("/conduct", post(conduct))
        .with_state(sandbox)
}

/// The salons, the switches, and how much was called.
async fn state(State(sandbox): State<YClients>) -> Json<Value> {
    let refused = lock(&sandbox.0.refused).clone();
    let salons = sandbox.network().salons().iter().map(|salon| {
        json!({
            "id": salon.id, "title": salon.title, "city": salon.city, "is_closed": salon.closed.is_some(),
            "refused": refused.get(&salon.id).map(|why| match why {
                Refused::NoRight => "no_right",
                Refused::Unpaid => "unpaid",
            }),
        })
    });
    let calls =
        Endpoint::ALL.iter().map(|endpoint| (endpoint.name().to_owned(), sandbox.calls(*endpoint).into()));
    Json(json!({
        "salons": salons.collect::<Value>(),
        "faults": sandbox.faults().rules().iter().map(rule_json).collect::<Value>(),
        "calls": Value::Object(calls.collect()),
        "struck": sandbox.faults().struck(),
        "refused_by_limits": sandbox.refused_by_limits(),
        "knows_user": *lock(&sandbox.0.is_user_known),
    }))
}

async fn add_fault(State(sandbox): State<YClients>, Json(fault): Json<Switch>) -> Response {
    match fault.rule() {
        Ok(rule) => {
            sandbox.faults().add(rule);
            Json(json!({"ok": true})).into_response()
        }
        Err(why) => (StatusCode::BAD_REQUEST, Json(json!({"error": why}))).into_response(),
    }
}

async fn clear_faults(State(sandbox): State<YClients>) -> Json<Value> {
    sandbox.faults().clear();
    Json(json!({"ok": true}))
}

/// What the page may switch; what is not named stays.
#[derive(Deserialize)]
struct Conduct {
    /// Whether calls are counted.
    has_limits: Option<bool>,
    /// Whether the user's token is good.
    knows_user: Option<bool>,
    /// A salon that is closed to the user (`true`) or opened again.
    salon: Option<(i64, bool)>,
}

async fn conduct(State(sandbox): State<YClients>, Json(wish): Json<Conduct>) -> Json<Value> {
    if let Some(has_limits) = wish.has_limits {
        sandbox.set_limits(if has_limits { Limits::default() } else { Limits::OFF });
    }
    if let Some(is_known) = wish.knows_user {
        sandbox.know_user(is_known);
    }
    if let Some((salon, is_closed)) = wish.salon {
        sandbox.refuse(salon, is_closed.then_some(Refused::NoRight));
    }
    Json(json!({"ok": true}))
}
