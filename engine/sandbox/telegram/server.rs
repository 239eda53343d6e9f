//! The Bot API's front door: addresses, tokens, envelopes and faults.

use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use tokio::net::TcpListener;

use crate::sandbox::faults::befall;
use crate::sandbox::wire::{Breakable, Cut};

use super::Telegram;
use super::call::Reply;
use super::faults::{Ambiguous, BotApi, Kind};
use super::method::Method;
use super::params::Params;
use super::refusal::Refusal;

/// Serves the Bot API, its files and the control API until the runtime ends.
pub(super) fn serve(listener: TcpListener, sandbox: &Telegram) {
    let runtime = sandbox.0.runtime.clone();
    let router = Router::new()
        .route("/{bot}", any(bot_api_unnamed))
        .route("/{bot}/{method}", any(bot_api))
        .route("/file/{bot}/{*path}", get(download))
        .fallback(async || Refusal::not_found())
        .with_state(sandbox.clone())
        .nest("/sandbox", sandbox.router());
    let service = router.into_make_service_with_connect_info::<Cut>();
    runtime.spawn(axum::serve(Breakable(listener), service).into_future());
}

async fn bot_api_unnamed(
    State(sandbox): State<Telegram>,
    Path(bot): Path<String>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    sandbox.answer(&bot, None, &cut, request).await
}

async fn bot_api(
    State(sandbox): State<Telegram>,
    Path((bot, method)): Path<(String, String)>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    sandbox.answer(&bot, Some(&method), &cut, request).await
}

/// The path comes decoded: `documents%2Ffile_1.pdf` is as good as `documents/file_1.pdf`.
async fn download(State(sandbox): State<Telegram>, Path((bot, path)): Path<(String, String)>) -> Response {
    if let Err(refusal) = sandbox.check_token(&bot) {
        return refusal.into_response();
    }
    match sandbox.0.files.by_path(&path) {
        Some(file) => ([(header::CONTENT_TYPE, file.mime)], file.bytes.clone()).into_response(),
        None => Refusal::not_found().into_response(),
    }
}

impl Telegram {
    async fn answer(&self, bot: &str, method: Option<&str>, cut: &Cut, request: Request) -> Response {
        if let Err(refusal) = self.check_token(bot) {
            return refusal.into_response();
        }
        let params = match Params::read(request).await {
            Ok(params) => params,
            Err(status) => return status.into_response(),
        };
        let name = method.map(std::borrow::Cow::Borrowed).or_else(|| params.text("method"));
        let Some(method) = name.and_then(|name| Method::parse(&name)) else {
            return Refusal::no_method().into_response();
        };
        self.0.calls[method as usize].fetch_add(1, Ordering::Relaxed);
        match self.0.faults.strike(method) {
            None => envelope(self.call(method, &params).await),
            Some(fault) => self.suffer(fault, method, params, cut).await,
        }
    }

    async fn suffer(&self, fault: Kind, method: Method, params: Params, cut: &Cut) -> Response {
        let sandbox = self.clone();
        let call = async move {
            let outcome = sandbox.call(method, &params).await;
            if outcome.is_ok() && method.sends() && fault.hides_success() {
                sandbox.0.faults.remember(Ambiguous {
                    method,
                    chat: params.int("chat_id"),
                    text: params.text("text").unwrap_or_default().into_owned(),
                });
            }
            envelope(outcome)
        };
        befall(fault, &BotApi, cut, call).await
    }

    fn check_token(&self, bot: &str) -> Result<(), Refusal> {
        let token = bot.strip_prefix("bot").ok_or_else(Refusal::not_found)?;
        if token == self.0.token {
            return Ok(());
        }
        let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let is_well_formed = token.len() <= 80
            && token.split_once(':').is_some_and(|(id, secret)| {
                id.parse::<u64>().is_ok() && secret.len() >= 24 && secret.chars().all(is_letter)
            });
        Err(if is_well_formed { Refusal::unauthorized() } else { Refusal::not_found() })
    }
}

fn envelope(outcome: Result<Reply, Refusal>) -> Response {
    let reply = match outcome {
        Ok(reply) => reply,
        Err(refusal) => return refusal.into_response(),
    };
    let description =
        reply.description.map(|text| format!(",\"description\":\"{text}\"")).unwrap_or_default();
    let body = format!("{{\"ok\":true,\"result\":{}{description}}}", reply.result);
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
