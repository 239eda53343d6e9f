//! What words are awaited, and where those that came first differ from them.

/// Words that somebody must see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Somewhere in a message.
    Part(String),
    /// A message from its first letter to its last.
    Whole(String),
    /// A whole message, in which `*` stands for anything.
    Like(String),
}

impl Wanted {
    pub fn fits(&self, text: &str) -> bool {
        match self {
            Wanted::Part(part) => text.contains(part.as_str()),
            Wanted::Whole(whole) => text == whole,
            Wanted::Like(pattern) => is_like(text, pattern),
        }
    }

    /// The words themselves.
    pub fn text(&self) -> &str {
        match self {
            Wanted::Part(text) | Wanted::Whole(text) | Wanted::Like(text) => text,
        }
    }

    /// As a sentence names them: their first line.
    pub fn words(&self) -> String {
        let mut lines = self.text().lines();
        let first = lines.next().unwrap_or_default();
        let more = if lines.next().is_some() { "…" } else { "" };
        match self {
            Wanted::Part(_) => format!("«{first}{more}»"),
            Wanted::Whole(_) => format!("ровно «{first}{more}»"),
            Wanted::Like(_) => format!("по образцу «{first}{more}»"),
        }
    }

    /// Where the closest of `texts` first differs, drawn in two lines; `None` when none of them is close.
    pub fn difference(&self, texts: &[&str]) -> Option<String> {
        let wanted: Vec<char> = self.text().chars().collect();
        let agreed = |text: &&&str| self.agreed(&wanted, text);
        let closest = texts.iter().max_by_key(agreed)?;
        let (length, at) = self.agreed(&wanted, closest);
        // A letter or two are found in any message.
        if length < 3 && !matches!(self, Wanted::Whole(_)) {
            return None;
        }
        let came: String = closest.chars().skip(at + length).collect();
        let wanted: String = wanted[length..].iter().collect();
        let before: String = closest.chars().skip(at).take(length).collect();
        let before = tail(&before);
        Some(format!("ждали:   {before}▸{}\nпришло:  {before}▸{}", head(&wanted), head(&came)))
    }

    /// How many first letters of the wanted words stand together in a text, and where.
    fn agreed(&self, wanted: &[char], text: &str) -> (usize, usize) {
        let text: Vec<char> = text.chars().collect();
        let starts = if matches!(self, Wanted::Part(_)) { text.len() } else { 1 };
        (0..starts)
            .map(|start| {
                let same = wanted.iter().zip(&text[start.min(text.len())..]).take_while(|(a, b)| a == b);
                (same.count(), start)
            })
            .max_by_key(|&(length, start)| (length, std::cmp::Reverse(start)))
            .unwrap_or((0, 0))
    }
}

/// What stands before a difference and after it is shown so far.
const SHOWN: usize = 40;

fn head(text: &str) -> String {
    let line: String = text.chars().take(SHOWN).collect();
    let more = if text.chars().count() > SHOWN { "…" } else { "" };
    if line.is_empty() { "(конец)".to_owned() } else { format!("{}{more}", line.replace('\n', "⏎")) }
}

fn tail(text: &str) -> String {
    let count = text.chars().count();
    let line: String = text.chars().skip(count.saturating_sub(SHOWN)).collect();
    let more = if count > SHOWN { "…" } else { "" };
    format!("{more}{}", line.replace('\n', "⏎"))
}

/// Whether a text fits a pattern in which `*` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(former) = last.replace(part) {
            let Some(at) = rest.find(former) else { return false };
            rest = &rest[at + former.len()..];
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}
