//! What a fault makes of a call.

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::sandbox::wire::Cut;

use super::Kind;

const GATEWAY_PAGE: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
    <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.18.0</center>\r\n</body>\r\n</html>\r\n";

/// A service's own way to refuse, and to have nothing to show.
pub(in crate::sandbox) trait Words {
    /// 429.
    fn too_many_requests(&self, retry_after: u64) -> Response;
    /// 503.
    fn unavailable(&self) -> Response;
    /// 500.
    fn server_error(&self) -> Response;
    /// The whole body of an answer, with its rows taken out.
    fn empty_page(&self, answer: Value) -> Value;
}

/// The answer to a struck call. `call` is the call itself: it is done unless the fault prevents it.
pub(in crate::sandbox) async fn befall(
    fault: Kind,
    words: &impl Words,
    cut: &Cut,
    call: impl Future<Output = Response> + Send + 'static,
) -> Response {
    match fault {
        Kind::TooManyRequests { retry_after } => words.too_many_requests(retry_after),
        Kind::Unavailable => words.unavailable(),
        Kind::ServerError => words.server_error(),
        Kind::BadGatewayHtml => gateway_page(),
        Kind::Canned { status, body } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Kind::Reset => cut.now(),
        Kind::Slow(pause) => {
            tokio::time::sleep(pause).await;
            call.await
        }
        Kind::SlowAfterAccept(pause) => {
            let answer = call.await;
            tokio::time::sleep(pause).await;
            answer
        }
        Kind::Late(pause) => {
            let work = tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                call.await
            });
            // A call that panicked has answered nothing.
            work.await.unwrap_or_else(|_| cut.now())
        }
        Kind::ResetAfterAccept => {
            call.await;
            cut.now()
        }
        Kind::ServerErrorAfterAccept => {
            call.await;
            words.server_error()
        }
        Kind::BadGatewayAfterAccept => {
            call.await;
            gateway_page()
        }
        Kind::EmptyBody => {
            call.await;
            StatusCode::OK.into_response()
        }
        Kind::CutJson => rewrite(call.await, |body| body.slice(..body.len() / 2)).await,
        Kind::WrongTypes => rewrite_json(call.await, distort).await,
        Kind::EmptyPage => rewrite_json(call.await, |answer| words.empty_page(answer)).await,
    }
}

fn gateway_page() -> Response {
    (StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "text/html")], GATEWAY_PAGE).into_response()
}

async fn rewrite_json(answer: Response, change: impl FnOnce(Value) -> Value) -> Response {
    let change = |body: Bytes| match serde_json::from_slice(&body) {
        Ok(value) => Bytes::from(change(value).to_string()),
        Err(_) => body,
    };
    rewrite(answer, change).await
}

/// Changes the body of a success; a refusal is left as it is.
async fn rewrite(answer: Response, change: impl FnOnce(Bytes) -> Bytes) -> Response {
    if !answer.status().is_success() {
        return answer;
    }
    let (mut head, body) = answer.into_parts();
    // The body was made in memory a moment ago.
    let body = change(to_bytes(body, usize::MAX).await.unwrap_or_default());
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    Response::from_parts(head, Body::from(body))
}

/// Keeps the names and nesting; no value is what it should be, and none can be taken for a number.
fn distort(value: Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("maybe"),
        Value::Number(number) => json!(format!("{number} штук")),
        Value::String(text) => json!({"value": text}),
        Value::Array(all) => all.into_iter().map(distort).collect(),
        Value::Object(all) => all.into_iter().map(|(name, value)| (name, distort(value))).collect(),
    }
}
