//! What `/health` tells: each part with its state, and down only when the bot cannot do its job.

use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use teloxide::payloads::GetMe;
use tokio_util::sync::CancellationToken;

use crate::conversation;
use crate::http::Service;
use crate::jobs::Jobs;
use crate::lanes::Lanes;
use crate::outbox::Outbox;
use crate::script::Scripts;
use crate::store::doubt::Doubt;
use crate::telegram::{Client, Request};

/// Looks at the parts of the bot.
#[derive(Debug)]
pub struct Health {
    lanes: Arc<Lanes>,
    outbox: Arc<Outbox>,
    scripts: Arc<Scripts>,
    jobs: Arc<Jobs>,
    client: Client,
    services: Vec<Service>,
    started: Instant,
    /// Telegram is asked at most so often, however often we are.
    telegram: Mutex<Option<(Instant, Value)>>,
}

/// A part that takes longer than this to answer is not well.
const PATIENCE: Duration = Duration::from_secs(2);
const COUNTED_EVERY: Duration = Duration::from_secs(5);
const TELEGRAM_ASKED_EVERY: Duration = Duration::from_secs(30);
/// Messages older than this mean that something holds them up.
const LATE: Duration = Duration::from_mins(1);

impl Health {
    /// A look at these parts; each of `services` becomes one by its name. `started` is when the process began.
    pub fn new(
        lanes: Arc<Lanes>,
        outbox: Arc<Outbox>,
        scripts: Arc<Scripts>,
        jobs: Arc<Jobs>,
        client: Client,
        services: Vec<Service>,
        started: Instant,
    ) -> Health {
        recorder();
        Health { lanes, outbox, scripts, jobs, client, services, started, telegram: Mutex::default() }
    }

    /// Whether the bot can take an update: its database answers.
    pub async fn can_work(&self) -> bool {
        part(self.lanes.host().store().ping()).await["status"] == "ok"
    }

    /// Everything, as `/health` gives it.
    pub async fn report(&self) -> Value {
        let store = self.lanes.host().store();
        let (database, telegram, queues, running, doubts, parked, scheduler) = tokio::join!(
            part(store.ping()),
            self.telegram(),
            store.health(),
            store.running_by_set(),
            store.open_doubts(),
            store.parked(),
            self.jobs.report()
        );
        let now = self.lanes.host().clock().now();
        let delay =
            queues.as_ref().ok().and_then(|queues| queues.oldest_message).map(|oldest| now.since(oldest));
        let outbox = json!({
            "status": if delay.is_some_and(|delay| delay > LATE) { "degraded" } else { "ok" },
            "queued": self.outbox.queued(),
            "lag_seconds": delay.map_or(0, |delay| delay.as_secs()),
        });
        let parked = parked.unwrap_or_default();
        let put_off: Vec<_> = parked.iter().filter_map(conversation::put_off).collect();
        let parked = parked.len() - put_off.len();
        let conversations = json!({
            "status": if parked > 0 { "degraded" } else { "ok" },
            "awaiting": running.map_or(0, |by_set| by_set.values().sum::<u64>()),
            "parked": parked,
            "in_doubt": doubts.map_or_else(|_| Vec::new(), |doubts| doubts.iter().map(doubt).collect()),
            // Nothing is wrong with those: they go on when the service is back.
            "put_off": {
                "count": put_off.len(),
                "since": put_off.iter().map(|(since, _)| *since).min(),
                "latest": put_off.first().map(|(_, why)| why),
            },
            "open_entries": queues.as_ref().map_or(0, |queues| queues.open_entries),
            "busy_lanes": self.lanes.busy(),
        });
        let scripts = self.scripts();
        let mut parts = json!({
            "database": database, "outbox": outbox, "conversations": conversations, "scripts": scripts,
            "cache": self.lanes.host().cache().report(), "scheduler": scheduler,
        });
        for service in &self.services {
            parts[service.name()] = service.report();
        }
        lay_over(&mut parts["telegram"], telegram);
        let all_well =
            parts.as_object().is_some_and(|parts| parts.values().all(|part| part["status"] == "ok"));
        let status = match (parts["database"]["status"] == "ok", all_well) {
            (false, _) => "down",
            (true, false) => "degraded",
            (true, true) => "ok",
        };
        json!({
            "status": status,
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": self.started.elapsed().as_secs(),
            "parts": parts,
        })
    }

    /// The metrics in Prometheus' text form.
    pub fn metrics(&self) -> String {
        metrics::gauge!("outbox_queued").set(u32::try_from(self.outbox.queued()).unwrap_or(u32::MAX));
        metrics::gauge!("lanes_busy").set(u32::try_from(self.lanes.busy()).unwrap_or(u32::MAX));
        self.services.iter().for_each(Service::measure);
        let recorder = recorder();
        recorder.run_upkeep();
        recorder.render()
    }

    async fn telegram(&self) -> Value {
        let known = self.telegram.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, report)) = known
            && at.elapsed() < TELEGRAM_ASKED_EVERY
        {
            return report;
        }
        let report = part(self.client.call::<IgnoredAny>(Request::of(&GetMe::new()))).await;
        *self.telegram.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), report.clone()));
        report
    }

    fn scripts(&self) -> Value {
        let live = self.scripts.live();
        let flow = |flow: &crate::script::Flow| {
            let triggers: Vec<String> = flow.header.on.iter().map(ToString::to_string).collect();
            json!({ "name": flow.name, "title": flow.header.title, "triggers": triggers })
        };
        let refused = self.scripts.refused();
        json!({
            "status": if refused.is_some() { "degraded" } else { "ok" },
            "live": {
                "hash": live.hash(),
                "since": self.scripts.live_since(),
                "flows": live.flows().map(flow).collect::<Vec<_>>(),
                "folder": "flows/",
            },
            "refused": refused.map(|refusal| json!({ "at": refusal.at, "report": refusal.report })),
        })
    }
}

/// A write to the outside that waits for the office's word.
fn doubt(doubt: &Doubt) -> Value {
    json!({
        "id": doubt.id, "name": doubt.name, "case": doubt.number,
        "conversation": doubt.conversation, "since": doubt.opened_at,
    })
}

/// Adds what a sign of life told to what is known of a part; either may find it not well.
fn lay_over(part: &mut Value, sign: Value) {
    let is_well = part["status"] != "degraded" && sign["status"] == "ok";
    if let Value::Object(sign) = sign {
        sign.into_iter().for_each(|(key, value)| part[key] = value);
    }
    part["status"] = if is_well { "ok" } else { "degraded" }.into();
}

/// Counts together what the histograms were told, until told to stop. They keep every single value until then, even
/// when nobody reads `/metrics`.
pub async fn count_together(stop: CancellationToken) {
    let mut tick = tokio::time::interval(COUNTED_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => recorder().run_upkeep(),
        }
    }
}

/// The state of a part that is asked for a sign of life.
async fn part<T, E: std::fmt::Display>(sign: impl Future<Output = Result<T, E>>) -> Value {
    let asked = Instant::now();
    let answer = tokio::time::timeout(PATIENCE, sign).await;
    let latency = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
    let error = match answer {
        Ok(Ok(_)) => return json!({ "status": "ok", "latency_ms": latency, "error": null }),
        Ok(Err(error)) => error.to_string(),
        Err(_elapsed) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    json!({ "status": "degraded", "latency_ms": latency, "error": error })
}

/// The one recorder of a process; benches and tests that start several bots share it.
fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .expect("the buckets are not empty");
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another recorder of metrics is installed: /metrics stays empty");
        }
        handle
    })
}
