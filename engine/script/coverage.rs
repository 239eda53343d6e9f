//! Which places of the scripts the runs have come to, and which nobody has.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rhai::debugger::DebuggerCommand;
use rhai::{AST, ASTNode, Engine, Expr, Position, Stmt};

use super::check::for_each_question;
use super::set::Set;

/// The places that runs of one set have come to; filled by the set's own engine.
#[derive(Debug, Default)]
pub struct Trail(Mutex<HashMap<String, HashSet<Position>>>);

/// How much of a set has been gone over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// File by file, in order; a file with nothing to run is left out.
    pub files: Vec<Covered>,
}

/// How much of one file has been gone over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The file, relative to the bot's folder.
    pub file: String,
    /// Its questions to people.
    pub questions: Share,
    /// Its statements, its arms of `if` and `switch`, what stands behind `??`, `&&` and `||`, and its questions.
    pub places: Share,
    /// The lines with a place that nobody came to.
    pub missed: Vec<usize>,
}

/// Some of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// How many were come to.
    pub taken: usize,
    /// How many there are.
    pub all: usize,
}

impl Trail {
    /// Has an engine tell of every statement and expression it comes to. It costs each of them a look into a map, so
    /// the set that people talk to has no trail.
    #[expect(
        deprecated,
        reason = "Rhai marks what may change with its next version, and the version is pinned"
    )]
    pub(super) fn follow(self: &Arc<Trail>, engine: &mut Engine) {
        let trail = Arc::clone(self);
        engine.register_debugger(
            |_, debugger| debugger,
            move |_, _, _, source, position| {
                trail.mark(source.unwrap_or_default(), position);
                Ok(DebuggerCommand::StepInto)
            },
        );
    }

    fn mark(&self, file: &str, position: Position) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match files.get_mut(file) {
            Some(places) => drop(places.insert(position)),
            None => drop(files.insert(file.to_owned(), HashSet::from([position]))),
        }
    }

    /// Compares what was come to with what there is.
    pub fn coverage(&self, set: &Set) -> Coverage {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = HashSet::new();
        let files: BTreeMap<&String, &AST> =
            set.modules().chain(set.flows().map(|flow| (&flow.path, &flow.ast))).collect();
        let covered = files.into_iter().map(|(file, ast)| {
            let taken = taken.get(file).unwrap_or(&nothing);
            let questions = questions(ast);
            let places: BTreeSet<Position> = places(ast).union(&questions).copied().collect();
            let missed: BTreeSet<usize> = places
                .iter()
                .filter(|place| !taken.contains(place))
                .filter_map(|place| place.line())
                .collect();
            Covered {
                file: file.clone(),
                questions: Share::of(&questions, taken),
                places: Share::of(&places, taken),
                missed: missed.into_iter().collect(),
            }
        });
        Coverage { files: covered.filter(|covered| covered.places.all > 0).collect() }
    }
}

impl Coverage {
    /// All places of all files.
    pub fn places(&self) -> Share {
        self.sum(|covered| covered.places)
    }

    /// All questions of all files.
    pub fn questions(&self) -> Share {
        self.sum(|covered| covered.questions)
    }

    fn sum(&self, share: impl Fn(&Covered) -> Share) -> Share {
        self.files
            .iter()
            .map(share)
            .fold(Share::default(), |sum, one| Share { taken: sum.taken + one.taken, all: sum.all + one.all })
    }
}

impl fmt::Display for Coverage {
    /// A line for each file, and what is missed under those that miss something.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.files.iter().map(|covered| covered.file.chars().count()).max().unwrap_or(0);
        for Covered { file, questions, places, missed } in &self.files {
            write!(f, "{file:width$}  {:>3} %", places.percent())?;
            if questions.all > 0 {
                write!(f, "  вопросы {} из {}", questions.taken, questions.all)?;
            }
            if !missed.is_empty() {
                write!(f, "  не пройдены строки {}", ranges(missed))?;
            }
            writeln!(f)?;
        }
        let (places, questions) = (self.places(), self.questions());
        writeln!(
            f,
            "{:width$}  {:>3} %  вопросы {} из {}",
            "всего",
            places.percent(),
            questions.taken,
            questions.all
        )
    }
}

/// Lines as people name them: `12, 14–17`.
fn ranges(lines: &[usize]) -> String {
    let runs = lines.chunk_by(|a, b| a + 1 == *b).filter_map(|run| Some((run.first()?, run.last()?)));
    let words =
        runs.map(|(first, last)| if first == last { first.to_string() } else { format!("{first}–{last}") });
    words.collect::<Vec<_>>().join(", ")
}

impl Share {
    fn of(all: &BTreeSet<Position>, taken: &HashSet<Position>) -> Share {
        Share { taken: all.iter().filter(|place| taken.contains(place)).count(), all: all.len() }
    }

    /// In hundredths, rounded down, so that 100 means all.
    pub fn percent(self) -> usize {
        (self.taken * 100).checked_div(self.all).unwrap_or(100)
    }
}

/// What the functions of a file may come to: every statement, and every expression that only some runs evaluate.
fn places(ast: &AST) -> BTreeSet<Position> {
    let mut places = BTreeSet::new();
    // What stands outside of functions runs whenever the file is loaded.
    ast.clone_functions_only().walk(&mut |path: &[ASTNode<'_>]| {
        match path.last() {
            Some(ASTNode::Stmt(statement)) => {
                places.extend(place_of(statement));
                if let Stmt::Switch(switch, _) = statement {
                    places.extend(switch.1.expressions.iter().filter_map(|case| place_of_value(&case.rhs)));
                }
            }
            Some(ASTNode::Expr(Expr::And(parts, _) | Expr::Or(parts, _) | Expr::Coalesce(parts, _))) => {
                places.extend(parts.iter().skip(1).filter_map(place_of_value));
            }
            _ => {}
        }
        true
    });
    places.retain(|place| !place.is_none());
    places
}

fn place_of(statement: &Stmt) -> Option<Position> {
    match statement {
        // Blocks and the like are what is in them.
        Stmt::Noop(_) | Stmt::Block(_) | Stmt::Import(..) | Stmt::Export(..) | Stmt::Share(_) => None,
        Stmt::Expr(value) => place_of_value(value),
        other => Some(other.position()),
    }
}

fn place_of_value(value: &Expr) -> Option<Position> {
    match value {
        Expr::Stmt(_) => None,
        other => Some(other.position()),
    }
}

fn questions(ast: &AST) -> BTreeSet<Position> {
    let mut questions = BTreeSet::new();
    for_each_question(ast, |position| {
        questions.insert(position);
    });
    questions
}
