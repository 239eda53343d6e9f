//! Reads any HTML as a message Telegram would accept: a flat list of nodes, tags balanced and nested as allowed.

use std::rc::Rc;

use super::lexer::{Token, tokens};
use super::{push_attribute, push_char};

/// A formatting Telegram knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag {
    /// Its shortest name.
    name: &'static str,
    /// Attributes ready to be written, each with its leading space.
    attributes: String,
}

impl Tag {
    /// Bytes of the closing tag.
    pub(super) fn close_len(&self) -> usize {
        "</>".len() + self.name.len()
    }
}

/// A step of a message: opens and closes are balanced, and none stands where Telegram forbids it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A tag begins.
    Open(Rc<Tag>),
    /// The innermost open tag, which is this one, ends.
    Close(Rc<Tag>),
    /// A character people see.
    Char(char),
}

impl Node {
    /// The character, if it is one.
    pub(super) fn char(&self) -> Option<char> {
        match self {
            Node::Char(c) => Some(*c),
            Node::Open(_) | Node::Close(_) => None,
        }
    }

    /// Writes it as HTML.
    pub(super) fn push_to(&self, html: &mut String) {
        match self {
            Node::Char(c) => push_char(html, *c),
            Node::Open(tag) => html.extend(["<", tag.name, &tag.attributes, ">"]),
            Node::Close(tag) => html.extend(["</", tag.name, ">"]),
        }
    }
}

/// Reads a message. Any text will do.
pub(super) fn parse(html: &str) -> Vec<Node> {
    let mut builder = Builder::default();
    for token in tokens(html) {
        match token {
            Token::Char(c) => builder.char(c),
            Token::Open { name, attributes } => builder.open(name, &attributes),
            Token::Close { name } => builder.close(&name),
        }
    }
    builder.finish()
}

/// An element still open: what it is called in the source, and what became of it.
struct Element {
    name: String,
    /// `None`: Telegram has no such formatting, or not at that place.
    tag: Option<Rc<Tag>>,
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    open: Vec<Element>,
    last: Option<char>,
    /// The next character belongs on a new line.
    breaks: bool,
}

impl Builder {
    fn char(&mut self, c: char) {
        if c != '\n' {
            self.break_line();
        }
        self.breaks = false;
        self.last = Some(c);
        self.nodes.push(Node::Char(c));
    }

    /// Ends the line if a block wants it and it is not ended yet.
    fn break_line(&mut self) {
        if self.breaks && self.last.is_some_and(|last| last != '\n') {
            self.nodes.push(Node::Char('\n'));
            self.last = Some('\n');
        }
        self.breaks = false;
    }

    fn open(&mut self, name: String, attributes: &[(String, String)]) {
        self.breaks |= is_block(&name);
        match name.as_str() {
            "br" => return self.char('\n'),
            "img" | "hr" | "input" | "meta" | "link" | "wbr" => return, // They have no end.
            "li" => "• ".chars().for_each(|c| self.char(c)),
            _ => (),
        }
        let tag = recognise(&name, attributes).filter(|tag| self.allows(tag)).map(Rc::new);
        if let Some(tag) = &tag {
            self.break_line();
            self.nodes.push(Node::Open(Rc::clone(tag)));
        }
        self.open.push(Element { name: synonym(name), tag });
    }

    /// Closes the nearest element of this name; what was opened inside it and is still open goes on after it.
    fn close(&mut self, name: &str) {
        self.breaks |= is_block(name);
        let name = synonym(name.to_owned());
        let Some(at) = self.open.iter().rposition(|element| element.name == name) else { return };
        let inner: Vec<Rc<Tag>> =
            self.open[at + 1..].iter().filter_map(|element| element.tag.clone()).collect();
        self.nodes.extend(inner.iter().rev().cloned().map(Node::Close));
        let closed = self.open.remove(at);
        self.nodes.extend(closed.tag.map(Node::Close));
        self.nodes.extend(inner.into_iter().map(Node::Open));
    }

    fn finish(mut self) -> Vec<Node> {
        let open = self.open.into_iter().rev().filter_map(|element| element.tag);
        self.nodes.extend(open.map(Node::Close));
        self.nodes
    }

    /// Whether Telegram takes this tag inside those open now.
    fn allows(&self, tag: &Tag) -> bool {
        let mut around = self.open.iter().filter_map(|element| element.tag.as_deref());
        let inside =
            |name| self.open.iter().filter_map(|element| element.tag.as_deref()).any(|tag| tag.name == name);
        match tag.name {
            // The language of a block: `<pre><code class="language-rust">`.
            "code" => {
                !inside("code")
                    && around.next_back().is_none_or(|outer| outer.name == "pre" || !inside("pre"))
            }
            name => !inside(name) && !inside("pre") && !inside("code"),
        }
    }
}

/// Whether people see the element on lines of its own.
fn is_block(name: &str) -> bool {
    let others =
        ["p", "div", "ul", "ol", "li", "table", "tr", "section", "article", "header", "footer", "hr"];
    is_heading(name) || others.contains(&name)
}

fn is_heading(name: &str) -> bool {
    matches!(name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
}

/// Names that close one another: `<strong>` may end as `</b>`.
fn synonym(name: String) -> String {
    known(&name).map_or(name, str::to_owned)
}

fn known(name: &str) -> Option<&'static str> {
    Some(match name {
        "b" | "strong" => "b",
        "i" | "em" => "i",
        "u" | "ins" => "u",
        "s" | "strike" | "del" => "s",
        "a" => "a",
        "code" => "code",
        "pre" => "pre",
        "blockquote" => "blockquote",
        "tg-spoiler" => "tg-spoiler",
        "tg-emoji" => "tg-emoji",
        "tg-time" => "tg-time",
        _ => return None,
    })
}

/// The formatting Telegram has for an element, with the attributes it reads; `None` also without one it needs.
fn recognise(name: &str, attributes: &[(String, String)]) -> Option<Tag> {
    let value = |name| attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let name = match name {
        "span" if value("class") == Some("tg-spoiler") => "tg-spoiler",
        heading if is_heading(heading) => "b",
        other => known(other)?,
    };
    let mut written = String::new();
    for (attribute, need, fits) in attributes_of(name) {
        match (value(attribute).filter(|value| fits(value)), need) {
            (Some(value), _) => push_attribute(&mut written, attribute, value),
            (None, Need::Must) => return None,
            (None, Need::May) => (),
        }
    }
    Some(Tag { name, attributes: written })
}

/// Whether a tag is worth anything without an attribute.
#[derive(Clone, Copy)]
enum Need {
    Must,
    May,
}

/// An attribute Telegram reads, and what its value must be like.
type Attribute = (&'static str, Need, fn(&str) -> bool);

fn attributes_of(tag: &str) -> &'static [Attribute] {
    match tag {
        "a" => &[("href", Need::Must, is_link)],
        "code" => &[("class", Need::May, |class| class.starts_with("language-"))],
        "blockquote" => &[("expandable", Need::May, |_| true)],
        "tg-emoji" => &[("emoji-id", Need::Must, is_number)],
        "tg-time" => &[("unix", Need::Must, is_number), ("format", Need::May, is_word)],
        _ => &[],
    }
}

/// Links Telegram opens; `javascript:` and its like are none. Without a scheme it takes `http://`.
fn is_link(href: &str) -> bool {
    let scheme = href.split_once(':').map(|(scheme, _)| scheme);
    let scheme = scheme.filter(|scheme| !scheme.contains(['/', '.', '?', '#']));
    let known = ["http", "https", "tg", "ton", "tonsite", "mailto", "tel"];
    !href.trim().is_empty()
        && scheme.is_none_or(|scheme| known.iter().any(|known| scheme.trim().eq_ignore_ascii_case(known)))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() < 20 && text.chars().all(|c| c.is_ascii_digit())
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphabetic())
}
