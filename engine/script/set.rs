//! A script set: the whole of `flows/` and `scripts/` under one content hash, compiled together.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage,
    BasicMathPackage, BasicStringPackage, LanguageCorePackage, LogicPackage, MoreStringPackage, Package as _,
};
use rhai::{AST, Dynamic, Engine, EvalAltResult, Module, Position, Scope};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::coverage::Trail;
use super::diagnostic::{Finding, unparsable};
use super::header::{Header, Standing, Trigger};
use super::run::{Site, is_overdue, timed};
use super::{check, host, value};

/// The files of a set: path with forward slashes → text.
pub type Files = BTreeMap<String, String>;

/// How much one run of a script may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Operations of one run.
    pub operations: u64,
    /// Time of one run.
    pub wall_time: Duration,
    /// Depth of calls.
    pub call_depth: usize,
    /// Bytes of one string.
    pub string_bytes: usize,
    /// Items of one list.
    pub array_items: usize,
    /// Fields of one map.
    pub map_items: usize,
    /// Steps of one conversation.
    pub journal_steps: usize,
    /// Bytes of one value in the journal.
    pub shared_value_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            operations: 5_000_000,
            wall_time: Duration::from_millis(250),
            call_depth: 64,
            string_bytes: 256 << 10,
            array_items: 10_000,
            map_items: 2_000,
            journal_steps: 3_000,
            shared_value_bytes: 1 << 20,
        }
    }
}

/// One flow of a set.
#[derive(Debug)]
pub struct Flow {
    /// The file's name without folder and ending.
    pub name: String,
    /// `flows/NAME.rhai`.
    pub path: String,
    /// What the file says of itself.
    pub header: Header,
    /// Whether `start` has a third parameter.
    pub takes_args: bool,
    pub(super) ast: AST,
}

/// A compiled set.
#[derive(Debug)]
pub struct Set {
    hash: String,
    files: Arc<Files>,
    limits: Limits,
    engine: Engine,
    flows: BTreeMap<String, Flow>,
    modules: BTreeMap<String, AST>,
    /// What each call of a host function says, by its place: two versions of a file are compared by it.
    sites: BTreeMap<Site, String>,
    wordings: BTreeSet<String>,
}

/// Reads the files of a set from the bot's folder; scenarios, hidden files and editors' leftovers are left out.
pub fn read(folder: &Path) -> io::Result<Files> {
    read_such(folder, |name| is_script(name) && !name.contains(".test."))
}

/// Reads the scenarios that stand beside the scripts. They are no part of a set and of its hash: nobody's talk
/// depends on them, so a changed scenario must not make a new version of the talks.
pub fn read_scenarios(folder: &Path) -> io::Result<Files> {
    read_such(folder, |name| is_script(name) && name.ends_with(".test.rhai"))
}

fn read_such(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> io::Result<Files> {
    let mut files = Files::new();
    for part in ["flows", "scripts"] {
        let mut waiting = vec![folder.join(part)];
        while let Some(place) = waiting.pop() {
            for entry in std::fs::read_dir(&place)? {
                let path = entry?.path();
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
                if path.is_dir() && !name.starts_with('.') {
                    waiting.push(path);
                } else if is_wanted(&name) {
                    let relative =
                        path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                    match std::fs::read_to_string(&path) {
                        Ok(text) => drop(files.insert(relative, text)),
                        // Gone since the folder was listed: an editor is at work, another change will follow.
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                        Err(error) => {
                            return Err(io::Error::new(error.kind(), format!("{relative}: {error}")));
                        }
                    }
                }
            }
        }
    }
    Ok(files)
}

fn is_script(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending == "rhai") && !name.starts_with(['.', '#', '~'])
}

/// The identity of a set: its files, and the Rhai that runs them.
pub fn hash(files: &Files) -> String {
    let mut hasher = Sha256::new();
    hasher.update(RHAI_VERSION);
    for (path, body) in files {
        hasher.update((path.len() as u64).to_le_bytes());
        hasher.update(path);
        hasher.update((body.len() as u64).to_le_bytes());
        hasher.update(body);
    }
    hasher.finalize().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// The version of Rhai, pinned in `Cargo.toml`: part of a set's identity.
pub const RHAI_VERSION: &str = "1.27.0";

/// The file that `import "NAME"` means.
pub(super) fn module_path(name: &str) -> String {
    format!("{name}.rhai")
}

impl Set {
    /// Compiles a set and reads the headers of its flows. Errors: every finding that keeps it from running.
    pub fn compile(files: Files, limits: Limits) -> Result<Set, Vec<Finding>> {
        Set::compile_with(files, limits, |_| {})
    }

    fn compile_with(
        files: Files,
        limits: Limits,
        prepare: impl FnOnce(&mut Engine),
    ) -> Result<Set, Vec<Finding>> {
        let files = Arc::new(files);
        let mut engine = engine(&files, &limits);
        prepare(&mut engine);
        let (mut findings, mut flows, mut modules) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for (path, body) in files.iter() {
            let ast = match engine.compile(body) {
                Ok(mut ast) => {
                    ast.set_source(path);
                    ast
                }
                Err(error) => {
                    let message = unparsable(error.err_type());
                    findings.push(Finding::at(&files, path, error.position(), message));
                    continue;
                }
            };
            match path.strip_prefix("flows/") {
                None => drop(modules.insert(path.clone(), ast)),
                Some(name) => match flow(&engine, &files, &limits, path, name, ast) {
                    Ok(flow) => drop(flows.insert(flow.name.clone(), flow)),
                    Err(finding) => findings.push(finding),
                },
            }
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        let mut sites = BTreeMap::new();
        for (path, ast) in modules.iter().chain(flows.values().map(|flow| (&flow.path, &flow.ast))) {
            check::collect_sites(path, ast, &mut sites);
        }
        let wordings = sites.values().cloned().collect();
        Ok(Set { hash: hash(&files), files, limits, engine, flows, modules, sites, wordings })
    }

    /// Compiles a set and checks it as strictly as publishing does.
    pub fn checked(files: Files, limits: Limits) -> Result<Set, Vec<Finding>> {
        Set::compile(files, limits)?.linted()
    }

    /// The same, and every run of the set leaves its trail.
    pub fn checked_with_trail(files: Files, limits: Limits) -> Result<(Set, Arc<Trail>), Vec<Finding>> {
        let trail = Arc::new(Trail::default());
        let set = Set::compile_with(files, limits, |engine| trail.follow(engine))?;
        Ok((set.linted()?, trail))
    }

    fn linted(self) -> Result<Set, Vec<Finding>> {
        let findings = check::lint(&self);
        if findings.is_empty() { Ok(self) } else { Err(findings) }
    }

    /// Calls a function of a file in `scripts/` outside of any talk, where it can do nothing but compute.
    ///
    /// Errors: what it failed on, with the place.
    pub fn compute(&self, path: &str, function: &str, argument: &Value) -> Result<Value, Finding> {
        let ast = self.modules.get(path).ok_or_else(|| Finding::in_file(path, "такого файла нет"))?;
        let argument = value::to_script(argument);
        let called = timed(self.limits.wall_time, || {
            self.engine.call_fn::<Dynamic>(&mut Scope::new(), ast, function, (argument,))
        });
        let answer = called.map_err(|error| Finding::of_error(self, path, &error))?;
        value::from_script(&answer).map_err(|why| Finding::in_file(path, format!("ответ {function}: {why}")))
    }

    /// The content hash.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The files it was compiled from.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The limits of its runs.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A flow by its name.
    pub fn flow(&self, name: &str) -> Option<&Flow> {
        self.flows.get(name)
    }

    /// All flows, by name.
    pub fn flows(&self) -> impl Iterator<Item = &Flow> {
        self.flows.values()
    }

    pub(super) fn modules(&self) -> impl Iterator<Item = (&String, &AST)> {
        self.modules.iter()
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The flow that `trigger` starts for somebody of this standing.
    pub fn triggered(&self, trigger: &Trigger, standing: Standing) -> Option<&Flow> {
        self.flows.values().find(|flow| flow.header.on.contains(trigger) && flow.header.admits(standing))
    }

    /// Whether some flow answers to this trigger, whoever may start it.
    pub fn knows(&self, trigger: &Trigger) -> bool {
        self.flows.values().any(|flow| flow.header.on.contains(trigger))
    }

    /// Whether the call at `here` in this set is the call at `there` in a later one: the same words, or words
    /// changed in place. Words that moved elsewhere, or that stood elsewhere before, are another call; and when
    /// calls came or went beside changed words, nobody can tell which of them is which.
    pub fn keeps_place(&self, here: &Site, later: &Set, there: &Site) -> bool {
        match (self.sites.get(here), later.sites.get(there)) {
            (Some(before), Some(after)) if before == after => true,
            (Some(before), Some(after)) => {
                let is_new = !later.wordings.contains(before) && !self.wordings.contains(after);
                let (old, new) = (self.calls_of(&here.file), later.calls_of(&there.file));
                is_new && (old.count() == new.count() || self.neighbours(here) == later.neighbours(there))
            }
            _ => false,
        }
    }

    fn calls_of(&self, file: &str) -> impl Iterator<Item = (&Site, &String)> {
        let start = Site { file: file.to_owned(), line: 0, column: 0 };
        self.sites.range(start..).take_while(move |(site, _)| site.file == file)
    }

    /// What the calls before and after a place of a file say.
    fn neighbours(&self, site: &Site) -> (Option<&String>, Option<&String>) {
        let before = self.calls_of(&site.file).take_while(|(other, _)| *other < site).last();
        let after = self.calls_of(&site.file).find(|(other, _)| *other > site);
        (before.map(|(_, words)| words), after.map(|(_, words)| words))
    }
}

fn flow(
    engine: &Engine,
    files: &Files,
    limits: &Limits,
    path: &str,
    file: &str,
    ast: AST,
) -> Result<Flow, Finding> {
    let name = file.trim_end_matches(".rhai").to_owned();
    let Some(arity) = ast.iter_functions().find(|f| f.name == "start").map(|f| f.params.len()) else {
        return Err(Finding::in_file(path, "нет начала: напишите fn start(chat, partner) { … }"));
    };
    if !(2..=3).contains(&arity) {
        return Err(Finding::in_file(
            path,
            "у start два параметра, chat и partner, и третий args, если он нужен",
        ));
    }
    HEADER.take();
    let result = timed(limits.wall_time, || engine.run_ast_with_scope(&mut Scope::new(), &ast));
    let header = HEADER.take();
    result.map_err(|error| Finding::of_error_in(files, path, &error))?;
    let header = header.ok_or_else(|| {
        Finding::in_file(path, "нет заголовка: начните файл с flow(#{ title: …, on: […], access: […] });")
    })?;
    let header = Header::read(&header)
        .map_err(|why| Finding::in_file(path, format!("заголовок flow(#{{…}}): {why}")))?;
    Ok(Flow { name, path: path.to_owned(), header, takes_args: arity == 3, ast })
}

thread_local! {
    /// What `flow(…)` was last given on this thread: read right after a file is first evaluated, unread in runs.
    static HEADER: RefCell<Option<rhai::Map>> = const { RefCell::new(None) };
}

/// Rhai in a box: no clock, no output, no files, no evaluation of text, and limits on everything.
fn engine(files: &Arc<Files>, limits: &Limits) -> Engine {
    let mut engine = boxed(limits);
    // By the very types of Rhai's own: a function for any type would only stand behind those.
    engine.register_fn("sleep", |_: i64| no_sleep());
    engine.register_fn("sleep", |_: f64| no_sleep());
    engine.on_progress(|operations| (operations % 256 == 0 && is_overdue()).then_some(Dynamic::UNIT));
    engine.register_fn("flow", |header: rhai::Map| HEADER.set(Some(header)));
    Trigger::bind(&mut engine);
    host::bind(&mut engine);
    engine.set_module_resolver(Importer {
        files: Arc::clone(files),
        cache: Mutex::default(),
        open: Mutex::default(),
    });
    engine
}

/// An engine with the language alone.
pub(crate) fn boxed(limits: &Limits) -> Engine {
    let mut engine = Engine::new_raw();
    // The standard packages but for time.
    LanguageCorePackage::new().register_into_engine(&mut engine);
    ArithmeticPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    BasicFnPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    engine.disable_symbol("eval");
    engine.on_print(|text| tracing::debug!("script: {text}"));
    engine.on_debug(|text, _, _| tracing::debug!("script: {text}"));
    engine
        .set_strict_variables(true)
        .set_max_operations(limits.operations)
        .set_max_call_levels(limits.call_depth)
        .set_max_expr_depths(64, 48)
        .set_max_string_size(limits.string_bytes)
        .set_max_array_size(limits.array_items)
        .set_max_map_size(limits.map_items)
        .set_max_modules(64);
    engine
}

fn no_sleep() -> Result<(), Box<EvalAltResult>> {
    Err("sleep нельзя: скрипт не ждёт, ждёт вопрос (настройка within)".into())
}

/// `import` reaches the files of the set and nothing else.
struct Importer {
    files: Arc<Files>,
    cache: Mutex<BTreeMap<String, rhai::Shared<Module>>>,
    /// Files being imported at the moment, to refuse a circle.
    open: Mutex<BTreeSet<String>>,
}

impl rhai::ModuleResolver for Importer {
    fn resolve(
        &self,
        engine: &Engine,
        _source: Option<&str>,
        name: &str,
        position: Position,
    ) -> Result<rhai::Shared<Module>, Box<EvalAltResult>> {
        let path = module_path(name);
        let poisoned = PoisonError::into_inner;
        if let Some(module) = self.cache.lock().unwrap_or_else(poisoned).get(&path) {
            return Ok(module.clone());
        }
        let body = self
            .files
            .get(&path)
            .ok_or_else(|| Box::new(EvalAltResult::ErrorModuleNotFound(name.to_owned(), position)))?;
        if !self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone()) {
            let message = format!("файлы импортируют друг друга по кругу: {name}");
            return Err(Box::new(EvalAltResult::ErrorRuntime(message.into(), position)));
        }
        let in_module = |error| Box::new(EvalAltResult::ErrorInModule(name.to_owned(), error, position));
        let module = engine.compile(body).map_err(|error| in_module(error.into())).and_then(|mut ast| {
            ast.set_source(&path);
            Module::eval_ast_as_new(Scope::new(), &ast, engine).map_err(in_module)
        });
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&path);
        let module = rhai::Shared::new(module?);
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).insert(path, module.clone());
        Ok(module)
    }
}
