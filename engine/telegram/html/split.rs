//! Deals a long message out into parts.

use std::rc::Rc;

use super::render;
use super::tree::{Node, Tag};

/// Raw bytes Telegram takes in one text, tags and all.
const MOST_BYTES: usize = 32 * 1024;

/// The parts of a balanced message, each balanced, of at most `limit` characters; see [`super::split`].
pub(super) fn parts(nodes: &[Node], limit: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = nodes;
    let mut open: Vec<Rc<Tag>> = Vec::new(); // What the next part opens again.
    while !rest.is_empty() {
        let (taken, after) = rest.split_at(end_of_part(rest, &open, limit));
        let mut part: Vec<Node> = open.iter().cloned().map(Node::Open).collect();
        part.extend_from_slice(taken);
        follow(&mut open, taken);
        part.extend(open.iter().rev().cloned().map(Node::Close));
        parts.extend(trimmed(part).as_deref().map(render));
        rest = after;
    }
    parts
}

/// How many of `nodes` make the next part, at least one. White space around the part is not counted: it is trimmed.
fn end_of_part(nodes: &[Node], open: &[Rc<Tag>], limit: usize) -> usize {
    let start = nodes.iter().position(is_seen).unwrap_or(nodes.len());
    let (mut borders, mut room) = (Borders::default(), Room::new(open));
    let (mut count, mut end) = (0, 0);
    for (at, node) in nodes.iter().enumerate() {
        let fits = room.take(node);
        let Some(c) = node.char().filter(|_| at >= start) else { continue };
        if is_seen(node) && (count >= limit || !fits) && end > 0 {
            return past_closing(nodes, borders.best(count).unwrap_or_else(|| whole_character(nodes, end)));
        }
        count += 1;
        borders.note(c, at + 1, count);
        if is_seen(node) {
            end = at + 1;
        }
    }
    nodes.len()
}

/// The last places where a part may end, from the most natural kind to the least: after a paragraph, a line, a
/// sentence, a word. Each is an index into the nodes and the count of characters up to it.
#[derive(Default)]
struct Borders {
    last: [Option<(usize, usize)>; 4],
    before: Option<char>,
}

impl Borders {
    /// Notes a character that ends before index `end` and is number `count` of the part.
    fn note(&mut self, c: char, end: usize, count: usize) {
        let before = self.before.replace(c);
        if !c.is_whitespace() {
            return;
        }
        let kind = match (before, c) {
            (Some('\n'), '\n') => 0,
            (_, '\n') => 1,
            (Some('.' | '!' | '?' | '…'), _) => 2,
            _ => 3,
        };
        self.last[kind] = Some((end, count));
    }

    /// The most natural border that leaves the part at least half full, else the last of any kind.
    fn best(&self, count: usize) -> Option<usize> {
        let known = self.last.iter().flatten();
        let good = known.clone().find(|(_, filled)| filled * 2 >= count);
        good.or_else(|| known.max()).map(|(end, _)| *end)
    }
}

/// Raw bytes of the part so far, and of the tags that must still be closed.
struct Room {
    html: String,
    to_close: usize,
}

impl Room {
    fn new(open: &[Rc<Tag>]) -> Room {
        let mut room = Room { html: String::new(), to_close: 0 };
        for tag in open {
            room.take(&Node::Open(Rc::clone(tag)));
        }
        room
    }

    /// Adds a node and says whether the part with all its tags closed is within what Telegram takes.
    fn take(&mut self, node: &Node) -> bool {
        node.push_to(&mut self.html);
        match node {
            Node::Open(tag) => self.to_close += tag.close_len(),
            Node::Close(tag) => self.to_close -= tag.close_len(),
            Node::Char(_) => (),
        }
        self.html.len() + self.to_close <= MOST_BYTES
    }
}

/// Moves a cut at `end` back so that it does not fall inside what people see as one character, if it can.
fn whole_character(nodes: &[Node], end: usize) -> usize {
    let mut next = nodes[end..].iter().find_map(Node::char);
    for (at, node) in nodes[..end].iter().enumerate().rev() {
        let Some(c) = node.char() else { continue };
        if !next.is_some_and(|next| joined(c, next)) {
            return at + 1;
        }
        next = Some(c);
    }
    end
}

/// Whether two code points are drawn as one: an accent, a skin tone, a keycap, a family of emoji, a flag.
fn joined(c: char, next: char) -> bool {
    const JOINER: char = '\u{200d}';
    let accent = matches!(next, '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' | '\u{20e3}');
    let skin = matches!(next, '\u{1f3fb}'..='\u{1f3ff}');
    let flag = |c| matches!(c, '\u{1f1e6}'..='\u{1f1ff}');
    c == JOINER || next == JOINER || accent || skin || (flag(c) && flag(next))
}

/// Moves a cut past the tags that close at it: what they hold is in this part.
fn past_closing(nodes: &[Node], end: usize) -> usize {
    end + nodes[end..].iter().take_while(|node| matches!(node, Node::Close(_))).count()
}

/// Keeps `open` up with the tags of `nodes`.
fn follow(open: &mut Vec<Rc<Tag>>, nodes: &[Node]) {
    for node in nodes {
        match node {
            Node::Open(tag) => open.push(Rc::clone(tag)),
            Node::Close(_) => drop(open.pop()),
            Node::Char(_) => (),
        }
    }
}

/// Without white space at its ends, inside tags too; `None` when nothing is left to see.
fn trimmed(part: Vec<Node>) -> Option<Vec<Node>> {
    let first = part.iter().position(is_seen)?;
    let last = part.iter().rposition(is_seen)?;
    let kept = |at: &usize, node: &Node| node.char().is_none() || (first..=last).contains(at);
    Some(part.into_iter().enumerate().filter(|(at, node)| kept(at, node)).map(|(_, node)| node).collect())
}

/// A character with ink.
fn is_seen(node: &Node) -> bool {
    node.char().is_some_and(|c| !c.is_whitespace())
}
