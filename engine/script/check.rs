//! The strict check of a set: what Rhai itself would notice only in the middle of somebody's talk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, Position, Stmt};

use super::diagnostic::Finding;
use super::header::Trigger;
use super::host::{self, HostFn};
use super::run::Site;
use super::set::{Flow, Set, module_path};
use crate::text;

/// Everything wrong with a set, file by file.
pub(super) fn lint(set: &Set) -> Vec<Finding> {
    let mut findings = Vec::new();
    let asts = set.modules().chain(set.flows().map(|flow| (&flow.path, &flow.ast)));
    for (path, ast) in asts {
        let file = File::of(set, path, ast);
        file.calls(&mut findings);
        file.steps_inside_callbacks(&mut findings);
        file.namesakes(&mut findings);
    }
    for flow in set.flows() {
        only_tells(set, flow, &mut findings);
    }
    findings.extend(set.check_formula());
    same_triggers(set, &mut findings);
    unreachable_flows(set, &mut findings);
    findings.sort_by(|a, b| a.site.cmp(&b.site));
    findings.dedup();
    findings
}

/// Notes what each call of a host function says, by its place.
pub(super) fn collect_sites(path: &str, ast: &AST, sites: &mut BTreeMap<Site, String>) {
    for_each_call(ast, |call| {
        let Some(function) = call.host() else { return };
        let mut words = function.full_name();
        for argument in &call.expr.args {
            literals(argument, &mut words);
        }
        let (line, column) = (call.position.line().unwrap_or(0), call.position.position().unwrap_or(0));
        sites.insert(Site { file: path.to_owned(), line, column }, words);
    });
}

/// Goes over the places of the questions to people.
pub(super) fn for_each_question(ast: &AST, mut see: impl FnMut(Position)) {
    for_each_call(ast, |call| {
        if call.host().is_some_and(HostFn::is_question) {
            see(call.position);
        }
    });
}

/// A call as it stands in a script.
struct Call<'a> {
    expr: &'a FnCallExpr,
    position: Position,
    /// The name of the variable it is called on: `chat` in `chat.say(…)`.
    receiver: Option<&'a str>,
    is_method: bool,
}

impl Call<'_> {
    fn name(&self) -> &str {
        self.expr.name.as_str()
    }

    /// The host function it calls, if it is one.
    fn host(&self) -> Option<&'static HostFn> {
        let module = if self.receiver == Some("chat") {
            "chat"
        } else if self.expr.is_qualified() {
            self.expr.namespace.root()
        } else {
            return None;
        };
        host::all().iter().find(|f| f.module == module && f.name == self.name())
    }
}

fn for_each_call(ast: &AST, mut see: impl FnMut(&Call<'_>)) {
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        match path {
            // A call whose value nobody takes is a statement of its own kind.
            [
                ..,
                ASTNode::Expr(Expr::FnCall(expr, position)) | ASTNode::Stmt(Stmt::FnCall(expr, position)),
            ] => {
                see(&Call { expr, position: *position, receiver: None, is_method: false });
            }
            [parents @ .., ASTNode::Expr(call @ Expr::MethodCall(expr, position))] => {
                let receiver = receiver(parents, call);
                see(&Call { expr, position: *position, receiver, is_method: true });
            }
            _ => {}
        }
        true
    });
}

/// The variable that a method is called on. Rhai reads chains from the right: in `chat.ask_text("?").len` the
/// variable stands over the whole rest, and the call is where that rest begins.
fn receiver<'a>(parents: &[ASTNode<'a>], call: &'a Expr) -> Option<&'a str> {
    let mut rest = call;
    for parent in parents.iter().rev() {
        let ASTNode::Expr(parent @ (Expr::Dot(pair, ..) | Expr::Index(pair, ..))) = *parent else {
            return None;
        };
        if !std::ptr::eq(&raw const pair.lhs, rest) {
            return match &pair.lhs {
                Expr::Variable(variable, ..) => Some(variable.1.as_str()),
                _ => None,
            };
        }
        rest = parent;
    }
    None
}

/// The texts written out in an expression.
fn literals(expr: &Expr, words: &mut String) {
    match expr {
        Expr::StringConstant(text, _) => {
            words.push('|');
            words.push_str(text);
        }
        Expr::InterpolatedString(parts, _) | Expr::Array(parts, _) => {
            parts.iter().for_each(|part| literals(part, words));
        }
        Expr::DynamicConstant(value, _) => {
            words.push('|');
            words.push_str(&value.to_string());
        }
        Expr::FnCall(call, _) | Expr::MethodCall(call, _) => {
            call.args.iter().for_each(|argument| literals(argument, words));
        }
        _ => {}
    }
}

/// One file with what may be called in it.
struct File<'a> {
    set: &'a Set,
    path: &'a str,
    ast: &'a AST,
    /// The functions of the file itself: name → numbers of parameters.
    own: BTreeMap<String, BTreeSet<usize>>,
    /// `import "scripts/words" as words` → the file.
    imports: BTreeMap<String, String>,
}

/// The names of Rhai's own functions.
static STANDARD: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let engine = Engine::new();
    engine.collect_fn_metadata(None, |info| Some(info.metadata.name.to_string()), true).into_iter().collect()
});

/// Those the language itself understands; `curry` is what it makes of a closure that takes a variable along.
const LANGUAGE: &[&str] = &["call", "curry", "Fn", "type_of"];

impl<'a> File<'a> {
    fn of(set: &'a Set, path: &'a str, ast: &'a AST) -> File<'a> {
        let mut imports = BTreeMap::new();
        ast.walk(&mut |path: &[ASTNode<'_>]| {
            if let [.., ASTNode::Stmt(Stmt::Import(import, _))] = path
                && let Expr::StringConstant(name, _) = &import.0
            {
                imports.insert(import.1.name.to_string(), module_path(name));
            }
            true
        });
        File { set, path, ast, own: functions(ast), imports }
    }

    fn finding(&self, position: Position, message: String) -> Finding {
        Finding::at(self.set.files(), self.path, position, message)
    }

    /// Unknown names, wrong numbers of arguments, unknown options, flows that are not there.
    fn calls(&self, findings: &mut Vec<Finding>) {
        for_each_call(self.ast, |call| {
            if call.expr.op_token.is_some() {
                return;
            }
            let problem = match call.host() {
                Some(function) => self.host_call(call, function),
                None => self.script_call(call),
            };
            if let Some(message) = problem {
                findings.push(self.finding(call.position, message));
            }
        });
    }

    fn host_call(&self, call: &Call<'_>, function: &HostFn) -> Option<String> {
        let (given, name) = (call.expr.args.len(), function.full_name());
        if !function.arities().contains(&given) {
            let params: Vec<_> = function.params.iter().map(|param| param.name).collect();
            let options = if function.options.is_empty() {
                ""
            } else {
                " и, если нужно, #{ настройки }"
            };
            return Some(format!("{name}({}){options}: аргументов дано {given}", params.join(", ")));
        }
        let names = function.options.iter().map(|option| option.name);
        let given = call.expr.args.get(function.params.len()).map_or_else(Vec::new, keys);
        if let Some(key) = given.iter().find(|key| !names.clone().any(|name| name == **key)) {
            return Some(format!("{name}: нет настройки «{key}»{}", hint(key, names)));
        }
        if function.module == "chat"
            && function.name == "start_flow"
            && let Some(Expr::StringConstant(flow, _)) = call.expr.args.first()
            && self.set.flow(flow).is_none()
        {
            return Some(format!(
                "нет разговора «{flow}»{}",
                hint(flow, self.set.flows().map(|flow| flow.name.as_str()))
            ));
        }
        None
    }

    fn script_call(&self, call: &Call<'_>) -> Option<String> {
        let (name, given) = (call.name(), call.expr.args.len());
        if call.receiver == Some("chat") {
            let names = host::all().iter().filter(|f| f.module == "chat").map(|f| f.name);
            return Some(format!("у chat нет функции {name}{}", hint(name, names)));
        }
        if call.expr.is_qualified() {
            let module = call.expr.namespace.root();
            if let Some(file) = self.imports.get(module) {
                let ast = self.set.modules().find(|(path, _)| *path == file).map(|(_, ast)| ast)?;
                let known = functions(ast);
                return missing(name, given, &known).map(|why| format!("{module}::{why}"));
            }
            if host::modules().contains(&module) {
                let names = host::all().iter().filter(|f| f.module == module).map(|f| f.name);
                return Some(format!("в {module} нет функции {name}{}", hint(name, names)));
            }
            return (module != "global").then(|| {
                let names = host::modules().into_iter().chain(self.imports.keys().map(String::as_str));
                format!("нет модуля {module}{}", hint(module, names))
            });
        }
        // A method may be called on any value, and a variable may hold a function: only names are known here.
        let given = if call.is_method { None } else { Some(given) };
        match (self.own.get(name), given) {
            (Some(arities), Some(given)) if !arities.contains(&given) && !STANDARD.contains(name) => {
                missing(name, given, &self.own)
            }
            (Some(_), _) => None,
            (None, _) if STANDARD.contains(name) || LANGUAGE.contains(&name) || is_header_word(name) => None,
            (None, _) => {
                let names = self.own.keys().map(String::as_str).chain(STANDARD.iter().map(String::as_str));
                Some(format!("нет функции {name}{}", hint(name, names)))
            }
        }
    }

    /// A step inside `|item| …`: Rhai may swallow its suspension, so the talk would take a false road.
    fn steps_inside_callbacks(&self, findings: &mut Vec<Finding>) {
        let mut closures = self.ast.clone_functions_only();
        closures.retain_functions(|_, _, name, _| name.starts_with("anon$"));
        for_each_call(&closures, |call| {
            if let Some(function) = call.host().filter(|function| function.action.is_step()) {
                let message = format!(
                    "{} нельзя звать внутри |…| {{ }}: соберите данные до этого, а здесь используйте цикл for",
                    function.full_name()
                );
                findings.push(self.finding(call.position, message));
            }
        });
    }
}

impl File<'_> {
    /// A function that is called like one of an imported file: which of the two Rhai takes inside the imported one is
    /// left to chance.
    fn namesakes(&self, findings: &mut Vec<Finding>) {
        let mut imported = BTreeSet::new();
        self.reach(&mut imported);
        for (path, ast) in self.set.modules().filter(|(path, _)| imported.contains(*path)) {
            let theirs = functions(ast);
            for (name, arities) in self.own.iter().filter(|(name, _)| !name.starts_with("anon$")) {
                if theirs.get(name).is_some_and(|others| !others.is_disjoint(arities)) {
                    let message = format!(
                        "функция {name} с тем же числом аргументов есть и в {path}: назовите одну из них иначе"
                    );
                    findings.push(Finding::in_file(self.path, message));
                }
            }
        }
    }

    /// The files it imports, and those that they import.
    fn reach(&self, known: &mut BTreeSet<String>) {
        for path in self.imports.values() {
            if let Some((path, ast)) = self.set.modules().find(|(module, _)| *module == path)
                && known.insert(path.clone())
            {
                File::of(self.set, path, ast).reach(known);
            }
        }
    }
}

/// The keys of a map written out on the spot; one of plain values is a constant to Rhai.
fn keys(expr: &Expr) -> Vec<String> {
    match expr {
        Expr::Map(map, _) => map.0.iter().map(|(key, _)| key.name.to_string()).collect(),
        Expr::DynamicConstant(value, _) => {
            let map = value.read_lock::<rhai::Map>();
            map.map_or_else(Vec::new, |map| map.keys().map(ToString::to_string).collect())
        }
        _ => Vec::new(),
    }
}

fn is_header_word(name: &str) -> bool {
    ["flow", "button", "command", "event", "cron", "fallback"].contains(&name)
}

fn functions(ast: &AST) -> BTreeMap<String, BTreeSet<usize>> {
    let mut known: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for function in ast.iter_functions() {
        known.entry(function.name.to_owned()).or_default().insert(function.params.len());
    }
    known
}

fn missing(name: &str, given: usize, known: &BTreeMap<String, BTreeSet<usize>>) -> Option<String> {
    match known.get(name) {
        Some(arities) if arities.contains(&given) => None,
        Some(arities) => {
            let wanted: Vec<String> = arities.iter().map(ToString::to_string).collect();
            Some(format!("{name}: аргументов дано {given}, а нужно {}", wanted.join(" или ")))
        }
        None => Some(format!("{name}: нет такой функции{}", hint(name, known.keys().map(String::as_str)))),
    }
}

/// A flow started by an event or by the clock speaks when nobody asked it to: it must not take over somebody's talk.
fn only_tells(set: &Set, flow: &Flow, findings: &mut Vec<Finding>) {
    if !flow.header.comes_unasked() {
        return;
    }
    for_each_call(&flow.ast, |call| {
        if call.receiver == Some("chat") && call.name().starts_with("ask_") {
            let message = "разговор, который начинается событием или по расписанию, не спрашивает: пусть скажет и даст кнопку с полем start";
            findings.push(Finding::at(set.files(), &flow.path, call.position, message));
        }
    });
}

fn same_triggers(set: &Set, findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<(&Trigger, _), &str> = BTreeMap::new();
    for flow in set.flows() {
        // One moment may begin several flows.
        for trigger in flow.header.on.iter().filter(|trigger| !matches!(trigger, Trigger::Cron(_))) {
            for &access in &flow.header.access {
                if let Some(other) = seen.insert((trigger, access), &flow.name) {
                    let message = format!("{trigger} для {} уже начинает разговор «{other}»", access.word());
                    findings.push(Finding::in_file(&flow.path, message));
                }
            }
        }
    }
}

fn unreachable_flows(set: &Set, findings: &mut Vec<Finding>) {
    let all: Vec<&String> = set.files().values().collect();
    for flow in set.flows().filter(|flow| flow.header.on.is_empty()) {
        let named = format!("\"{}\"", flow.name);
        if !all.iter().any(|body| body.contains(&named)) {
            let message =
                "в этот разговор никак не попасть: добавьте on в заголовок или start_flow в другом разговоре";
            findings.push(Finding::in_file(&flow.path, message));
        }
    }
}

/// «может быть, …?», when some known name is close to the one written.
fn hint<'n>(written: &str, known: impl Iterator<Item = &'n str>) -> String {
    let words =
        known.filter(|name| name.chars().next().is_some_and(char::is_alphabetic) && !name.contains('$'));
    text::nearest(written, words).map_or_else(String::new, |name| format!("; может быть, {name}?"))
}
