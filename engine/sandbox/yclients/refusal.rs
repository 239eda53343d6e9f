//! How `YClients` says no.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A refusal in JSON.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    body: Value,
}

impl Refusal {
    /// The usual shape.
    pub fn new(status: u16, message: &str) -> Refusal {
        let body = json!({"success": false, "data": null, "meta": {"message": message}});
        Refusal { status, body }
    }

    /// The other shape, which old routes have.
    pub fn old(status: u16, message: &str) -> Refusal {
        let body = json!({"errors": {"code": status, "message": message}, "meta": {"message": message}});
        Refusal { status, body }
    }

    /// Fields that did not pass.
    pub fn invalid(field: &str, reason: &str) -> Refusal {
        let meta = json!({"message": "Ошибка валидации", "errors": {format!("[{field}]"): [reason]}});
        Refusal { status: 422, body: json!({"success": false, "data": null, "meta": meta}) }
    }

    /// `seconds` is often 0, and means nothing.
    pub fn too_many(seconds: u64) -> Refusal {
        let message = format!("Превышен лимит запросов, попробуйте повторить запрос через {seconds} секунд.");
        Refusal::new(429, &message)
    }

    pub fn not_found() -> Refusal {
        Refusal::new(404, "Не найдено")
    }

    /// The same words under the status of a success.
    pub fn disguised(self) -> Response {
        Refusal { status: 200, ..self }.into_response()
    }

    /// A page of the server before the service.
    pub fn page(status: u16, title: &str) -> Response {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let page = format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>");
        (status, [(header::CONTENT_TYPE, "text/html; charset=UTF-8")], page).into_response()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        super::server::json(status, &self.body)
    }
}
