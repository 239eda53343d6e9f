//! Reads `config.yaml` and turns what the parser says into what a person can act on.

use std::path::Path;

use serde::Deserialize;
use serde_yaml::{self as yaml, MessageFormatter};

use super::{Config, Error, variables};
use crate::text::nearest;

/// What is wrong at one place of `config.yaml`.
#[derive(Debug, thiserror::Error)]
pub enum Mistake {
    /// A key that is not a setting.
    #[error("unknown key `{key}`{place}; {advice}", place = within(section))]
    UnknownKey {
        /// The key as typed.
        key: String,
        /// The dotted path of the section it stands in; empty at the top.
        section: String,
        /// The key it was meant to be, or the keys there are.
        advice: String,
    },
    /// A secret, or another thing that depends on the machine, written into the file.
    #[error(
        "`{key}` has no place in this file, which many may read; \
         delete it and set {variable} in the environment or in `.env`"
    )]
    Elsewhere {
        /// The dotted path of the key.
        key: String,
        /// The variable, or several.
        variable: &'static str,
    },
    /// A value that looks like a bot's token, under whatever key or in a comment.
    #[error(
        "this line holds a bot's token; delete it, ask @BotFather for a new one with /revoke, \
         and set TELEGRAM_BOT_TOKEN in the environment or in `.env`"
    )]
    Token,
    /// A value of another form.
    #[error("`{key}` {problem}")]
    Value {
        /// The dotted path of the key.
        key: String,
        /// What it must look like, and what stands there if that may be shown.
        problem: String,
    },
    /// Anything else, in the parser's words.
    #[error("{place}{problem}", place = before(key))]
    Other {
        /// The dotted path of the key; empty when there is none.
        key: String,
        /// What the parser says.
        problem: String,
    },
}

/// Reads the text of `file`; the name is for messages alone.
pub(super) fn read(file: &Path, text: &str) -> Result<Config, Error> {
    if let Some(line) = text.lines().position(holds_token) {
        return Err(Error::Yaml {
            file: file.to_owned(),
            line: line as u64 + 1,
            column: 1,
            mistake: Mistake::Token,
        });
    }
    let mut path = String::new();
    let options = yaml::options! { with_snippet: false, };
    // A file of comments alone is an empty document, which is `null`: all defaults.
    let read: Result<Option<Config>, _> =
        yaml::with_deserializer_from_str_with_options(text, options, |document| {
            serde_path_to_error::deserialize(document).map_err(|error| {
                path = error.path().to_string();
                error.into_inner()
            })
        });
    match read {
        Ok(config) => Ok(config.unwrap_or_default()),
        Err(error) => {
            let (line, column) = error.location().map_or((1, 1), |place| (place.line(), place.column()));
            Err(Error::Yaml {
                file: file.to_owned(),
                line,
                column,
                mistake: mistake(&path, error.without_snippet()),
            })
        }
    }
}

/// For sections: a name with nothing under it, as when all its keys are commented out, means the defaults.
pub(super) fn section<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: serde::Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Names what is wrong at `path`; the parser's error is taken without its frame, which would show neighbouring
/// lines and any secret on them.
fn mistake(path: &str, error: &yaml::Error) -> Mistake {
    let key = path.trim_end_matches('?').trim_matches('.').to_owned();
    let problem = match error {
        yaml::Error::SerdeUnknownField { field, expected, .. } => return unknown_key(&key, field, expected),
        yaml::Error::SerdeUnknownVariant { variant, expected, .. } => {
            format!("must be one of {}, not `{variant}`{}", listed(expected), meant(variant, expected))
        }
        yaml::Error::SerdeInvalidValue { unexpected, expected, .. }
        | yaml::Error::SerdeInvalidType { unexpected, expected, .. } => {
            format!("must be {expected}, not {unexpected}")
        }
        yaml::Error::InvalidScalar { .. } => "must be a whole number".to_owned(),
        yaml::Error::NullIntoString { .. } => {
            "has no value; give it one, or delete the key to take the default".to_owned()
        }
        yaml::Error::SerdeMissingField { field, .. } => format!("lacks the key `{field}`; add it"),
        yaml::Error::Unexpected { expected: "string scalar", .. } => {
            "must be one word, not a list or a section".to_owned()
        }
        yaml::Error::Unexpected { expected: "mapping start", .. } => {
            "must be a section: indented keys with their values".to_owned()
        }
        other => {
            let problem = yaml::UserMessageFormatter.format_message(other).into_owned();
            return Mistake::Other { key, problem };
        }
    };
    Mistake::Value { key, problem }
}

/// `at` is the path of the section, or of the key itself when the parser had got that far.
fn unknown_key(at: &str, key: &str, siblings: &[&str]) -> Mistake {
    let section = at.strip_suffix(key).map_or(at, |section| section.trim_end_matches('.'));
    let path = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
    if let Some(variable) = variables::instead_of(&path) {
        return Mistake::Elsewhere { key: path, variable };
    }
    let advice = match nearest(key, siblings.iter().copied()) {
        Some(sibling) => format!("did you mean `{sibling}`?"),
        None => match elsewhere(key) {
            Some(found) => format!("did you mean `{found}`?"),
            None => format!("the keys here are {}", listed(siblings)),
        },
    };
    Mistake::UnknownKey { key: key.to_owned(), section: section.to_owned(), advice }
}

/// The path of a setting with exactly this name in another section.
fn elsewhere(key: &str) -> Option<String> {
    Config::keys().into_iter().find(|path| path.rsplit('.').next() == Some(key))
}

fn meant(word: &str, choices: &[&str]) -> String {
    nearest(word, choices.iter().copied())
        .map_or_else(String::new, |choice| format!("; did you mean `{choice}`?"))
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn within(section: &str) -> String {
    if section.is_empty() { String::new() } else { format!(" in `{section}`") }
}

fn before(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("`{key}`: ") }
}

/// Whether a line holds `123456789:AA…`, the shape of a bot's token: at least 6 digits, a colon, 30 letters or more.
fn holds_token(line: &str) -> bool {
    line.match_indices(':').any(|(colon, _)| {
        let digits = line[..colon].chars().rev().take_while(char::is_ascii_digit).count();
        let is_key = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        digits >= 6 && line[colon + 1..].chars().take_while(is_key).count() >= 30
    })
}
