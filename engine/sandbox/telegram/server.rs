//! The Bot API's front door: addresses, tokens, envelopes, faults, and connections that break on purpose.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::Telegram;
use super::call::Reply;
use super::faults::{Ambiguous, Kind};
use super::method::Method;
use super::params::Params;
use super::refusal::Refusal;

const GATEWAY_PAGE: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
    <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.18.0</center>\r\n</body>\r\n</html>\r\n";

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
            Some(fault) => self.suffer(fault, method, &params, cut).await,
        }
    }

    async fn suffer(&self, fault: Kind, method: Method, params: &Params, cut: &Cut) -> Response {
        match fault {
            Kind::TooManyRequests { retry_after } => Refusal::too_many_requests(retry_after).into_response(),
            Kind::ServerError => Refusal::restarting().into_response(),
            Kind::BadGatewayHtml => gateway_page(),
            Kind::Reset => cut.now(),
            Kind::Slow(pause) => {
                tokio::time::sleep(pause).await;
                envelope(self.call(method, params).await)
            }
            Kind::SlowAfterAccept(pause) => {
                let outcome = self.call(method, params).await;
                tokio::time::sleep(pause).await;
                envelope(outcome)
            }
            Kind::ResetAfterAccept | Kind::BadGatewayAfterAccept => {
                let is_done = self.call(method, params).await.is_ok();
                if is_done && method.sends() {
                    self.0.faults.remember(Ambiguous {
                        method,
                        chat: params.int("chat_id"),
                        text: params.text("text").unwrap_or_default().into_owned(),
                    });
                }
                if fault == Kind::ResetAfterAccept { cut.now() } else { gateway_page() }
            }
        }
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

fn gateway_page() -> Response {
    (StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "text/html")], GATEWAY_PAGE).into_response()
}

/// Cuts the connection it belongs to: the answer is never written, and the client sees a reset.
#[derive(Clone, Debug, Default)]
struct Cut(Arc<AtomicBool>);

impl Cut {
    fn now(&self) -> Response {
        self.0.store(true, Ordering::Release);
        Response::new(Body::empty())
    }

    fn is_made(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Connected<IncomingStream<'_, Breakable>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Breakable>) -> Cut {
        stream.io().cut.clone()
    }
}

/// A listener whose connections can be cut by the handlers they serve.
struct Breakable(TcpListener);

impl Listener for Breakable {
    type Io = Wire;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Wire, Self::Addr) {
        let (stream, addr) = Listener::accept(&mut self.0).await;
        // Without it small answers wait for the client's acknowledgement; a failure only costs that time.
        let _ = stream.set_nodelay(true);
        (Wire { stream, cut: Cut::default() }, addr)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

struct Wire {
    stream: TcpStream,
    cut: Cut,
}

impl Wire {
    fn check(&self) -> io::Result<()> {
        if !self.cut.is_made() {
            return Ok(());
        }
        // Closing without lingering sends RST instead of FIN.
        self.stream.set_zero_linger()?;
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
