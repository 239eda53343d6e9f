//! What comes by schedule: flows with `cron(…)` in their headers, and the host's own jobs.
//!
//! A planned moment has one row in the store, so whoever writes it first runs it, however many instances look. What
//! was missed while nobody ran is made up for, once, for the latest moment. A flow comes to its people by entries of
//! their lanes, some at a time: their questions to other services must not come all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono_tz::Tz;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Timestamp;
use crate::lanes::Lanes;
use crate::schedule::Schedule;
use crate::script::{Access, Set};
use crate::store::job::{Audience, Due, Job, Outcome, Progress, Run, State, Step};
use crate::store::{self, Store};
use crate::telegram::ChatId;

/// People a flow comes to in one step, and how often it takes one: with two questions of each to `YClients` half of
/// what that bears is left to those who ask by themselves.
const PORTION: u32 = 30;
const STEP: Duration = Duration::from_mins(1);
/// How long a job of the host waits before it tries again.
const AGAIN: Duration = Duration::from_mins(10);
/// Changed flows and runs of dead neighbours are looked for so often.
const GLANCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);

/// A job of the host's own.
pub trait Work: fmt::Debug + Send + Sync + 'static {
    /// Does what the run is for, or what is left of it; `told` takes how far it has come.
    fn attempt<'a>(&'a self, run: &'a Run, told: &'a Told) -> BoxFuture<'a, Came>;
}

/// What came of an attempt, in words for whoever looks at `/health`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// All is done.
    Done(String),
    /// Something is left; it is tried again until the next moment of the job.
    NotYet(String),
}

/// Takes how far a run has come.
#[derive(Debug)]
pub struct Told {
    store: Store,
    run: Run,
}

impl Told {
    /// Writes it down. What cannot be written is not missed: the next word comes soon.
    pub async fn progress(&self, done: u64, total: u64, report: &str) {
        let noted = self.store.note_run(&self.run, Progress { done, total }, report).await;
        if let Err(error) = noted {
            tracing::warn!(job.name = %self.run.job.name, "progress is not noted: {error}");
        }
    }
}

/// A job of the host with its schedule.
#[derive(Clone, Debug)]
pub struct Own {
    /// Its name for ever. It begins with `host:`, so that no flow has it.
    pub name: &'static str,
    /// When it comes.
    pub schedule: Schedule,
    /// What it does.
    pub work: Arc<dyn Work>,
}

/// Something planned.
#[derive(Clone, Debug)]
struct Planned {
    job: Job,
    schedule: Schedule,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Flow(Audience),
    Own(Arc<dyn Work>),
}

impl Planned {
    /// What to do about a moment: a flow that was live before it comes, however lately it was saved, and one that was taken
    /// out of the folder owes nothing of that time. A job of the host owes everything from the start.
    fn due(&self, moment: Timestamp, since: Option<Timestamp>) -> Due {
        match self.kind {
            Kind::Flow(_) if since.is_none_or(|since| moment < since) => Due::Skip,
            Kind::Flow(_) | Kind::Own(_) => Due::Run,
        }
    }
}

/// Runs what comes by schedule.
#[derive(Debug)]
pub struct Jobs {
    lanes: Arc<Lanes>,
    zone: Tz,
    own: Vec<Own>,
    /// Since when each job is planned, as it was written down last.
    since: Mutex<BTreeMap<Job, Timestamp>>,
    tasks: TaskTracker,
}

impl Jobs {
    /// The jobs of the host, and whatever flows are live, by the calendar of `zone`.
    pub fn new(lanes: Arc<Lanes>, zone: Tz, own: Vec<Own>) -> Arc<Jobs> {
        Arc::new(Jobs { lanes, zone, own, since: Mutex::default(), tasks: TaskTracker::new() })
    }

    /// Begins runs as their moments come, until told to stop. Runs that are not over by then go on at the next start.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let clock = Arc::clone(self.lanes.host().clock());
        loop {
            let now = clock.now();
            let plan = self.plan();
            if let Err(error) = self.begin_due(&plan, now, &stop).await {
                tracing::warn!("jobs wait for the database: {error}");
            }
            let next = plan.iter().filter_map(|planned| planned.schedule.next(now, self.zone)).min();
            tokio::select! {
                () = stop.cancelled() => break,
                () = clock.sleep_until(next.unwrap_or(Timestamp(i64::MAX))) => {}
                () = tokio::time::sleep(GLANCE) => {}
            }
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// For `/health`: each job with its last run and its next moment. One that failed, or has not come through yet,
    /// makes the part degraded.
    pub async fn report(&self) -> Value {
        let runs = match self.store().latest_runs().await {
            Ok(runs) => runs,
            Err(error) => return json!({ "status": "degraded", "error": error.to_string(), "jobs": [] }),
        };
        let runs: BTreeMap<&Job, &Run> = runs.iter().map(|run| (&run.job, run)).collect();
        let now = self.lanes.host().clock().now();
        let plan = self.plan();
        let is_well = plan.iter().filter_map(|planned| runs.get(&planned.job)).all(|run| is_well(run));
        let jobs = plan.iter().map(|planned| {
            json!({
                "name": planned.job.name,
                "schedule": planned.job.schedule,
                "next": planned.schedule.next(now, self.zone),
                "last": runs.get(&planned.job).map(|run| card(run)),
            })
        });
        json!({ "status": if is_well { "ok" } else { "degraded" }, "jobs": jobs.collect::<Value>() })
    }

    fn store(&self) -> &Store {
        self.lanes.host().store()
    }

    fn plan(&self) -> Vec<Planned> {
        let own = self.own.iter().map(|own| Planned {
            job: Job { name: own.name.to_owned(), schedule: own.schedule.to_string() },
            schedule: own.schedule.clone(),
            kind: Kind::Own(Arc::clone(&own.work)),
        });
        let host = self.lanes.host();
        let flows = coming(&host.scripts().live(), host.staff_chat()).into_iter();
        let flows = flows.map(|Coming { job, schedule, audience }| Planned {
            job,
            schedule,
            kind: Kind::Flow(audience),
        });
        own.chain(flows).collect()
    }

    /// Takes the runs whose moments have passed and that nobody has taken.
    async fn begin_due(
        self: &Arc<Self>,
        plan: &[Planned],
        now: Timestamp,
        stop: &CancellationToken,
    ) -> Result<(), store::Error> {
        let since = self.note(plan).await?;
        let runs = self.store().latest_runs().await?;
        for planned in plan {
            let Some(moment) = planned.schedule.latest(now, self.zone) else { continue };
            // A look is cheaper than a try.
            if runs.iter().any(|run| run.job == planned.job && is_settled(run, moment)) {
                continue;
            }
            let due = planned.due(moment, since.get(&planned.job).copied());
            if let Some(run) = self.store().claim_run(&planned.job, moment, due).await? {
                let (this, kind, stop) = (Arc::clone(self), planned.kind.clone(), stop.clone());
                self.tasks.spawn(async move { this.perform(run, kind, stop).await });
            }
        }
        Ok(())
    }

    /// Since when each job is planned; written down when a plan is not that of the last look.
    async fn note(&self, plan: &[Planned]) -> Result<BTreeMap<Job, Timestamp>, store::Error> {
        let known = self.since.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let jobs: BTreeSet<&Job> = plan.iter().map(|planned| &planned.job).collect();
        if known.keys().eq(jobs.iter().copied()) {
            return Ok(known);
        }
        let live_since = self.lanes.host().scripts().live_since();
        let since =
            self.store().plan_jobs(jobs.into_iter().map(|job| (job.clone(), live_since)).collect()).await?;
        self.since.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&since);
        Ok(since)
    }

    async fn perform(&self, run: Run, kind: Kind, stop: CancellationToken) {
        let name = run.job.name.clone();
        tracing::info!(job.name = %name, "job {name} for {} begins", run.planned_at);
        let work = async {
            match &kind {
                Kind::Flow(audience) => self.feed(&run, audience, &stop).await,
                Kind::Own(work) => self.insist(&run, work.as_ref(), &stop).await,
            }
        };
        if AssertUnwindSafe(work).catch_unwind().await.is_err() {
            tracing::error!(job.name = %name, "job {name} panicked");
            self.end(&run, Outcome::Failed, "panicked").await;
        }
    }

    /// Brings a flow to all its people.
    async fn feed(&self, run: &Run, audience: &Audience, stop: &CancellationToken) {
        let clock = self.lanes.host().clock();
        loop {
            let next = match self.store().feed_run(run, audience, PORTION).await {
                Ok(Step { entries, is_last }) => {
                    self.lanes.offer(entries);
                    if is_last {
                        return;
                    }
                    clock.now() + STEP
                }
                Err(error) => {
                    tracing::warn!(job.name = %run.job.name, "a flow waits for the database: {error}");
                    tokio::time::sleep(PAUSE).await;
                    clock.now()
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = clock.sleep_until(next) => {}
            }
        }
    }

    /// Has a job of the host tried until it comes through, or its next moment comes.
    async fn insist(&self, run: &Run, work: &dyn Work, stop: &CancellationToken) {
        let clock = self.lanes.host().clock();
        let told = Told { store: self.store().clone(), run: run.clone() };
        let next = Schedule::parse(&run.job.schedule).ok().and_then(|s| s.next(run.planned_at, self.zone));
        loop {
            let came = tokio::select! {
                () = stop.cancelled() => return,
                came = work.attempt(run, &told) => came,
            };
            let report = match came {
                Came::Done(report) => return self.end(run, Outcome::Done, &report).await,
                Came::NotYet(report) => report,
            };
            tracing::warn!(job.name = %run.job.name, "job {} is tried again: {report}", run.job.name);
            let again = clock.now() + AGAIN;
            if next.is_some_and(|next| next <= again) {
                return self.end(run, Outcome::Failed, &report).await;
            }
            self.hold(run, &report).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = clock.sleep_until(again) => {}
            }
        }
    }

    /// Writes down what holds a run up, beside how far it has come.
    async fn hold(&self, run: &Run, report: &str) {
        if let Err(error) = self.store().hold_run(run, report).await {
            tracing::warn!(job.name = %run.job.name, "what holds a run up is not noted: {error}");
        }
    }

    /// Ends a run: until that is on disk, others would take it for one that is open.
    async fn end(&self, run: &Run, outcome: Outcome, report: &str) {
        tracing::info!(job.name = %run.job.name, "job {} is {}: {report}", run.job.name, outcome.as_str());
        while let Err(error) = self.store().end_run(run, outcome, report).await {
            if error.verdict() == store::Verdict::GiveUp {
                return tracing::error!(job.name = %run.job.name, "the end of a run is not noted: {error}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A flow that comes by schedule, and to whom.
#[derive(Clone, Debug)]
pub(crate) struct Coming {
    pub job: Job,
    pub schedule: Schedule,
    pub audience: Audience,
}

/// The flows of a set that come by schedule. They come to whom their headers admit: partners each in their own chat,
/// staff in the office's.
pub(crate) fn coming(set: &Set, office: Option<ChatId>) -> Vec<Coming> {
    let mut coming = Vec::new();
    for flow in set.flows() {
        for schedule in flow.header.schedules() {
            let access = &flow.header.access;
            let standings = access.iter().filter(|&&access| access != Access::Staff);
            coming.push(Coming {
                job: Job { name: flow.name.clone(), schedule: schedule.to_string() },
                schedule: schedule.clone(),
                audience: Audience {
                    standings: standings.map(|access| access.word()).collect(),
                    office: office.filter(|_| access.contains(&Access::Staff)),
                },
            });
        }
    }
    coming
}

/// Whether nothing is to be done about a job's moment: its run is over, or somebody is at work.
fn is_settled(run: &Run, moment: Timestamp) -> bool {
    match run.state {
        State::Ended { .. } => run.planned_at >= moment,
        State::Open { is_held, .. } => is_held,
    }
}

fn is_well(run: &Run) -> bool {
    match run.state {
        State::Ended { outcome, .. } => outcome != Outcome::Failed,
        // What holds it up is told; how far it has come is told, too, once it is at work again.
        State::Open { .. } => !run.is_held_up,
    }
}

fn card(run: &Run) -> Value {
    let (ended_at, result) = match run.state {
        State::Ended { at, outcome } => (Some(at), outcome.as_str()),
        State::Open { .. } if run.is_held_up => (None, "held_up"),
        State::Open { .. } => (None, "running"),
    };
    json!({
        "planned_at": run.planned_at, "started_at": run.started_at, "ended_at": ended_at, "result": result,
        "report": run.report, "done": run.progress.done, "total": run.progress.total,
    })
}
