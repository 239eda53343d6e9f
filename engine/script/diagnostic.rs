//! What is wrong with a script, told to whoever edits it: where, which line, what to do.

use std::fmt;

use rhai::{EvalAltResult, LexError, ParseErrorType, Position};

use super::run::Site;
use super::set::Set;

/// Something wrong at a place in a script; `Display` draws it with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub site: Site,
    /// What is wrong and what to do, in Russian.
    pub message: String,
    /// The line itself; empty when the place is unknown.
    pub source: String,
    /// What follows the line: the talk so far; mostly empty.
    pub note: String,
}

impl Finding {
    /// A finding at a place of one of the set's files.
    pub fn at(
        files: &super::set::Files,
        file: &str,
        position: Position,
        message: impl Into<String>,
    ) -> Finding {
        let site = Site {
            file: file.to_owned(),
            line: position.line().unwrap_or(0),
            column: position.position().unwrap_or(0),
        };
        let body = files.get(file).map_or("", String::as_str);
        let source =
            site.line.checked_sub(1).and_then(|line| body.lines().nth(line)).unwrap_or_default().to_owned();
        Finding { site, message: message.into(), source, note: String::new() }
    }

    /// A finding about a file as a whole.
    pub fn in_file(file: &str, message: impl Into<String>) -> Finding {
        let site = Site { file: file.to_owned(), line: 0, column: 0 };
        Finding { site, message: message.into(), source: String::new(), note: String::new() }
    }

    /// An error that a run of a script ended with, at the innermost place known.
    pub fn of_error(set: &Set, flow_path: &str, error: &EvalAltResult) -> Finding {
        Finding::of_error_in(set.files(), flow_path, error)
    }

    /// A run that took too long, at the place where it was stopped when that is known.
    pub(super) fn overdue(set: &Set, flow_path: &str, error: Option<&EvalAltResult>) -> Finding {
        let message = "скрипт работал дольше разрешённого и остановлен: похоже на цикл без конца";
        match error {
            Some(error) => {
                Finding { message: message.to_owned(), ..Finding::of_error(set, flow_path, error) }
            }
            None => Finding::in_file(flow_path, message),
        }
    }

    /// Like [`Finding::of_error`], while the set is still being built.
    pub(crate) fn of_error_in(files: &super::set::Files, flow_path: &str, error: &EvalAltResult) -> Finding {
        let (mut file, mut place, mut inner) = (flow_path.to_owned(), error.position(), error);
        loop {
            inner = match inner {
                EvalAltResult::ErrorInFunctionCall(_, source, inner, _) => {
                    if !source.is_empty() {
                        file.clone_from(source);
                    }
                    inner
                }
                EvalAltResult::ErrorInModule(path, inner, _) => {
                    file = super::set::module_path(path);
                    inner
                }
                _ => break,
            };
            if !inner.position().is_none() {
                place = inner.position();
            }
        }
        Finding::at(files, &file, place, in_russian(inner))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let note = if self.note.is_empty() { String::new() } else { format!("\n{}", self.note) };
        if self.site.line == 0 {
            return write!(f, "{}: {}{note}", self.site.file, self.message);
        }
        let (number, column) = (self.site.line.to_string(), self.site.column.max(1));
        let margin = " ".repeat(number.len());
        // Tabs stay tabs, so that the mark stands under its letter.
        let indent: String =
            self.source.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        writeln!(f, "{}: {}", self.site, self.message)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", self.source)?;
        write!(f, "{margin} | {indent}^{note}")
    }
}

/// Why a file cannot be understood, for somebody who edits flows; rare mistakes keep Rhai's own words.
pub(crate) fn unparsable(kind: &ParseErrorType) -> String {
    use ParseErrorType as P;
    let why = match kind {
        P::UnexpectedEOF => "файл обрывается: где-то не закрыта скобка".to_owned(),
        P::BadInput(LexError::UnterminatedString) => "не закрыта кавычка".to_owned(),
        P::BadInput(LexError::UnexpectedInput(sign)) => format!("лишний знак {sign}"),
        P::MissingToken(sign, _) => format!("здесь не хватает {sign}"),
        P::VariableUndefined(name) => format!("нет переменной «{name}»: опечатка или забыт let"),
        P::ModuleUndefined(name) => format!("нет модуля «{name}»: опечатка или забыт import"),
        P::AssignmentToConstant(name) => format!("{name} — const, поменять её нельзя"),
        P::Reserved(word) => format!("слово {word} занято языком, возьмите другое"),
        other => other.to_string(),
    };
    format!("не разбирается: {why}")
}

/// What an error of Rhai means to somebody who edits flows.
fn in_russian(error: &EvalAltResult) -> String {
    use EvalAltResult as E;
    match error {
        E::ErrorParsing(kind, _) => unparsable(kind),
        E::ErrorVariableNotFound(name, _) => format!("нет переменной «{name}»: опечатка или забыт let"),
        E::ErrorFunctionNotFound(name, _) => format!("нет такой функции: {name}"),
        E::ErrorPropertyNotFound(name, _) => format!("нет поля «{name}»"),
        E::ErrorModuleNotFound(name, _) => {
            format!("нет файла «{name}»: import берёт только из flows/ и scripts/, без .rhai на конце")
        }
        E::ErrorTooManyOperations(_) => "слишком долгая работа: похоже на цикл без конца".to_owned(),
        E::ErrorTerminated(_, _) => {
            "скрипт работал дольше разрешённого и остановлен: похоже на цикл без конца".to_owned()
        }
        E::ErrorStackOverflow(_) => "функция слишком глубоко зовёт сама себя".to_owned(),
        E::ErrorDataTooLarge(what, _) => format!("слишком большое значение: {what}"),
        E::ErrorArithmetic(what, _) => format!("ошибка в вычислении: {what}"),
        E::ErrorRuntime(what, _) => match what.clone().into_string() {
            Ok(text) => text,
            Err(_) => match what.read_lock::<rhai::Map>().and_then(|map| map.get("message").cloned()) {
                Some(message) => message.to_string(),
                None => what.to_string(),
            },
        },
        other => other.to_string(),
    }
}
