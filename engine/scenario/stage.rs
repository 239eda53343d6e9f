//! The stage of one thread: the engine that reads scenarios, and the world of the one that is being played.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rhai::{AST, Dynamic, Engine, EvalAltResult, FnPtr, NativeCallContext, Position, Scope};
use tokio::runtime::Runtime;

use super::hardship::Hardship;
use super::talk::Talk;
use super::words;
use super::world::{Trouble, World};
use crate::script::{Files, Finding, Limits, Set, Site, boxed, unparsable};
use crate::text::nearest;

/// One scenario of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scenario {
    pub file: String,
    pub name: String,
    /// Its place among those of its file.
    number: usize,
    position: Position,
}

/// Where one thread plays.
pub(super) struct Stage {
    set: Arc<Set>,
    files: Arc<Files>,
    engine: Engine,
    asts: BTreeMap<String, AST>,
    /// What is wrong with files as such.
    unreadable: Vec<Finding>,
    now: Arc<Now>,
}

/// What happens on a stage now: known to every word of a scenario.
pub(super) struct Now {
    runtime: Runtime,
    playing: Mutex<Playing>,
}

#[derive(Default)]
struct Playing {
    /// The number of the scenario that is played; without it the file is only gone over.
    wanted: Option<usize>,
    /// The scenarios of the file so far.
    seen: Vec<(String, Position)>,
    world: Option<World>,
    /// What went wrong first: nothing that a scenario catches is forgiven.
    trouble: Option<Failed>,
}

/// Where a scenario failed.
struct Failed {
    site: Site,
    message: String,
    /// The chat whose news matter.
    chat: Option<usize>,
    more: Option<String>,
}

/// What is wrong, for the word that finds it.
pub(super) struct Wrong {
    pub message: Trouble,
    pub chat: Option<usize>,
    pub more: Option<String>,
}

impl From<Trouble> for Wrong {
    fn from(message: Trouble) -> Wrong {
        Wrong { message, chat: None, more: None }
    }
}

impl Stage {
    /// A stage for a set with its scenarios. Errors: the system gives no runtime.
    pub fn new(set: &Arc<Set>, files: &Arc<Files>) -> Result<Stage, Trouble> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("сценарии негде запустить: {error}"))?;
        let now = Arc::new(Now { runtime, playing: Mutex::default() });
        let limits = Limits { operations: 1_000_000, ..set.limits().clone() };
        let mut engine = boxed(&limits);
        words::bind(&mut engine, &now);
        let (mut asts, mut unreadable) = (BTreeMap::new(), Vec::new());
        for (path, body) in files.iter() {
            match engine.compile(body) {
                Ok(mut ast) => {
                    ast.set_source(path);
                    asts.insert(path.clone(), ast);
                }
                Err(error) => {
                    let message = unparsable(error.err_type());
                    unreadable.push(Finding::at(files, path, error.position(), message));
                }
            }
        }
        Ok(Stage { set: Arc::clone(set), files: Arc::clone(files), engine, asts, unreadable, now })
    }

    /// All scenarios in order, and what is wrong with their files.
    pub fn list(&self) -> (Vec<Scenario>, Vec<Finding>) {
        let (mut scenarios, mut findings) = (Vec::new(), self.unreadable.clone());
        for (path, ast) in &self.asts {
            *self.now.playing() = Playing::default();
            if let Err(error) = self.engine.run_ast_with_scope(&mut Scope::new(), ast) {
                findings.push(self.finding_of(path, &error));
            }
            let seen = std::mem::take(&mut self.now.playing().seen);
            if seen.is_empty() && findings.iter().all(|finding| finding.site.file != *path) {
                findings.push(Finding::in_file(path, "здесь нет ни одного scenario(\"имя\", || { … })"));
            }
            scenarios.extend(seen.into_iter().enumerate().map(|(number, (name, position))| Scenario {
                file: path.clone(),
                name,
                number,
                position,
            }));
        }
        (scenarios, findings)
    }

    /// Plays a scenario in a world of its own.
    pub fn play(&self, scenario: &Scenario, hardship: Option<Hardship>) -> Result<Talk, Finding> {
        let world = self.now.runtime.block_on(World::new(&self.set, hardship));
        let world = world.map_err(|why| self.finding(scenario, why))?;
        *self.now.playing() =
            Playing { wanted: Some(scenario.number), world: Some(world), ..Playing::default() };
        let ast = &self.asts[&scenario.file];
        let result = self.engine.run_ast_with_scope(&mut Scope::new(), ast);
        let playing = std::mem::take(&mut *self.now.playing());
        let Some(mut world) = playing.world else {
            return Err(self.finding(scenario, "сценарий остался без сцены".to_owned()));
        };
        let told = |message: &str| {
            let under = hardship.map(|hardship| format!(" ({})", hardship.words())).unwrap_or_default();
            format!("«{}»{under}: {message}", scenario.name)
        };
        let found = match (playing.trouble, result) {
            (Some(failed), _) => {
                let mut note = so_far(&world, failed.chat);
                if let Some(more) = failed.more {
                    note = format!("{more}\n{note}");
                }
                let position = position(&failed.site);
                Some(Finding {
                    note,
                    ..Finding::at(&self.files, &failed.site.file, position, told(&failed.message))
                })
            }
            (None, Err(error)) => {
                let finding = self.finding_of(&scenario.file, &error);
                let note = so_far(&world, None);
                Some(Finding { message: told(&finding.message), note, ..finding })
            }
            (None, Ok(())) => world.calls.missing().map(|(call, position)| {
                let message = told(&format!("обращения не было: {call}"));
                let note = so_far(&world, None);
                Finding { note, ..Finding::at(&self.files, &scenario.file, position, message) }
            }),
        };
        world.talk.calls = world.calls.made();
        let talk = std::mem::take(&mut world.talk);
        self.now.runtime.block_on(world.end());
        found.map_or(Ok(talk), Err)
    }

    /// Something wrong with a scenario as a whole.
    pub fn finding(&self, scenario: &Scenario, message: String) -> Finding {
        Finding::at(&self.files, &scenario.file, scenario.position, message)
    }

    fn finding_of(&self, path: &str, error: &EvalAltResult) -> Finding {
        let finding = Finding::of_error_in(&self.files, path, error);
        match unknown_word(error) {
            Some(message) => Finding { message, ..finding },
            None => finding,
        }
    }
}

impl Now {
    fn playing(&self) -> MutexGuard<'_, Playing> {
        self.playing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `scenario(name, body)`: notes it, and plays it when it is its turn.
    pub fn scenario(
        &self,
        ctx: &NativeCallContext,
        name: &str,
        body: &FnPtr,
    ) -> Result<(), Box<EvalAltResult>> {
        let is_wanted = {
            let mut playing = self.playing();
            if playing.seen.iter().any(|(seen, _)| seen == name) {
                let message = format!("сценарий «{name}» в этом файле уже есть");
                return Err(Box::new(EvalAltResult::ErrorRuntime(message.into(), ctx.call_position())));
            }
            playing.seen.push((name.to_owned(), ctx.call_position()));
            playing.wanted == Some(playing.seen.len() - 1)
        };
        if is_wanted {
            body.call_within_context::<Dynamic>(ctx, ()).map(drop)?;
        }
        Ok(())
    }

    /// Does what a word of a scenario says.
    pub fn act<T>(
        &self,
        ctx: &NativeCallContext,
        act: impl FnOnce(&mut World, &Runtime) -> Result<T, Wrong>,
    ) -> Result<T, Box<EvalAltResult>> {
        let refuse = |why: String| Box::new(EvalAltResult::ErrorRuntime(why.into(), ctx.call_position()));
        let mut playing = self.playing();
        if playing.trouble.is_some() {
            return Err(refuse("сценарий уже остановлен".to_owned()));
        }
        let Some(world) = &mut playing.world else {
            return Err(refuse(format!("{} можно звать только внутри scenario(…)", ctx.fn_name())));
        };
        act(world, &self.runtime).map_err(|wrong| {
            let position = ctx.call_position();
            let site = Site {
                file: ctx.call_source().unwrap_or_default().to_owned(),
                line: position.line().unwrap_or(0),
                column: position.position().unwrap_or(0),
            };
            let Wrong { message, chat, more } = wrong;
            playing.trouble = Some(Failed { site, message: message.clone(), chat, more });
            refuse(message)
        })
    }
}

/// The talk up to where it failed.
fn so_far(world: &World, chat: Option<usize>) -> String {
    if world.talk.lines.is_empty() {
        return "разговор ещё не начался".to_owned();
    }
    format!("разговор до этого места:\n{}", world.drawn(chat))
}

fn position(site: &Site) -> Position {
    let number = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    if site.line == 0 { Position::NONE } else { Position::new(number(site.line), number(site.column)) }
}

/// A word that scenarios do not know, or know otherwise; Rhai names it with the types of what it was given.
fn unknown_word(error: &EvalAltResult) -> Option<String> {
    let mut inner = error;
    while let EvalAltResult::ErrorInFunctionCall(_, _, deeper, _) = inner {
        inner = deeper;
    }
    let EvalAltResult::ErrorFunctionNotFound(signature, _) = inner else { return None };
    let name = signature.split(" (").next().unwrap_or(signature);
    if let Some((_, usage)) = words::USAGE.iter().find(|(word, _)| *word == name) {
        return Some(format!("{name} пишется так: {usage}"));
    }
    let near = nearest(name, words::USAGE.iter().map(|(word, _)| *word));
    let hint = near.map(|near| format!("; может быть, {near}?")).unwrap_or_default();
    Some(format!("нет слова {name}{hint}"))
}
