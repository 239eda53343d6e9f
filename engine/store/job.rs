//! Runs of what comes by schedule: a planned moment is run once, whoever asks and whenever.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::FromRow;

use super::database::{Pool, Rows, words};
use super::tx::Tx;
use super::{Error, LaneId, Store, inbox, lane};
use crate::clock::Timestamp;
use crate::telegram::ChatId;

words! {
    /// How a run ended.
    pub enum Outcome {
        /// It did what it is for.
        Done = "done",
        /// It did not, and its time is over.
        Failed = "failed",
        /// Its moment was before anybody knew of the job.
        Skipped = "skipped",
    }
}

/// What comes by a schedule. Under another schedule it is another job: what was planned by the former is over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Job {
    /// A flow, or a job of the host.
    pub name: String,
    /// Five fields of cron.
    pub schedule: String,
}

/// What to do about a moment that has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Run: it was promised.
    Run,
    /// Wait for the next: the job was not planned then, whatever it did before.
    Skip,
}

/// One run of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Of what.
    pub job: Job,
    /// For which moment.
    pub planned_at: Timestamp,
    /// When somebody began it, for the first time.
    pub started_at: Timestamp,
    /// How it stands.
    pub state: State,
    /// Whether an attempt failed and the next is waited for.
    pub is_held_up: bool,
    /// What came of it, or what holds it up.
    pub report: String,
    /// How much is done, and of how much.
    pub progress: Progress,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Somebody is at work on it, or was when they died.
    Open {
        /// Whether it is this very instance.
        is_ours: bool,
        /// Whether whoever began it still lives.
        is_held: bool,
    },
    /// It is over.
    Ended {
        /// When.
        at: Timestamp,
        /// How.
        outcome: Outcome,
    },
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is done.
    pub done: u64,
    /// Of how much; zero while nobody knows.
    pub total: u64,
}

/// Whom a flow reaches in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// Standings of partners, as their rows have them.
    pub standings: Vec<&'static str>,
    /// The office's chat, if it is among them.
    pub office: Option<ChatId>,
}

/// What one step of a flow's run brought about.
#[derive(Debug)]
pub struct Step {
    /// For those whose turn it was.
    pub entries: Vec<inbox::Entry>,
    /// Whether nobody is left.
    pub is_last: bool,
}

/// A run as it is read.
#[derive(FromRow)]
struct Stored {
    job: String,
    schedule: String,
    planned_at: i64,
    started_at: i64,
    is_ours: i64,
    is_held: i64,
    ended_at: Option<i64>,
    result: Option<String>,
    held_up: i64,
    report: String,
    done: i64,
    total: i64,
}

impl Stored {
    fn run(self) -> Result<Run, Error> {
        let state = match (self.ended_at, self.result) {
            (Some(at), Some(result)) => {
                State::Ended { at: Timestamp(at), outcome: Outcome::parse("job_run.result", &result)? }
            }
            _ => State::Open { is_ours: self.is_ours != 0, is_held: self.is_held != 0 },
        };
        Ok(Run {
            job: Job { name: self.job, schedule: self.schedule },
            planned_at: Timestamp(self.planned_at),
            started_at: Timestamp(self.started_at),
            state,
            is_held_up: self.held_up != 0,
            report: self.report,
            progress: Progress { done: self.done.unsigned_abs(), total: self.total.unsigned_abs() },
        })
    }
}

impl Store {
    /// The latest run of every job.
    pub async fn latest_runs(&self) -> Result<Vec<Run>, Error> {
        latest(self.readers()?, self.0.me).await
    }

    /// Writes down that just these jobs are planned, and tells since when each is: without a break, so one that was taken
    /// out and comes back is planned anew since the moment that is given with it.
    pub async fn plan_jobs(&self, planned: Vec<(Job, Timestamp)>) -> Result<BTreeMap<Job, Timestamp>, Error> {
        self.job(move |tx| Box::pin(async move { plan(tx, &planned).await })).await
    }

    /// Takes the run of a job for `moment`, its latest that has passed; `None` when there is nothing to take.
    pub async fn claim_run(&self, job: &Job, moment: Timestamp, due: Due) -> Result<Option<Run>, Error> {
        let (me, now, job) = (self.0.me, self.0.clock.now(), job.clone());
        self.job(move |tx| Box::pin(async move { claim(tx, me, &job, moment, due, now).await })).await
    }

    /// Writes down how far a run has come.
    pub async fn note_run(&self, run: &Run, progress: Progress, report: &str) -> Result<(), Error> {
        let (me, run, report) = (self.0.me, run.clone(), report.to_owned());
        self.job(move |tx| Box::pin(async move { note(tx, me, &run, progress, &report).await })).await
    }

    /// Writes down what holds a run up.
    pub async fn hold_run(&self, run: &Run, report: &str) -> Result<(), Error> {
        let (me, run, report) = (self.0.me, run.clone(), report.to_owned());
        self.job(move |tx| Box::pin(async move { hold(tx, me, &run, &report).await })).await
    }

    /// Ends a run.
    pub async fn end_run(&self, run: &Run, outcome: Outcome, report: &str) -> Result<(), Error> {
        let (me, now, run, report) = (self.0.me, self.0.clock.now(), run.clone(), report.to_owned());
        self.job(move |tx| Box::pin(async move { end(tx, me, &run, (outcome, &report), now).await })).await
    }

    /// Brings a flow to the next `limit` of its audience; the last step ends the run.
    pub async fn feed_run(&self, run: &Run, audience: &Audience, limit: u32) -> Result<Step, Error> {
        let (me, now) = (self.0.me, self.0.clock.now());
        let (run, audience) = (run.clone(), audience.clone());
        self.job(move |tx| {
            Box::pin(async move {
                let (new, is_last) = feed(tx, me, &run, &audience, limit, now).await?;
                let entries = inbox::accept(tx, inbox::rows(&new, now)).await?.take(&new, now);
                lane::wake_holders(tx, &entries.iter().map(|entry| entry.lane).collect(), me);
                Ok(Step { entries, is_last })
            })
        })
        .await
    }
}

/// The latest run of every job that ever ran.
async fn latest(pool: &Pool, me: i64) -> Result<Vec<Run>, Error> {
    const SQL: &str = "\
        select job, schedule, planned_at, started_at, ended_at, result, held_up, report, done, total,
               cast(case when owner = $1 then 1 else 0 end as bigint) as is_ours,
               cast(case when owner in (select id from live_instance) then 1 else 0 end as bigint) as is_held
        from job_run as run
        where not exists (
            select 1 from job_run as later
            where later.job = run.job and later.schedule = run.schedule and later.planned_at > run.planned_at)
        order by job, schedule";
    let runs: Vec<Stored> = pool.rows("read runs", SQL, &[me.into()]).await?;
    runs.into_iter().map(Stored::run).collect()
}

/// Writes down that just these jobs are planned; those that were keep their beginning.
async fn plan(tx: &mut Tx, planned: &[(Job, Timestamp)]) -> Result<BTreeMap<Job, Timestamp>, Error> {
    const END: &str = "\
        delete from job_plan
        where not exists (
            select 1 from jsonb_each($1)
            where value ->> 'job' = job_plan.job and value ->> 'schedule' = job_plan.schedule)";
    const BEGIN: &str = "\
        insert into job_plan (job, schedule, since)
        select value ->> 'job', value ->> 'schedule', cast(value ->> 'since' as bigint)
        from jsonb_each($1)
        where true -- or SQLite takes `on conflict` for a join's condition
        on conflict (job, schedule) do nothing";
    const ALL: &str = "select job, schedule, since from job_plan";
    let rows = Rows::of(
        planned
            .iter()
            .map(|(job, since)| json!({ "job": job.name, "schedule": job.schedule, "since": since.0 })),
    );
    tx.run("end the plans of jobs", END, &[(&rows).into()]).await?;
    tx.run("plan jobs", BEGIN, &[(&rows).into()]).await?;
    let all: Vec<(String, String, i64)> = tx.rows("read the plans of jobs", ALL, &[]).await?;
    let plan = |(name, schedule, since)| (Job { name, schedule }, Timestamp(since));
    Ok(all.into_iter().map(plan).collect())
}

/// Takes the run of `moment`, the latest of a job that has passed: its first run, or one whose owner died. None
/// when it is taken, or over, or while an earlier one is still at work. What was planned before and never ended is
/// over: only the latest moment is made up for.
async fn claim(
    tx: &mut Tx,
    me: i64,
    job: &Job,
    moment: Timestamp,
    due: Due,
    now: Timestamp,
) -> Result<Option<Run>, Error> {
    const LATEST: &str = "\
        select job, schedule, planned_at, started_at, ended_at, result, held_up, report, done, total,
               cast(case when owner = $3 then 1 else 0 end as bigint) as is_ours,
               cast(case when owner in (select id from live_instance) then 1 else 0 end as bigint) as is_held
        from job_run
        where job = $1 and schedule = $2
        order by planned_at desc
        limit 1";
    const TAKE_OVER: &str = "\
        update job_run set owner = $4
        where job = $1 and schedule = $2 and planned_at = $3 and ended_at is null
          and owner not in (select id from live_instance)";
    const GIVE_UP: &str = "\
        update job_run set ended_at = $4, result = 'failed'
        where job = $1 and schedule = $2 and planned_at = $3 and ended_at is null";
    let named = |last: i64| [job.name.as_str().into(), job.schedule.as_str().into(), last.into()];
    let found: Vec<Stored> = tx.rows("look for a run", LATEST, &named(me)).await?;
    let Some(former) = found.into_iter().next().map(Stored::run).transpose()? else {
        return begin(tx, me, job, moment, due, now).await;
    };
    let [name, schedule, at] = named(former.planned_at.0);
    match former.state {
        State::Open { is_held: true, .. } => Ok(None),
        State::Open { .. } if former.planned_at >= moment => {
            let taken = tx.run("take a run over", TAKE_OVER, &[name, schedule, at, me.into()]).await?;
            let state = State::Open { is_ours: true, is_held: true };
            Ok((taken > 0).then_some(Run { state, ..former }))
        }
        State::Open { .. } => {
            tx.run("give a run up", GIVE_UP, &[name, schedule, at, now.0.into()]).await?;
            begin(tx, me, job, moment, due, now).await
        }
        State::Ended { .. } if former.planned_at >= moment => Ok(None),
        State::Ended { .. } => begin(tx, me, job, moment, due, now).await,
    }
}

async fn begin(
    tx: &mut Tx,
    me: i64,
    job: &Job,
    moment: Timestamp,
    due: Due,
    now: Timestamp,
) -> Result<Option<Run>, Error> {
    const SQL: &str = "\
        insert into job_run (job, schedule, planned_at, owner, started_at, ended_at, result)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (job, schedule, planned_at) do nothing";
    let (ended_at, outcome) = match due {
        Due::Run => (None, None),
        Due::Skip => (Some(now.0), Some(Outcome::Skipped.as_str())),
    };
    let args = [
        job.name.as_str().into(),
        job.schedule.as_str().into(),
        moment.0.into(),
        me.into(),
        now.0.into(),
        ended_at.into(),
        outcome.into(),
    ];
    let begun = tx.run("begin a run", SQL, &args).await? > 0;
    Ok((begun && due == Due::Run).then(|| Run {
        job: job.clone(),
        planned_at: moment,
        started_at: now,
        state: State::Open { is_ours: true, is_held: true },
        is_held_up: false,
        report: String::new(),
        progress: Progress::default(),
    }))
}

/// Writes down how far a run of ours has come.
async fn note(tx: &mut Tx, me: i64, run: &Run, progress: Progress, report: &str) -> Result<(), Error> {
    const SQL: &str = "\
        update job_run set done = $5, total = $6, report = $7, held_up = 0
        where job = $1 and schedule = $2 and planned_at = $3 and owner = $4 and ended_at is null";
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let args = [
        run.job.name.as_str().into(),
        run.job.schedule.as_str().into(),
        run.planned_at.0.into(),
        me.into(),
        count(progress.done).into(),
        count(progress.total).into(),
        report.into(),
    ];
    tx.run("note a run's progress", SQL, &args).await.map(drop)
}

/// Writes down what holds a run of ours up.
async fn hold(tx: &mut Tx, me: i64, run: &Run, report: &str) -> Result<(), Error> {
    const SQL: &str = "\
        update job_run set held_up = 1, report = $5
        where job = $1 and schedule = $2 and planned_at = $3 and owner = $4 and ended_at is null";
    let (name, schedule) = (run.job.name.as_str(), run.job.schedule.as_str());
    let args = [name.into(), schedule.into(), run.planned_at.0.into(), me.into(), report.into()];
    tx.run("note what holds a run up", SQL, &args).await.map(drop)
}

/// Ends a run of ours.
async fn end(
    tx: &mut Tx,
    me: i64,
    run: &Run,
    (outcome, report): (Outcome, &str),
    now: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "\
        update job_run set ended_at = $5, result = $6, report = $7
        where job = $1 and schedule = $2 and planned_at = $3 and owner = $4 and ended_at is null";
    let args = [
        run.job.name.as_str().into(),
        run.job.schedule.as_str().into(),
        run.planned_at.0.into(),
        me.into(),
        now.0.into(),
        outcome.as_str().into(),
        report.into(),
    ];
    tx.run("end a run", SQL, &args).await.map(drop)
}

/// Writes the entries by which a flow comes to the next `limit` of its audience, and moves the run's place on; after
/// the last of them the run is over. What was written is never written again.
async fn feed(
    tx: &mut Tx,
    me: i64,
    run: &Run,
    audience: &Audience,
    limit: u32,
    now: Timestamp,
) -> Result<(Vec<inbox::New>, bool), Error> {
    const PLACE: &str = "\
        select place from job_run
        where job = $1 and schedule = $2 and planned_at = $3 and owner = $4 and ended_at is null";
    const NEXT: &str = "\
        select user_id, chat_id from partner
        where user_id > $1 and reachable = 1 and status in (select value ->> 0 from jsonb_each($2))
        order by user_id
        limit $3";
    const MOVE_ON: &str = "\
        update job_run set place = $5, done = done + $6
        where job = $1 and schedule = $2 and planned_at = $3 and owner = $4";
    let (name, schedule) = (run.job.name.as_str(), run.job.schedule.as_str());
    let named = [name.into(), schedule.into(), run.planned_at.0.into(), me.into()];
    let found: Vec<(i64,)> = tx.rows("look how far a run has come", PLACE, &named).await?;
    let Some(&(place,)) = found.first() else { return Ok((Vec::new(), true)) };
    // One value a row: PostgreSQL reads the words of a list only out of lists.
    let standings = json!(audience.standings.iter().map(|word| [word]).collect::<Vec<_>>()).to_string();
    let args = [place.into(), standings.as_str().into(), i64::from(limit).into()];
    let next: Vec<(i64, i64)> = tx.rows("look for a flow's next people", NEXT, &args).await?;
    let office = audience.office.filter(|_| place == 0).map(|office| office.0);
    let chats: Vec<i64> = office.into_iter().chain(next.iter().map(|(_, chat)| *chat)).collect();
    let last = next.last().map_or(i64::MAX, |(user, _)| *user);
    let [name, schedule, at, owner] = named;
    let count = i64::try_from(chats.len()).unwrap_or(i64::MAX);
    tx.run("move a run on", MOVE_ON, &[name, schedule, at, owner, last.into(), count.into()]).await?;
    let is_last = next.len() < limit as usize;
    if is_last {
        end(tx, me, run, (Outcome::Done, ""), now).await?;
    }
    Ok((chats.into_iter().map(|chat| entry(run, chat)).collect(), is_last))
}

/// The entry by which a flow comes to a chat.
fn entry(run: &Run, chat: i64) -> inbox::New {
    let (Job { name, schedule }, planned_at) = (&run.job, run.planned_at.0);
    inbox::New {
        source: String::from("cron"),
        key: format!("{name}:{schedule}:{planned_at}:{chat}"),
        lane: LaneId(chat),
        body: json!({ "flow": name, "planned_at": planned_at }).into(),
    }
}

/// Deletes runs that ended before an instant, but for the latest of each job: it says what is done already.
pub(super) async fn sweep(tx: &mut Tx, before: Timestamp) -> Result<u64, Error> {
    const SQL: &str = "\
        delete from job_run
        where ended_at < $1
          and exists (select 1 from job_run as later
                      where later.job = job_run.job and later.schedule = job_run.schedule
                        and later.planned_at > job_run.planned_at)";
    tx.run("sweep runs", SQL, &[before.0.into()]).await
}
