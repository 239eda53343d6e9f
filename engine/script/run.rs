//! One run of a flow over its journal: every step found there returns what it returned before, the first one that
//! is not there ends the run. The host does that step, writes it down, and runs the flow again.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rhai::{CallFnOptions, Dynamic, EvalAltResult, NativeCallContext, Position, Scope};
use serde_json::{Map, Value, json};

use super::diagnostic::Finding;
use super::host::{Act, Action, Args, Ask, Caller, Chat, HostFn};
use super::set::Set;
use super::value;
use crate::telegram::Outgoing;

/// One entry of a journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The host function: `chat.ask_text`.
    pub name: String,
    /// Where in the scripts it was called.
    pub site: Site,
    /// The arguments of a write.
    pub request: Option<Value>,
    /// What the script was given.
    pub answer: Value,
}

/// A place in a script: `flows/task.rhai:12:9`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site {
    /// The file, relative to the bot's folder.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Site {
    /// Reads what `to_string` wrote; the default for anything else.
    pub fn parse(text: &str) -> Site {
        let mut parts = text.rsplitn(3, ':');
        let column = parts.next().and_then(|part| part.parse().ok());
        let line = parts.next().and_then(|part| part.parse().ok());
        match (parts.next(), line, column) {
            (Some(file), Some(line), Some(column)) => Site { file: file.to_owned(), line, column },
            _ => Site::default(),
        }
    }

    fn of(file: Option<&str>, position: Position) -> Site {
        let file = file.unwrap_or_default().to_owned();
        Site { file, line: position.line().unwrap_or(0), column: position.position().unwrap_or(0) }
    }
}

impl std::fmt::Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    /// Steps done on the way, to be added to the journal.
    pub steps: Vec<Step>,
    /// What was said on the way: the number of the step and the message.
    pub said: Vec<(usize, Outgoing)>,
    /// Whether the last thing wanted is to show "typing…".
    pub is_typing: bool,
    /// The places of all steps of this run, in order: those found in the journal, those added, the pending one.
    pub road: Vec<Site>,
    /// Why it ended.
    pub end: End,
}

impl Ran {
    fn failed(finding: Finding) -> Ran {
        let end = End::Failed(finding);
        Ran { steps: Vec::new(), said: Vec::new(), is_typing: false, road: Vec::new(), end }
    }
}

/// Why a run ended.
#[derive(Debug)]
pub enum End {
    /// A step only the host can do.
    Pending(Pending),
    /// The flow is over.
    Finished,
    /// The flow begins anew.
    Restart,
    /// Another flow takes over.
    Handover {
        /// Its name.
        flow: String,
        /// What it is given.
        args: Value,
    },
    /// The journal tells of another road than the script takes.
    Diverged(Divergence),
    /// The script failed.
    Failed(Finding),
}

/// A step that waits for the host.
#[derive(Debug)]
pub struct Pending {
    /// The host function.
    pub name: String,
    /// Where it was called.
    pub site: Site,
    /// What is to be done.
    pub work: Work,
}

/// What only the host can do.
#[derive(Debug)]
pub enum Work {
    /// Wait for the person.
    Ask(Ask),
    /// Call the function's own code.
    Call(&'static HostFn, Args),
}

/// Where a journal and a script part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The number of the step.
    pub step: usize,
    /// What the journal holds there.
    pub journaled: String,
    /// What the script called.
    pub called: String,
    /// Where it called it.
    pub site: Site,
}

/// The marker under which a host function's refusal is journaled, so that a replay throws it again.
const THROWN: &str = "$thrown";

/// An answer that a script receives as an error to catch.
pub fn thrown(error: &Value) -> Value {
    json!({ THROWN: error })
}

/// The error in an answer, when there is one.
pub fn thrown_in(answer: &Value) -> Option<&Value> {
    answer.get(THROWN)
}

struct State {
    caller: Caller,
    key_prefix: String,
    /// Telegram's number of the message under whose button the flow began.
    pressed: Option<i64>,
    journal: Arc<Vec<Step>>,
    cursor: usize,
    max_steps: usize,
    max_value_bytes: usize,
    steps: Vec<Step>,
    said: Vec<(usize, Outgoing)>,
    is_typing: bool,
    road: Vec<Site>,
    /// Once set, every further step ends the run at once: scripts cannot swallow a suspension.
    end: Option<End>,
}

type Shared = Arc<Mutex<State>>;

thread_local! {
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
    static WAS_OVERDUE: Cell<bool> = const { Cell::new(false) };
}

/// Whether the work on this thread has used up its time; asked by the engine every so many operations.
pub(super) fn is_overdue() -> bool {
    let is_overdue = DEADLINE.get().is_some_and(|deadline| Instant::now() >= deadline);
    if is_overdue {
        WAS_OVERDUE.set(true);
    }
    is_overdue
}

/// Gives the work on this thread so much time.
pub(super) fn timed<T>(time: Duration, work: impl FnOnce() -> T) -> T {
    WAS_OVERDUE.set(false);
    DEADLINE.set(Some(Instant::now() + time));
    let result = work();
    DEADLINE.set(None);
    result
}

/// How long a run may hold up the thread it was asked for on.
const GLANCE: Duration = Duration::from_millis(2);

/// Runs a flow without holding up other chats.
///
/// Most runs take microseconds and are done on the spot. One that takes longer is broken off and done anew on a
/// thread that may block: a run is a pure function of its journal, so nothing of the first try is left.
pub async fn run_apart(
    set: &Arc<Set>,
    flow: &str,
    journal: Arc<Vec<Step>>,
    caller: Caller,
    key_prefix: String,
) -> Ran {
    let wall_time = set.limits().wall_time;
    let first = run_within(
        GLANCE.min(wall_time),
        set,
        flow,
        Arc::clone(&journal),
        caller.clone(),
        key_prefix.clone(),
    );
    if wall_time <= GLANCE || !WAS_OVERDUE.get() {
        return first;
    }
    let (set, flow) = (Arc::clone(set), flow.to_owned());
    let work = move || run_within(wall_time, &set, &flow, journal, caller, key_prefix);
    tokio::task::spawn_blocking(work).await.expect("a panic of a script goes on in its turn")
}

/// Runs a flow over its journal, whose first entry holds what the flow is given at its start.
///
/// Blocks the thread for at most the set's wall time. `key_prefix` begins the keys of the messages said.
pub fn run(set: &Set, flow: &str, journal: Arc<Vec<Step>>, caller: Caller, key_prefix: String) -> Ran {
    run_within(set.limits().wall_time, set, flow, journal, caller, key_prefix)
}

fn run_within(
    time: Duration,
    set: &Set,
    flow: &str,
    journal: Arc<Vec<Step>>,
    caller: Caller,
    key_prefix: String,
) -> Ran {
    let Some(flow) = set.flow(flow) else {
        let finding = Finding::in_file(flow, "такого разговора в этом наборе нет");
        return Ran::failed(finding);
    };
    let start = journal.first().map_or(Value::Null, |step| step.answer.clone());
    let limits = set.limits();
    let state = Arc::new(Mutex::new(State {
        caller,
        key_prefix,
        pressed: start["pressed"].as_i64(),
        journal,
        cursor: 1,
        max_steps: limits.journal_steps,
        max_value_bytes: limits.shared_value_bytes,
        steps: Vec::new(),
        said: Vec::new(),
        is_typing: false,
        road: Vec::new(),
        end: None,
    }));
    let mut arguments = vec![Dynamic::from(Chat), value::to_script(&start["partner"])];
    if flow.takes_args {
        arguments.push(value::to_script(&start["args"]));
    }
    let options = CallFnOptions::new().with_tag(Dynamic::from(Arc::clone(&state)));
    let result = timed(time, || {
        set.engine().call_fn_with_options::<Dynamic>(
            options,
            &mut Scope::new(),
            &flow.ast,
            "start",
            arguments,
        )
    });
    let mut state = lock(&state);
    let end = match (state.end.take(), result) {
        // A callback may have swallowed the interruption: nothing that came after it counts.
        (_, result) if WAS_OVERDUE.get() => {
            End::Failed(Finding::overdue(set, &flow.path, result.err().as_deref()))
        }
        (Some(end), _) => end,
        (None, Ok(_)) if state.cursor < state.journal.len() => {
            let journaled = state.journal[state.cursor].name.clone();
            let step = state.cursor;
            End::Diverged(Divergence {
                step, journaled, called: "конец".to_owned(), site: Site::default()
            })
        }
        (None, Ok(_)) => End::Finished,
        (None, Err(error)) => End::Failed(Finding::of_error(set, &flow.path, &error)),
    };
    Ran {
        steps: std::mem::take(&mut state.steps),
        said: std::mem::take(&mut state.said),
        is_typing: state.is_typing,
        road: std::mem::take(&mut state.road),
        end,
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    // A poisoned state belongs to a run whose panic is being reported; what it holds is still whole.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The body of every host function: reads the arguments, then answers from the journal, does the step, or suspends.
pub(super) fn call(
    ctx: &NativeCallContext,
    function: &'static HostFn,
    read: impl FnOnce(&mut [&mut Dynamic]) -> Result<Args, String>,
    given: &mut [&mut Dynamic],
) -> Result<Dynamic, Box<EvalAltResult>> {
    let refuse = |why: String| Box::new(EvalAltResult::ErrorRuntime(why.into(), ctx.call_position()));
    let args = read(given).map_err(refuse)?;
    if let Action::Pure(compute) = function.action {
        return compute(&args).map_err(refuse);
    }
    let shared = ctx.tag().and_then(|tag| tag.clone().try_cast::<Shared>());
    let Some(shared) = shared else {
        return Err(refuse(format!("{} можно звать только внутри разговора", function.full_name())));
    };
    let mut state = lock(&shared);
    state.step(ctx, function, args).map_err(|stop| match stop {
        Stop::Suspended => Box::new(EvalAltResult::ErrorTerminated(Dynamic::UNIT, ctx.call_position())),
        Stop::Refused(why) => refuse(why),
        Stop::Thrown(error) => {
            Box::new(EvalAltResult::ErrorRuntime(value::to_script(&error), ctx.call_position()))
        }
    })
}

enum Stop {
    Suspended,
    Refused(String),
    Thrown(Value),
}

impl State {
    fn step(
        &mut self,
        ctx: &NativeCallContext,
        function: &'static HostFn,
        args: Args,
    ) -> Result<Dynamic, Stop> {
        if self.end.is_some() {
            return Err(Stop::Suspended);
        }
        let site = Site::of(ctx.call_source(), ctx.call_position());
        self.road.push(site.clone());
        let number = self.cursor;
        if number >= self.max_steps {
            return Err(Stop::Refused(format!(
                "в разговоре больше {} шагов: разбейте его или начните сначала через chat.restart()",
                self.max_steps
            )));
        }
        let request = function.fingerprint(&args);
        if let Some(known) = self.journal.get(number) {
            if known.name == function.full_name() && known.request == request {
                self.cursor += 1;
                return answer(&known.answer);
            }
            let (journaled, called) = (known.name.clone(), function.full_name());
            return Err(self.stop(End::Diverged(Divergence { step: number, journaled, called, site })));
        }
        let name = function.full_name();
        let journaled = |answer| Step { name: name.clone(), site: site.clone(), request: None, answer };
        let step = match &function.action {
            Action::Pure(_) => return Err(Stop::Refused("чистая функция — не шаг".to_owned())),
            Action::Known(know) => journaled(know(&self.caller, &args).map_err(Stop::Refused)?),
            Action::Read(_)
            | Action::LocalWrite(_)
            | Action::KeyedWrite(_)
            | Action::CheckedWrite { .. }
            | Action::Once(_) => {
                let work = Work::Call(function, args);
                return Err(self.stop(End::Pending(Pending {
                    name: name.clone(),
                    site: site.clone(),
                    work,
                })));
            }
            Action::Chat(act) => match act(&args).map_err(Stop::Refused)? {
                Act::Say(message) => {
                    let key = format!("{}{number}", self.key_prefix);
                    self.said.push((number, message));
                    journaled(json!({ "message": key }))
                }
                Act::Typing => {
                    self.is_typing = true;
                    journaled(Value::Null)
                }
                Act::Pressed => {
                    journaled(self.pressed.map_or(Value::Null, |number| json!({ "message": number })))
                }
                Act::Ask(ask) => {
                    let work = Work::Ask(ask);
                    return Err(self.stop(End::Pending(Pending {
                        name: name.clone(),
                        site: site.clone(),
                        work,
                    })));
                }
                Act::Finish => return Err(self.stop(End::Finished)),
                Act::Restart => return Err(self.stop(End::Restart)),
                Act::Handover { flow, args } => return Err(self.stop(End::Handover { flow, args })),
            },
        };
        self.cursor += 1;
        let result = answer(&step.answer);
        if !fits(&step.answer, self.max_value_bytes) {
            return Err(Stop::Refused("значение слишком велико для журнала".to_owned()));
        }
        self.steps.push(step);
        result
    }

    fn stop(&mut self, end: End) -> Stop {
        self.end = Some(end);
        Stop::Suspended
    }
}

fn answer(value: &Value) -> Result<Dynamic, Stop> {
    match value.as_object().and_then(|map: &Map<String, Value>| map.get(THROWN)) {
        Some(error) => Err(Stop::Thrown(error.clone())),
        None => Ok(value::to_script(value)),
    }
}

/// Whether a value written down stays within a size; small ones are not measured twice.
pub fn fits(value: &Value, bytes: usize) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => text.len() <= bytes,
        Value::Array(_) | Value::Object(_) => value.to_string().len() <= bytes,
    }
}
