//! The environment as a value: read once, passed around, never written back.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::Error;

/// Environment variables by name. `Debug` shows the names alone: the values are mostly secrets.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The variables of this process; one whose name or value is not UTF-8 is left out.
    pub fn of_process() -> Env {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable, trimmed. An empty one counts as absent: `NAME=` is how container files unset.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// These variables over those of `dir/.env`, if there is such a file: the real environment wins.
    ///
    /// Errors: [`Error::Read`] when the file cannot be read, [`Error::DotEnv`] on a line it does not understand.
    pub fn over_file(&self, dir: &Path) -> Result<Env, Error> {
        let file = dir.join(".env");
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(self.clone()),
            Err(source) => return Err(Error::Read { file, source }),
        };
        let mut variables = parse(&text).map_err(|line| Error::DotEnv { file, line })?;
        variables.extend(self.0.iter().filter(|(name, _)| self.get(name).is_some()).map(own));
        Ok(Env(variables))
    }
}

impl FromIterator<(String, String)> for Env {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Env {
        Env(variables.into_iter().collect())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Env {
    fn from(variables: [(&str, &str); N]) -> Env {
        variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn own((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}

/// Reads `NAME=value` lines; the error is the number of the first line that is none.
fn parse(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let mut variables = BTreeMap::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = assignment(line).ok_or(index + 1)?;
        variables.insert(name.to_owned(), value);
    }
    Ok(variables)
}

/// `export NAME=value # comment`; quotes keep `#` and spaces. Nothing is expanded: a `$` is a dollar.
fn assignment(line: &str) -> Option<(&str, String)> {
    let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let named = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(&value[1..], quote)?,
        Some('#') => String::new(),
        _ => value.split(" #").next().unwrap_or(value).trim_end().to_owned(),
    };
    named.then_some((name, value))
}

/// What stands before the closing quote; `\n`, `\"` and `\\` mean something in double quotes only.
fn quoted(text: &str, quote: char) -> Option<String> {
    let mut value = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next()? {
            c if c == quote => break,
            '\\' if quote == '"' => value.push(match rest.next()? {
                'n' => '\n',
                other => other,
            }),
            c => value.push(c),
        }
    }
    let tail = rest.as_str().trim_start();
    (tail.is_empty() || tail.starts_with('#')).then_some(value)
}
