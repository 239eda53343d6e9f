//! What a script may call. One declaration makes a host function: from it come the Rhai binding, the check of names,
//! arguments and options, the journal entry and the documentation.

mod broadcasts;
mod chat;
mod content;
mod data;
mod doubts;
mod helper;
mod network;
mod outside;
mod portal;
mod ratings;
mod rules;
mod words;

use std::any::TypeId;
use std::sync::{Arc, LazyLock, OnceLock};

use futures::future::BoxFuture;
use rhai::{Dynamic, Engine, EvalAltResult, FuncRegistration, Module, NativeCallContext, RhaiFunc, Shared};
use serde_json::{Map, Value};

use super::run;
use super::value::{self, Html};
use crate::clock::Timestamp;
use crate::conversation::Host;
use crate::store::change::Change;
use crate::telegram::{ChatId, UserId};

pub use chat::{Act, Ask};
pub use data::partner_card;
pub use outside::{CallError, Done, Intent, Look, Outside, Written};
pub(crate) use portal::{seen as portal_seen, stage_title};

/// Who a script works for: known to every call, never passed by the script.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The chat in which the flow talks.
    pub chat: ChatId,
    /// The person it talks with.
    pub user: UserId,
    /// Their name in Telegram.
    pub name: Arc<str>,
    /// Their name there without the `@`, if they chose one.
    pub username: Option<Arc<str>>,
    /// Whether that person acts for the office.
    pub is_staff: bool,
    /// The moment of this turn.
    pub now: Timestamp,
    /// Since when the person waits for an answer; `None` when nobody does, as in a report by the clock.
    pub waits_since: Option<Timestamp>,
}

/// One function of the host.
#[derive(Debug)]
pub struct HostFn {
    /// `chat` for methods of the chat, else the module's name.
    pub module: &'static str,
    /// The function's name.
    pub name: &'static str,
    /// What it takes, in order; all are required.
    pub params: &'static [Param],
    /// The keys of its optional last argument, a map; empty when it takes none.
    pub options: &'static [Param],
    /// What it returns, in words for staff.
    pub returns: &'static str,
    /// What it does, in one sentence for staff.
    pub help: &'static str,
    /// A piece of a flow that calls it; it is compiled by a test.
    pub example: &'static str,
    /// Who may call it.
    pub right: Right,
    /// What is to be known of a call to another service; `None` for what the host does by itself.
    pub outside: Option<Outside>,
    /// How it is done.
    pub action: Action,
}

/// Who may call a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Whoever a flow talks with.
    Everybody,
    /// Partners, and the office.
    Partner,
    /// The office alone.
    Staff,
}

/// A parameter or an option of a host function.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name, as the documentation and the messages of errors call it.
    pub name: &'static str,
    /// What may be put there.
    pub shape: Shape,
    /// What it means, for staff.
    pub help: &'static str,
}

/// What an argument may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A string, or HTML made by the module `html`.
    Text,
    /// A whole number.
    Int,
    /// `true` or `false`.
    Bool,
    /// A list.
    List,
    /// A map.
    Map,
    /// A span of time: `"30m"`, `"2h"`, `"1d"`.
    Span,
    /// Anything that can be written down.
    Any,
}

/// The class of a function: what the host may do with it on replay and on doubt.
pub enum Action {
    /// Computed on the spot from its arguments; not journaled.
    Pure(fn(&Args) -> Result<Dynamic, String>),
    /// Known to the host at once; journaled, so that a replay sees the same.
    Known(fn(&Caller, &Args) -> Result<Value, String>),
    /// Speaks with the person: says, asks, hands over.
    Chat(fn(&Args) -> Result<Act, String>),
    /// Asks our own tables or the world; journaled; may be tried again.
    Read(for<'a> fn(&'a Host, Caller, Args) -> BoxFuture<'a, Result<Value, CallError>>),
    /// Changes our own tables; the change and its journal entry are one transaction.
    LocalWrite(fn(&Host, &Caller, &Args) -> Result<Change, CallError>),
    /// Changes the world; the service drops a repetition with the same key, so in doubt it is repeated.
    KeyedWrite(Write),
    /// Changes the world and leaves our mark there, so in doubt somebody can look first.
    CheckedWrite {
        /// Looks for what the write with this key has left.
        look: Looking,
        /// Writes.
        write: Write,
    },
    /// Changes the world, cannot be checked and must not repeat: in doubt a person decides.
    Once(Write),
}

/// The body of a write to the outside.
pub type Write = for<'a> fn(&'a Host, Caller, Args, Intent) -> BoxFuture<'a, Result<Written, CallError>>;

/// The body of a look for what a write has left.
pub type Looking = for<'a> fn(&'a Host, Caller, Args, Intent) -> BoxFuture<'a, Result<Look, CallError>>;

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Action::Pure(_) => "Pure",
            Action::Known(_) => "Known",
            Action::Chat(_) => "Chat",
            Action::Read(_) => "Read",
            Action::LocalWrite(_) => "LocalWrite",
            Action::KeyedWrite(_) => "KeyedWrite",
            Action::CheckedWrite { .. } => "CheckedWrite",
            Action::Once(_) => "Once",
        })
    }
}

impl Action {
    /// Whether a call is a step of the journal.
    pub fn is_step(&self) -> bool {
        !matches!(self, Action::Pure(_))
    }

    /// Whether a call changes something outside.
    pub fn is_outside_write(&self) -> bool {
        self.is_write() && !matches!(self, Action::LocalWrite(_))
    }

    /// Whether a call changes something, here or outside.
    pub fn is_write(&self) -> bool {
        match self {
            Action::Pure(_) | Action::Known(_) | Action::Chat(_) | Action::Read(_) => false,
            Action::LocalWrite(_) | Action::KeyedWrite(_) | Action::CheckedWrite { .. } | Action::Once(_) => {
                true
            }
        }
    }
}

/// Answers calls in place of the host and of the services: a scenario does.
pub trait StandIn: std::fmt::Debug + Send + Sync {
    /// What the journal keeps as the answer of a call; `None` leaves the call to the host. `key` names the step for
    /// ever: a step that is taken again after a crash is answered the same.
    fn answer(&self, key: &str, function: &HostFn, args: &Args) -> Option<Value>;

    /// Whether the answer of the write `key` is lost on its way, this once.
    fn loses(&self, _key: &str) -> bool {
        false
    }
}

/// The arguments of one call, checked against its declaration.
#[derive(Clone, Debug)]
pub struct Args {
    values: Vec<Value>,
    options: Map<String, Value>,
}

impl Args {
    /// The `index`-th argument as it came.
    pub fn any(&self, index: usize) -> &Value {
        &self.values[index]
    }

    /// The `index`-th argument, a text, as HTML ready for Telegram: plain strings are escaped.
    pub fn html(&self, index: usize) -> String {
        value::html_of(&self.values[index])
    }

    /// The `index`-th argument, a plain string.
    pub fn str(&self, index: usize) -> &str {
        self.values[index].as_str().unwrap_or_default()
    }

    /// The `index`-th argument, a number.
    pub fn int(&self, index: usize) -> i64 {
        self.values[index].as_i64().unwrap_or_default()
    }

    /// The `index`-th argument, a list.
    pub fn list(&self, index: usize) -> &[Value] {
        self.values[index].as_array().map_or(&[], Vec::as_slice)
    }

    /// An option, when it was given.
    pub fn option(&self, name: &str) -> Option<&Value> {
        self.options.get(name).filter(|value| !value.is_null())
    }

    /// The arguments as one JSON value, for the comparison of writes on replay.
    pub fn to_value(&self) -> Value {
        let mut all = self.values.clone();
        if !self.options.is_empty() {
            all.push(Value::Object(self.options.clone()));
        }
        Value::Array(all)
    }
}

impl HostFn {
    /// What a declaration leaves unsaid: nothing is taken, everybody may call, nobody outside is asked.
    pub const PLAIN: HostFn = HostFn {
        module: "",
        name: "",
        params: &[],
        options: &[],
        returns: "ничего",
        help: "",
        example: "",
        right: Right::Everybody,
        outside: None,
        action: Action::Known(|_, _| Ok(Value::Null)),
    };

    /// What a scenario is answered for a call to another service; `None` for what the host does by itself.
    pub fn stand_in(&self, args: &Args) -> Option<Value> {
        self.outside.as_ref().map(|outside| (outside.stand_in)(args))
    }

    /// The name by which the journal knows the function: `chat.say`, `requests::submit`.
    pub fn full_name(&self) -> String {
        let separator = if self.module == "chat" { "." } else { "::" };
        format!("{}{separator}{}", self.module, self.name)
    }

    /// Whether a person is asked something.
    pub fn is_question(&self) -> bool {
        self.module == "chat" && self.name.starts_with("ask_")
    }

    /// The numbers of arguments it accepts.
    pub fn arities(&self) -> std::ops::RangeInclusive<usize> {
        self.params.len()..=self.params.len() + usize::from(!self.options.is_empty())
    }

    /// What of a call the journal compares on replay: the arguments of writes, and nothing of the rest.
    pub fn fingerprint(&self, args: &Args) -> Option<Value> {
        self.action.is_write().then(|| args.to_value())
    }

    /// Reads and checks the arguments of a call; the error is a sentence for staff.
    fn args(&self, given: &mut [&mut Dynamic]) -> Result<Args, String> {
        let mut values = Vec::with_capacity(given.len());
        for (place, argument) in given.iter_mut().enumerate() {
            let name = self.params.get(place).map_or("настройки", |param| param.name);
            let value = value::from_script(argument)
                .map_err(|why| format!("{}: аргумент «{name}»: {why}", self.full_name()))?;
            values.push(value);
        }
        let options = match (values.len() > self.params.len()).then(|| values.pop()).flatten() {
            None => Map::new(),
            Some(Value::Object(options)) => options,
            Some(_) => return Err(format!("{}: последний аргумент — карта #{{…}}", self.full_name())),
        };
        for (param, value) in self.params.iter().zip(&values) {
            param.check(value).map_err(|why| format!("{}: аргумент {why}", self.full_name()))?;
        }
        for (key, value) in &options {
            let Some(param) = self.options.iter().find(|param| param.name == key) else {
                let known: Vec<_> = self.options.iter().map(|param| param.name).collect();
                return Err(format!(
                    "{}: нет настройки «{key}»; есть {}",
                    self.full_name(),
                    known.join(", ")
                ));
            };
            if !value.is_null() {
                param.check(value).map_err(|why| format!("{}: настройка {why}", self.full_name()))?;
            }
        }
        Ok(Args { values, options })
    }
}

impl Param {
    fn check(&self, value: &Value) -> Result<(), String> {
        let fits = match self.shape {
            Shape::Text => value.is_string() || value::is_html(value),
            Shape::Int => value.is_i64(),
            Shape::Bool => value.is_boolean(),
            Shape::List => value.is_array(),
            Shape::Map => value.is_object(),
            Shape::Span => value.as_str().is_some_and(|text| crate::clock::parse_span(text).is_some()),
            Shape::Any => true,
        };
        if fits {
            return Ok(());
        }
        Err(format!("«{}»: нужно {}, а пришло {}", self.name, self.shape.words(), value::kind(value)))
    }
}

impl Shape {
    /// What the shape is called in a sentence for staff.
    pub fn words(self) -> &'static str {
        match self {
            Shape::Text => "текст",
            Shape::Int => "целое число",
            Shape::Bool => "true или false",
            Shape::List => "список […]",
            Shape::Map => "карта #{…}",
            Shape::Span => "время вида \"30m\", \"2h\", \"1d\"",
            Shape::Any => "что угодно",
        }
    }
}

/// Every function the host offers, in the order of the documentation.
pub fn all() -> &'static [HostFn] {
    WHOLE.get().map_or_else(own, Vec::as_slice)
}

/// The functions of this package, without those of [`add`].
pub fn own() -> &'static [HostFn] {
    static OWN: LazyLock<Vec<HostFn>> = LazyLock::new(declared);
    &OWN
}

/// Adds the functions of whoever builds on this package. Once, and before the first set is compiled.
pub fn add(more: Vec<HostFn>) {
    WHOLE.get_or_init(|| declared().into_iter().chain(more).collect());
}

static WHOLE: OnceLock<Vec<HostFn>> = OnceLock::new();

fn declared() -> Vec<HostFn> {
    let modules = [
        chat::functions(),
        data::functions(),
        content::functions(),
        broadcasts::functions(),
        portal::functions(),
        network::functions(),
        ratings::functions(),
        doubts::functions(),
        rules::functions(),
        helper::functions(),
        words::functions(),
    ];
    modules.into_iter().flatten().collect()
}

/// The names of the host's modules, `chat` left out: it is a value, not a module.
pub fn modules() -> Vec<&'static str> {
    let mut names: Vec<_> = all().iter().map(|f| f.module).filter(|&module| module != "chat").collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The value through which a flow talks; its methods are the functions of module `chat`.
#[derive(Clone, Debug)]
pub struct Chat;

/// Puts every host function into an engine.
pub fn bind(engine: &mut Engine) {
    engine.register_type_with_name::<Chat>("chat");
    engine.register_type_with_name::<Html>("html");
    engine.register_fn("to_string", |html: &mut Html| value::plain(&html.0));
    engine.register_fn("+", |a: Html, b: Html| Html(a.0 + &b.0));
    engine.register_fn("+", |a: Html, b: &str| Html(a.0 + &crate::telegram::html::escape(b)));
    engine.register_fn("+", |a: &str, b: Html| Html(crate::telegram::html::escape(a) + &b.0));
    let mut modules: std::collections::BTreeMap<&str, Module> = std::collections::BTreeMap::new();
    for function in all() {
        for arity in function.arities() {
            if function.module == "chat" {
                let mut types = vec![TypeId::of::<Chat>()];
                types.extend(vec![TypeId::of::<Dynamic>(); arity]);
                engine.register_raw_fn(
                    function.name,
                    types,
                    move |ctx: NativeCallContext, args: &mut [&mut Dynamic]| {
                        run::call(&ctx, function, |given| function.args(given), &mut args[1..])
                    },
                );
            } else {
                let module = modules.entry(function.module).or_default();
                let body = move |ctx: Option<NativeCallContext>, args: &mut [&mut Dynamic]| {
                    let ctx = ctx.ok_or_else(|| Box::<EvalAltResult>::from("called outside a run"))?;
                    run::call(&ctx, function, |given| function.args(given), args)
                };
                FuncRegistration::new(function.name).in_internal_namespace().set_into_module_raw(
                    module,
                    vec![TypeId::of::<Dynamic>(); arity],
                    RhaiFunc::Pure {
                        func: Shared::new(body),
                        has_context: true,
                        is_pure: true,
                        is_volatile: true,
                    },
                );
            }
        }
    }
    for (name, mut module) in modules {
        module.build_index();
        engine.register_static_module(name, Shared::new(module));
    }
}
