//! How the Bot API says no.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A refused call: `{"ok":false,…}` with the HTTP status equal to `error_code`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `error_code`, also the HTTP status.
    pub code: u16,
    /// The whole description, with its class prefix.
    pub description: String,
    /// Seconds to wait, for 429: in the body and in `Retry-After`.
    pub retry_after: Option<u64>,
    /// The group's new id, when it became a supergroup.
    pub migrate_to: Option<i64>,
}

impl Refusal {
    /// 400. The first letter of `text` is lowered unless it begins a raw code such as `BUTTON_DATA_INVALID`.
    pub fn bad_request(text: &str) -> Refusal {
        Refusal::new(400, format!("Bad Request: {}", lowered(text)))
    }

    /// 401: the token is well formed and nobody's.
    pub fn unauthorized() -> Refusal {
        Refusal::new(401, "Unauthorized".to_owned())
    }

    /// 403.
    pub fn forbidden(text: &str) -> Refusal {
        Refusal::new(403, format!("Forbidden: {text}"))
    }

    /// 404: a malformed token or path.
    pub fn not_found() -> Refusal {
        Refusal::new(404, "Not Found".to_owned())
    }

    /// 404: a method that does not exist.
    pub fn no_method() -> Refusal {
        Refusal::new(404, "Not Found: method not found".to_owned())
    }

    /// 409.
    pub fn conflict(text: &str) -> Refusal {
        Refusal::new(409, format!("Conflict: {text}"))
    }

    /// 413 as the cloud says it.
    pub fn too_large() -> Refusal {
        Refusal::new(413, "Request Entity Too Large".to_owned())
    }

    /// 429.
    pub fn too_many_requests(retry_after: u64) -> Refusal {
        let refusal = Refusal::new(429, format!("Too Many Requests: retry after {retry_after}"));
        Refusal { retry_after: Some(retry_after), ..refusal }
    }

    /// 400 for a group that became the supergroup `to`.
    pub fn migrated(to: i64) -> Refusal {
        let refusal = Refusal::bad_request("group chat was upgraded to a supergroup chat");
        Refusal { migrate_to: Some(to), ..refusal }
    }

    /// 500 of a server that restarts.
    pub fn restarting() -> Refusal {
        Refusal::new(500, "Internal Server Error: restart".to_owned())
    }

    /// 503 of a server that has too much to do.
    pub fn unavailable() -> Refusal {
        Refusal::new(503, "Service Unavailable".to_owned())
    }

    fn new(code: u16, description: String) -> Refusal {
        Refusal { code, description, retry_after: None, migrate_to: None }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({"ok": false, "error_code": self.code, "description": self.description});
        if let Some(seconds) = self.retry_after {
            body["parameters"] = json!({"retry_after": seconds});
        }
        if let Some(chat) = self.migrate_to {
            body["parameters"] = json!({"migrate_to_chat_id": chat});
        }
        let status = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

fn lowered(text: &str) -> String {
    let mut letters = text.chars();
    let (first, second) = (letters.next(), letters.next());
    match (first, second) {
        (Some(first), Some(second)) if second != '_' && !second.is_uppercase() => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        (Some(_) | None, _) => text.to_owned(),
    }
}
