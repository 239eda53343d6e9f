//! A stand-in for Telegram that keeps nothing: it hands updates out and passes messages on to the crowd.

use std::borrow::Cow;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};

use crate::crowd::{Bell, Crowd};
use crate::wire::{Message, Wire};

/// The stand-in; a clone is another handle of the same one.
#[derive(Clone)]
pub struct Telegram(Rc<Inner>);

struct Inner {
    crowd: RefCell<Crowd>,
    bell: Bell,
    latency: Duration,
    address: SocketAddr,
}

/// What of a call's parameters is of use.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Params<'a> {
    chat_id: Option<i64>,
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(borrow)]
    url: Cow<'a, str>,
    timeout: u64,
}

/// Deliveries to a webhook at once: what Telegram allows at most.
const CONNECTIONS: usize = 100;
/// Updates in one answer to `getUpdates`.
const PORTION: usize = 100;
const ME: &str = r#"{"id":1,"is_bot":true,"first_name":"Load","username":"load_bot","can_join_groups":true,"can_read_all_group_messages":false,"supports_inline_queries":false,"can_connect_to_business":false,"has_main_web_app":false}"#;

impl Telegram {
    /// Starts to listen on loopback. `latency` passes between a message and the answer to it; the person sees the
    /// message half way.
    pub async fn start(crowd: Crowd, latency: Duration) -> std::io::Result<Telegram> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let inner = Inner { crowd: RefCell::new(crowd), bell: Bell::default(), latency, address };
        let telegram = Telegram(Rc::new(inner));
        let server = telegram.clone();
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(server.clone().serve(stream));
            }
        });
        Ok(telegram)
    }

    /// The Bot API's address.
    pub fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// Does something with the crowd; whoever spoke meanwhile is delivered.
    pub fn crowd<T>(&self, with: impl FnOnce(&mut Crowd) -> T) -> T {
        let result = with(&mut self.0.crowd.borrow_mut());
        self.0.bell.ring();
        result
    }

    /// Answers the calls that come over one connection.
    async fn serve(self, stream: TcpStream) {
        let Ok(mut wire) = Wire::new(stream) else { return };
        while let Ok(Some(request)) = wire.receive().await {
            let result = self.answer(&request).await;
            let body = format!(r#"{{"ok":true,"result":{result}}}"#);
            if wire.send("HTTP/1.1 200 OK\r\n", &body).await.is_err() {
                return;
            }
        }
    }

    /// The result of a call, as JSON.
    async fn answer(&self, request: &Message) -> String {
        let path = request.first.split(' ').nth(1).unwrap_or_default();
        let method = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let params = Params::read(request);
        match method.as_str() {
            "getupdates" => self.portion(Duration::from_secs(params.timeout)).await,
            "sendmessage" => {
                let chat = params.chat_id.unwrap_or_default();
                let half = self.0.latency / 2;
                if !half.is_zero() {
                    tokio::time::sleep(half).await;
                }
                self.crowd(|crowd| crowd.hear(chat, &params.text));
                if !half.is_zero() {
                    tokio::time::sleep(half).await;
                }
                format!(
                    r#"{{"message_id":1,"date":1700000000,"chat":{{"id":{chat},"type":"private","first_name":"Анна"}},"text":"…"}}"#
                )
            }
            "setwebhook" => {
                for _ in 0..CONNECTIONS {
                    tokio::task::spawn_local(self.clone().deliver(params.url.clone().into_owned()));
                }
                "true".to_owned()
            }
            "getme" => ME.to_owned(),
            "getwebhookinfo" => {
                r#"{"url":"","has_custom_certificate":false,"pending_update_count":0}"#.to_owned()
            }
            _ => "true".to_owned(),
        }
    }

    /// The updates that wait, or the first that comes within `hold`.
    async fn portion(&self, hold: Duration) -> String {
        let deadline = tokio::time::Instant::now() + hold;
        loop {
            let updates: Vec<String> = {
                let mut crowd = self.0.crowd.borrow_mut();
                std::iter::from_fn(|| crowd.next_update()).take(PORTION).collect()
            };
            let is_late = tokio::time::timeout_at(deadline, async {
                if updates.is_empty() {
                    self.0.bell.heard().await;
                }
            });
            if is_late.await.is_err() || !updates.is_empty() {
                return format!("[{}]", updates.join(","));
            }
        }
    }

    /// Brings updates to the webhook over one connection, one at a time.
    async fn deliver(self, url: String) {
        let address = url.trim_start_matches("http://");
        let (host, path) = address.split_once('/').unwrap_or((address, ""));
        let head = format!(
            "POST /{path} HTTP/1.1\r\nHost: {host}\r\nX-Telegram-Bot-Api-Secret-Token: {}\r\n",
            crate::process::SECRET
        );
        let mut wire: Option<Wire> = None;
        loop {
            let next = self.0.crowd.borrow_mut().next_update();
            let Some(update) = next else {
                self.0.bell.heard().await;
                continue;
            };
            // Another connection may take what waits behind this update.
            self.0.bell.ring();
            let taken = bring(&mut wire, host, &head, &update).await.unwrap_or(false);
            if !taken {
                wire = None;
                self.0.crowd.borrow_mut().tally().refused += 1;
            }
        }
    }
}

/// Whether the bot took an update.
async fn bring(wire: &mut Option<Wire>, host: &str, head: &str, update: &str) -> std::io::Result<bool> {
    if wire.is_none() {
        *wire = Some(Wire::new(TcpStream::connect(host).await?)?);
    }
    let wire = wire.as_mut().expect("connected above");
    wire.send(head, update).await?;
    let answer = wire.receive().await?;
    Ok(answer.is_some_and(|answer| answer.first.split(' ').nth(1).is_some_and(|code| code.starts_with('2'))))
}

impl<'a> Params<'a> {
    /// Reads JSON or a form; what is neither has no parameters.
    fn read(request: &'a Message) -> Params<'a> {
        if !request.is_form {
            return serde_json::from_slice(&request.body).unwrap_or_default();
        }
        let mut params = Params::default();
        for (name, value) in url::form_urlencoded::parse(&request.body) {
            match &*name {
                "chat_id" => params.chat_id = value.parse().ok(),
                "text" => params.text = value,
                "url" => params.url = value,
                "timeout" => params.timeout = value.parse().unwrap_or_default(),
                _ => {}
            }
        }
        params
    }
}
