//! Cuts HTML into tags and characters. Anything that is not quite a tag or an entity is text.

/// A piece of HTML, names in lower case.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A character people see, decoded.
    Char(char),
    /// `<name attribute="value">`, values decoded.
    Open { name: String, attributes: Vec<(String, String)> },
    /// `</name>`
    Close { name: String },
}

/// The named entities that office programs and web pages leave in copied text. Telegram itself knows the first four.
const NAMED: [(&str, char); 16] = [
    ("lt", '<'),
    ("gt", '>'),
    ("amp", '&'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{a0}'),
    ("laquo", '«'),
    ("raquo", '»'),
    ("mdash", '—'),
    ("ndash", '–'),
    ("hellip", '…'),
    ("bull", '•'),
    ("middot", '·'),
    ("minus", '−'),
    ("times", '×'),
    ("rarr", '→'),
];

/// Elements whose content is not text for people.
const SILENT: [&str; 3] = ["script", "style", "title"];

/// The pieces of `html`, in order; nothing but comments, declarations and the content of scripts is left out.
pub(super) fn tokens(html: &str) -> impl Iterator<Item = Token> {
    let mut rest = html;
    std::iter::from_fn(move || {
        while let Some(after) = silence(rest) {
            rest = after;
        }
        let (token, after) = tag(rest).or_else(|| character(rest))?;
        rest = after;
        Some(token)
    })
}

/// Skips a comment, a declaration or an element that says nothing to people.
fn silence(html: &str) -> Option<&str> {
    let inside = html.strip_prefix('<')?;
    if let Some(comment) = inside.strip_prefix("!--") {
        return Some(comment.split_once("-->").map_or("", |(_, after)| after));
    }
    if ["!doctype", "?xml"].into_iter().any(|start| starts_with_ignoring_case(inside.as_bytes(), start)) {
        return inside.split_once('>').map(|(_, after)| after);
    }
    let (Token::Open { name, .. }, content) = tag(html)? else { return None };
    let name = SILENT.into_iter().find(|silent| *silent == name)?;
    let end = format!("</{name}");
    let end_at = (0..content.len()).find(|at| starts_with_ignoring_case(&content.as_bytes()[*at..], &end));
    let Some(end_at) = end_at else { return Some("") };
    Some(content[end_at..].split_once('>').map_or("", |(_, after)| after))
}

fn starts_with_ignoring_case(bytes: &[u8], prefix: &str) -> bool {
    bytes.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// Reads a whole tag; `None` when the text does not begin with one.
fn tag(html: &str) -> Option<(Token, &str)> {
    let inside = html.strip_prefix('<')?;
    if let Some(inside) = inside.strip_prefix('/') {
        let (name, after) = name(inside)?;
        let (_, after) = after.split_once('>').filter(|(space, _)| space.trim().is_empty())?;
        return Some((Token::Close { name }, after));
    }
    let (name, mut after) = name(inside)?;
    let mut attributes = Vec::new();
    loop {
        after = after.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if let Some(after) = after.strip_prefix('>') {
            return Some((Token::Open { name, attributes }, after));
        }
        let (attribute, rest) = attribute(after)?;
        attributes.push(attribute);
        after = rest;
    }
}

fn name(text: &str) -> Option<(String, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | ':')));
    let (name, after) = text.split_at(end.unwrap_or(text.len()));
    let begins_with_letter = name.starts_with(|c: char| c.is_ascii_alphabetic());
    begins_with_letter.then(|| (name.to_ascii_lowercase(), after))
}

fn attribute(text: &str) -> Option<((String, String), &str)> {
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/' | '<' | '"' | '\''))?;
    let (name, after) = text.split_at(end);
    let name = name.to_ascii_lowercase();
    let after = after.trim_start();
    let Some(after) = after.strip_prefix('=') else {
        return (!name.is_empty()).then_some(((name, String::new()), after));
    };
    let after = after.trim_start();
    let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (value, after) = match quote {
        Some(quote) => after[1..].split_once(quote)?,
        None => after.split_at(after.find(|c: char| c.is_whitespace() || c == '>')?),
    };
    Some(((name, decode(value)), after))
}

fn decode(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((c, after)) = decoded_char(rest) {
        decoded.push(c);
        rest = after;
    }
    decoded
}

fn character(html: &str) -> Option<(Token, &str)> {
    decoded_char(html).map(|(c, after)| (Token::Char(c), after))
}

/// The first character, an entity counting as the one it stands for.
fn decoded_char(text: &str) -> Option<(char, &str)> {
    if let Some(decoded) = entity(text) {
        return Some(decoded);
    }
    let mut chars = text.chars();
    chars.next().map(|c| (c, chars.as_str()))
}

fn entity(text: &str) -> Option<(char, &str)> {
    let inside = text.strip_prefix('&')?;
    let end = inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '#'))?;
    let (name, after) = inside.split_at(end);
    let after = after.strip_prefix(';')?;
    let named = || NAMED.into_iter().find(|(known, _)| *known == name).map(|(_, c)| c);
    let decoded = match name.strip_prefix('#') {
        Some(number) => numbered(number),
        None => named(),
    };
    decoded.map(|c| (c, after))
}

/// `60` or `x3C`. Telegram has no use for control characters; written as numbers they stay text.
fn numbered(number: &str) -> Option<char> {
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.parse(),
    };
    char::from_u32(code.ok()?).filter(|c| !c.is_control() || *c == '\n')
}
