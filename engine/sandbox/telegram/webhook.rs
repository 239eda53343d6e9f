//! Webhooks: several deliveries at once, in order within a queue, again and again until the bot says 2xx.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use serde_json::json;
use tokio::time::Instant;
use url::Url;

use crate::clock::Timestamp;

use super::call::Reply;
use super::method::Method;
use super::params::Params;
use super::refusal::Refusal;
use super::updates::{Pending, Queue, Updates};
use super::{Telegram, lock};

const PATIENCE: Duration = Duration::from_mins(1);
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);
/// A bot that said "gone" so long is believed.
const GONE_FOR_GOOD: Duration = Duration::from_hours(23);
/// Without a success for so long only one connection is tried.
const HEALTHY: Duration = Duration::from_secs(10);
const SECRET_HEADER: &str = "X-Telegram-Bot-Api-Secret-Token";

/// A webhook that is set.
pub(super) struct Webhook {
    url: Url,
    secret: Option<String>,
    max_connections: usize,
    /// Tells the deliveries of this webhook from those of one set before.
    generation: u64,
    lanes: HashMap<Queue, Lane>,
    ready: VecDeque<Queue>,
    in_flight: usize,
    /// Queues that wait after a failure.
    resting: usize,
    last_success: Option<Instant>,
    last_error: Option<(Timestamp, String)>,
    gone_since: Option<Timestamp>,
}

/// A queue that has something to deliver: it is either ready, in flight, or waits after a failure.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<i64>,
    failures: u32,
}

struct Delivery {
    url: Url,
    secret: Option<String>,
    generation: u64,
    queue: Queue,
    id: i64,
    json: Bytes,
}

struct Failure {
    text: String,
    retry_after: Option<Duration>,
    is_gone: bool,
}

/// The client that knocks at webhooks. The error tells that the process installed no TLS provider.
pub(super) fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .tcp_nodelay(true)
        .build()
}

impl Webhook {
    /// Puts an update at the end of its queue.
    pub fn enqueue(&mut self, queue: Queue, id: i64) {
        if let Some(lane) = self.lanes.get_mut(&queue) {
            lane.waiting.push_back(id);
            return;
        }
        self.ready.push_back(queue.clone());
        self.lanes.insert(queue, Lane { waiting: VecDeque::from([id]), failures: 0 });
    }

    fn connections(&self) -> usize {
        let is_healthy = self.last_success.is_some_and(|at| at.elapsed() < HEALTHY);
        if is_healthy { self.max_connections } else { 1 }
    }
}

impl Updates {
    /// The deliveries that may start now.
    fn due(&mut self, now: Timestamp) -> Vec<Delivery> {
        let Updates { pending, webhook, .. } = self;
        let Some(webhook) = webhook else { return Vec::new() };
        let mut due = Vec::new();
        while webhook.in_flight < webhook.connections() {
            let Some(queue) = webhook.ready.pop_front() else { break };
            let Some(lane) = webhook.lanes.get_mut(&queue) else { continue };
            drop_expired(&mut lane.waiting, pending, now);
            let Some(id) = lane.waiting.front().copied() else {
                webhook.lanes.remove(&queue);
                continue;
            };
            let Some(update) = pending.get(&id) else { continue };
            webhook.in_flight += 1;
            due.push(Delivery {
                url: webhook.url.clone(),
                secret: webhook.secret.clone(),
                generation: webhook.generation,
                queue,
                id,
                json: update.json.clone(),
            });
        }
        due
    }

    fn webhook_of(&mut self, generation: u64) -> Option<&mut Webhook> {
        self.webhook.as_mut().filter(|webhook| webhook.generation == generation)
    }
}

impl Telegram {
    /// Starts every delivery that may start now.
    pub(super) fn pump(&self, updates: &mut Updates) {
        for delivery in updates.due(self.now()) {
            self.0.runtime.spawn(self.clone().deliver(delivery));
        }
    }

    pub(super) fn set_webhook(&self, params: &Params) -> Result<Reply, Refusal> {
        let url = params.text("url").unwrap_or_default();
        if url.is_empty() {
            return Ok(self.delete_webhook(params));
        }
        let bad = |why: &str| Refusal::bad_request(&format!("bad webhook: {why}"));
        let url = Url::parse(&url).map_err(|_| bad("invalid webhook URL specified"))?;
        if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
            return Err(bad("An HTTPS URL must be provided for webhook"));
        }
        let secret = params.text("secret_token").filter(|secret| !secret.is_empty()).map(String::from);
        let is_fit = |secret: &String| {
            secret.len() <= 256 && secret.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        };
        if secret.as_ref().is_some_and(|secret| !is_fit(secret)) {
            return Err(Refusal::bad_request("secret token contains unallowed characters"));
        }
        let connections = params.int("max_connections").unwrap_or(40).clamp(1, 100);
        let mut updates = lock(&self.0.updates);
        updates.interrupt_poll();
        updates.subscribe(params);
        if params.flag("drop_pending_updates") {
            updates.pending.clear();
        }
        let max_connections = usize::try_from(connections).unwrap_or(40);
        let same =
            |old: &Webhook| old.url == url && old.secret == secret && old.max_connections == max_connections;
        let is_same = updates.webhook.as_ref().is_some_and(same);
        updates.webhooks_set += 1;
        let mut webhook = Webhook {
            url,
            secret,
            max_connections,
            generation: updates.webhooks_set,
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            in_flight: 0,
            resting: 0,
            last_success: None,
            last_error: None,
            gone_since: None,
        };
        updates.pending.iter().for_each(|(id, update)| webhook.enqueue(update.queue.clone(), *id));
        updates.webhook = Some(webhook);
        self.pump(&mut updates);
        Ok(Reply::done(if is_same { "Webhook is already set" } else { "Webhook was set" }))
    }

    pub(super) fn delete_webhook(&self, params: &Params) -> Reply {
        let mut updates = lock(&self.0.updates);
        if params.flag("drop_pending_updates") {
            updates.pending.clear();
        }
        match updates.webhook.take() {
            Some(_) => Reply::done("Webhook was deleted"),
            None => Reply::done("Webhook is already deleted"),
        }
    }

    pub(super) fn webhook_info(&self) -> Reply {
        let mut updates = lock(&self.0.updates);
        updates.expire(self.now());
        let mut info = json!({
            "url": updates.webhook.as_ref().map_or("", |webhook| webhook.url.as_str()),
            "has_custom_certificate": false,
            "pending_update_count": updates.pending.len(),
        });
        if let Some(webhook) = &updates.webhook {
            info["max_connections"] = webhook.max_connections.into();
            if let Some(host) = webhook.url.host_str() {
                info["ip_address"] = host.into();
            }
            if let Some((at, text)) = &webhook.last_error {
                info["last_error_date"] = (at.0 / 1000).into();
                info["last_error_message"] = text.as_str().into();
            }
        }
        if let Some(allowed) = updates.allowed() {
            info["allowed_updates"] = json!(allowed);
        }
        Reply::value(&info)
    }

    /// Whether updates are delivered to a webhook rather than kept for polls.
    pub fn has_webhook(&self) -> bool {
        lock(&self.0.updates).webhook.is_some()
    }

    /// How many queues of updates wait to be tried again after a failed delivery.
    pub fn deliveries_waiting(&self) -> usize {
        lock(&self.0.updates).webhook.as_ref().map_or(0, |webhook| webhook.resting)
    }

    async fn deliver(self, delivery: Delivery) {
        let outcome = self.knock(&delivery).await;
        if let Ok(Some(call)) = &outcome {
            // The result of a call made this way is reported to nobody.
            let _ = Box::pin(self.call(call.0, &call.1)).await;
        }
        let pause = {
            let mut updates = lock(&self.0.updates);
            let pause = match outcome {
                Ok(_) => {
                    updates.pending.remove(&delivery.id);
                    Self::delivered(&mut updates, &delivery);
                    None
                }
                Err(failure) => self.failed(&mut updates, &delivery, failure),
            };
            self.pump(&mut updates);
            pause
        };
        self.touch();
        if let Some(until) = pause {
            self.0.clock.sleep_until(until).await;
            let mut updates = lock(&self.0.updates);
            if let Some(webhook) = updates.webhook_of(delivery.generation) {
                webhook.resting -= 1;
                webhook.ready.push_back(delivery.queue);
            }
            self.pump(&mut updates);
            drop(updates);
            self.touch();
        }
    }

    fn delivered(updates: &mut Updates, delivery: &Delivery) {
        let Some(webhook) = updates.webhook_of(delivery.generation) else { return };
        webhook.in_flight -= 1;
        webhook.last_success = Some(Instant::now());
        webhook.gone_since = None;
        let Some(lane) = webhook.lanes.get_mut(&delivery.queue) else { return };
        lane.failures = 0;
        lane.waiting.pop_front();
        if lane.waiting.is_empty() {
            webhook.lanes.remove(&delivery.queue);
        } else {
            webhook.ready.push_back(delivery.queue.clone());
        }
    }

    /// Writes a failure down and says when to try this queue again.
    fn failed(&self, updates: &mut Updates, delivery: &Delivery, failure: Failure) -> Option<Timestamp> {
        let now = self.now();
        let webhook = updates.webhook_of(delivery.generation)?;
        webhook.in_flight -= 1;
        webhook.last_error = Some((now, failure.text));
        webhook.gone_since = failure.is_gone.then(|| webhook.gone_since.unwrap_or(now));
        if webhook.gone_since.is_some_and(|since| now.since(since) >= GONE_FOR_GOOD) {
            updates.webhook = None;
            return None;
        }
        let lane = webhook.lanes.get_mut(&delivery.queue)?;
        let ceiling = Duration::from_secs(rand::random_range(60..=120));
        let doubled = Duration::from_secs(1 << lane.failures.min(7)).min(ceiling);
        lane.failures += 1;
        webhook.resting += 1;
        Some(now + failure.retry_after.unwrap_or(doubled))
    }

    /// Posts one update; a call in the answer is returned to be done.
    async fn knock(&self, delivery: &Delivery) -> Result<Option<(Method, Params)>, Failure> {
        let mut request = self
            .0
            .client
            .post(delivery.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT_ENCODING, "gzip, deflate")
            .body(delivery.json.clone());
        if let Some(secret) = &delivery.secret {
            request = request.header(SECRET_HEADER, secret);
        }
        let response = request.send().await.map_err(|error| unreachable(&error))?;
        if !response.status().is_success() {
            return Err(refused(&response));
        }
        let kind = response.headers().get(header::CONTENT_TYPE).cloned();
        let body = response.bytes().await.map_err(|error| unreachable(&error))?;
        let Some(kind) = kind.filter(|_| !body.is_empty()) else { return Ok(None) };
        let Ok(answer) = Request::builder().header(header::CONTENT_TYPE, kind).body(Body::from(body)) else {
            return Ok(None);
        };
        // What cannot be read as a call is simply an answer.
        let Ok(params) = Params::read(answer).await else { return Ok(None) };
        let method = params.text("method").and_then(|name| Method::parse(&name));
        Ok(method.filter(|method| method.may_answer_webhook()).map(|method| (method, params)))
    }
}

/// Drops from the front of a queue what nobody took in time.
fn drop_expired(waiting: &mut VecDeque<i64>, pending: &mut BTreeMap<i64, Pending>, now: Timestamp) {
    while let Some(id) = waiting.front() {
        if pending.get(id).is_some_and(|update| update.expires > now) {
            break;
        }
        pending.remove(id);
        waiting.pop_front();
    }
}

fn refused(response: &reqwest::Response) -> Failure {
    let status = response.status();
    let seconds =
        response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Failure {
        text: format!("Wrong response from the webhook: {status}"),
        retry_after: seconds.map(|seconds| Duration::from_secs(seconds).min(MAX_RETRY_AFTER)),
        is_gone: status == StatusCode::GONE,
    }
}

fn unreachable(error: &reqwest::Error) -> Failure {
    let text = if error.is_timeout() {
        "Read timeout expired".to_owned()
    } else if error.is_connect() {
        "Connection refused".to_owned()
    } else {
        "Connection closed".to_owned()
    };
    Failure { text, retry_after: None, is_gone: false }
}
