//! Telegram's HTML: a message is made safe, counted and cut here. Pure functions on text.
//!
//! All of them read their argument the way [`clean`] does, so they agree on any text, well-formed or not: what
//! `clean` keeps is what [`visible_len`] counts, [`plain`] shows and [`split`] deals out. Telegram's own parser is
//! strict: an unknown tag, a tag closed out of order or a lone `<` costs the whole message (400).

mod lexer;
mod split;
mod tree;

use tree::Node;

/// Escapes text so that Telegram shows it as it is, in a message and in a quoted attribute alike.
///
/// ```
/// assert_eq!(borodach::telegram::html::escape("5 < 6 & \"so on\""), "5 &lt; 6 &amp; &quot;so on&quot;");
/// ```
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => escaped.push_str("&quot;"),
            other => push_char(&mut escaped, other),
        }
    }
    escaped
}

/// What a person sees: no tags, entities decoded.
///
/// ```
/// assert_eq!(borodach::telegram::html::plain("<b>5</b> &lt; 6"), "5 < 6");
/// ```
pub fn plain(html: &str) -> String {
    tree::parse(html).iter().filter_map(Node::char).collect()
}

/// How many code points Telegram counts: after parsing, the unit of its limits 4096 and 1024.
pub fn visible_len(html: &str) -> usize {
    tree::parse(html).iter().filter_map(Node::char).count()
}

/// Any HTML made acceptable to Telegram.
///
/// Tags that Telegram knows stay, under their shortest names and with the attributes it reads; they are closed in
/// order and not nested where it forbids that. Other tags go and leave their text: paragraphs and `<br>` become
/// line breaks, list items bullets, headings bold; scripts, styles and comments vanish. Stray `<` and `&` are
/// escaped. Cleaning what is clean changes nothing.
///
/// ```
/// assert_eq!(borodach::telegram::html::clean("<p>1 < 2<p><strong>да"), "1 &lt; 2\n<b>да</b>");
/// ```
pub fn clean(html: &str) -> String {
    render(&tree::parse(html))
}

/// Deals a message out into parts of at most `limit` visible code points (4096 for a message, 1024 for a caption).
///
/// A part ends at a paragraph if it can, else at a line, a sentence, a word; only a longer word is broken, and never
/// inside an emoji or an accented letter that fits. Tags open at a border are closed and opened again with their
/// attributes. White space at the borders goes, nothing else. Each part is also within the 32 KiB Telegram takes
/// with tags. A message without visible text has no parts. A `limit` of 0 counts as 1.
pub fn split(html: &str, limit: usize) -> Vec<String> {
    split::parts(&tree::parse(html), limit.max(1))
}

fn render(nodes: &[Node]) -> String {
    let mut html = String::new();
    for node in nodes {
        node.push_to(&mut html);
    }
    html
}

/// Writes one character of text.
fn push_char(html: &mut String, c: char) {
    match c {
        '&' => html.push_str("&amp;"),
        '<' => html.push_str("&lt;"),
        '>' => html.push_str("&gt;"),
        other => html.push(other),
    }
}

/// Writes an attribute with its leading space; `value` is plain text, an empty one is not written.
fn push_attribute(html: &mut String, name: &str, value: &str) {
    html.extend([" ", name]);
    if !value.is_empty() {
        html.extend(["=\"", &escape(value), "\""]);
    }
}
