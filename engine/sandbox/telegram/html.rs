//! Telegram's HTML: read as its server reads it, with the same complaints, and shown on a page.

use serde::{Deserialize, Serialize};

/// A piece of a text with a meaning: `offset` and `length` count UTF-16 units, as on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// What it is: `bold`, `text_link`, `bot_command`…
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it begins, in UTF-16 units.
    pub offset: usize,
    /// How long it is, in UTF-16 units.
    pub length: usize,
    /// Where a `text_link` leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The language of a `pre`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

impl Entity {
    /// An entity that only has a kind and a place.
    pub fn plain(kind: &str, offset: usize, length: usize) -> Entity {
        Entity { kind: kind.to_owned(), offset, length, url: None, language: None }
    }

    fn end(&self) -> usize {
        self.offset + self.length
    }
}

/// A text with its entities, sorted by offset and then from the longest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rich {
    /// The text as people see it.
    pub text: String,
    /// Its formatting.
    pub entities: Vec<Entity>,
}

impl Rich {
    /// A text whose entities, if any, were given beside it.
    pub fn new(text: &str, entities: Vec<Entity>) -> Rich {
        let mut rich = Rich { text: text.to_owned(), entities };
        rich.trim();
        rich
    }

    /// The text as HTML that is safe to put into a page: lines end with `\n`.
    pub fn to_html(&self) -> String {
        render(self)
    }

    /// Drops blank edges, as the server does, and clips the entities to what is left.
    fn trim(&mut self) {
        let kept = self.text.trim_start();
        let shift = utf16_len(&self.text[..self.text.len() - kept.len()]);
        let kept = kept.trim_end();
        let end = utf16_len(kept);
        for entity in &mut self.entities {
            let from = entity.offset.saturating_sub(shift).min(end);
            let to = entity.end().saturating_sub(shift).min(end);
            (entity.offset, entity.length) = (from, to - from);
        }
        self.entities.retain(|entity| entity.length > 0);
        self.entities.sort_by_key(|entity| (entity.offset, std::cmp::Reverse(entity.length)));
        if kept.len() != self.text.len() {
            self.text = kept.to_owned();
        }
    }
}

/// Reads `parse_mode=HTML`. The error is the server's own words, with a byte offset into `source`.
pub fn parse(source: &str) -> Result<Rich, String> {
    let mut parser = Parser { source, at: 0, text: String::with_capacity(source.len()), ..Parser::default() };
    while let Some(c) = parser.peek() {
        match c {
            '<' if parser.rest().starts_with("</") => parser.end_tag()?,
            '<' => parser.start_tag()?,
            '&' => parser.ampersand(),
            _ => parser.take(c),
        }
    }
    if let Some(open) = parser.open.pop() {
        return Err(format!("Can't find end tag corresponding to start tag \"{}\"", open.tag));
    }
    let mut rich = Rich { text: parser.text, entities: parser.entities };
    rich.trim();
    Ok(rich)
}

/// The length of `text` in UTF-16 units.
pub fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Escapes text for a page.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    text.chars().for_each(|c| push_escaped(&mut safe, c));
    safe
}

/// Finds what the server marks by itself: commands and links.
pub fn detect(text: &str) -> Vec<Entity> {
    let mut found = Vec::new();
    let (mut units, mut word) = (0, String::new());
    for c in text.chars().chain([' ']) {
        if !c.is_whitespace() {
            word.push(c);
            continue;
        }
        let length = utf16_len(&word);
        if let Some(entity) = detect_word(&word, units, length) {
            found.push(entity);
        }
        units += length + c.len_utf16();
        word.clear();
    }
    found
}

fn detect_word(word: &str, offset: usize, length: usize) -> Option<Entity> {
    if let Some(name) = word.strip_prefix('/') {
        let bare = name.split('@').next().unwrap_or_default();
        let is_command = (1..=64).contains(&bare.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '@');
        return is_command.then(|| Entity::plain("bot_command", offset, length));
    }
    let is_url =
        ["https://", "http://"].iter().any(|scheme| word.len() > scheme.len() && word.starts_with(scheme));
    is_url.then(|| Entity::plain("url", offset, length))
}

/// Whether a page may follow the link: it must not run what a bot sent.
pub fn is_safe_link(url: &str) -> bool {
    let url = url.to_ascii_lowercase();
    ["http:", "https:", "tg:", "mailto:", "tel:"].iter().any(|scheme| url.starts_with(scheme))
}

struct Open {
    tag: String,
    argument: String,
    offset: usize,
    text_at: usize,
}

#[derive(Default)]
struct Parser<'a> {
    source: &'a str,
    at: usize,
    text: String,
    units: usize,
    open: Vec<Open>,
    entities: Vec<Entity>,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, c: char) {
        self.at += c.len_utf8();
        self.push(c);
    }

    fn push(&mut self, c: char) {
        self.units += c.len_utf16();
        self.text.push(c);
    }

    /// A lone `&` is tolerated and stays as it was typed.
    fn ampersand(&mut self) {
        match decode_entity(self.rest()) {
            Some((c, length)) => {
                self.at += length;
                self.push(c);
            }
            None => self.take('&'),
        }
    }

    /// Moves past the characters that satisfy `is_part` and returns them.
    fn skip_while(&mut self, is_part: impl Fn(char) -> bool) -> &str {
        let from = self.at;
        let length = self.rest().find(|c| !is_part(c)).unwrap_or(self.rest().len());
        self.at += length;
        &self.source[from..from + length]
    }

    fn start_tag(&mut self) -> Result<(), String> {
        let begin = self.at;
        self.at += 1;
        let tag = self.skip_while(|c| !c.is_ascii_whitespace() && c != '>').to_ascii_lowercase();
        if self.peek().is_none() {
            return Err(format!("Unclosed start tag at byte offset {begin}"));
        }
        if !is_known(&tag) {
            return Err(format!("Unsupported start tag \"{tag}\" at byte offset {begin}"));
        }
        let argument = self.attributes(&tag, begin)?;
        if tag == "span" && argument != "tg-spoiler" {
            return Err(format!("Tag \"span\" must have class \"tg-spoiler\" at byte offset {begin}"));
        }
        self.open.push(Open { tag, argument, offset: self.units, text_at: self.text.len() });
        Ok(())
    }

    /// Reads attributes up to `>` and returns the one that the tag has a use for.
    fn attributes(&mut self, tag: &str, begin: usize) -> Result<String, String> {
        let unclosed = || format!("Unclosed start tag \"{tag}\" at byte offset {begin}");
        let mut argument = String::new();
        loop {
            self.skip_while(|c| c.is_ascii_whitespace());
            match self.peek() {
                None => return Err(unclosed()),
                Some('>') => break,
                Some(_) => {}
            }
            let name = self
                .skip_while(|c| !c.is_ascii_whitespace() && !['=', '>', '/', '"', '\''].contains(&c))
                .to_ascii_lowercase();
            if name.is_empty() {
                return Err(format!("Empty attribute name in the tag \"{tag}\" at byte offset {begin}"));
            }
            self.skip_while(|c| c.is_ascii_whitespace());
            let value = match self.peek() {
                None => return Err(unclosed()),
                Some('=') => {
                    self.at += 1;
                    self.attribute_value()?
                }
                Some(_) => String::new(),
            };
            if self.peek().is_none() {
                return Err(unclosed());
            }
            argument = useful(tag, &name, value).unwrap_or(argument);
        }
        self.at += 1;
        Ok(argument)
    }

    fn attribute_value(&mut self) -> Result<String, String> {
        self.skip_while(|c| c.is_ascii_whitespace());
        let begin = self.at;
        let Some(quote @ ('"' | '\'')) = self.peek() else { return self.name_token(begin) };
        self.at += 1;
        let mut value = String::new();
        while let Some(c) = self.peek() {
            if c == quote {
                self.at += 1;
                break;
            }
            let (c, length) = decode_entity(self.rest()).unwrap_or((c, c.len_utf8()));
            value.push(c);
            self.at += length;
        }
        Ok(value)
    }

    /// A value without quotes: letters, digits, periods and hyphens.
    fn name_token(&mut self, begin: usize) -> Result<String, String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        let token = self.skip_while(is_part).to_ascii_lowercase();
        match self.peek() {
            Some(c) if !c.is_ascii_whitespace() && c != '>' => {
                Err(format!("Unexpected end of name token at byte offset {begin}"))
            }
            Some(_) | None => Ok(token),
        }
    }

    fn end_tag(&mut self) -> Result<(), String> {
        let begin = self.at;
        self.at += 2;
        let Some(open) = self.open.pop() else {
            return Err(format!("Unexpected end tag at byte offset {begin}"));
        };
        let name = self.skip_while(|c| !c.is_ascii_whitespace() && c != '>').to_ascii_lowercase();
        self.skip_while(|c| c.is_ascii_whitespace());
        if self.peek() != Some('>') {
            return Err(format!("Unclosed end tag at byte offset {begin}"));
        }
        self.at += 1;
        // An empty `</>` closes whatever is open.
        if !name.is_empty() && name != open.tag {
            let expected = open.tag;
            return Err(format!(
                "Unmatched end tag at byte offset {begin}, expected \"</{expected}>\", found \"</{name}>\""
            ));
        }
        self.close(&open);
        Ok(())
    }

    /// Turns a closed tag into an entity, unless it was empty or has no effect where it stands.
    fn close(&mut self, open: &Open) {
        let length = self.units - open.offset;
        let is_inside = |tags: &[&str]| self.open.iter().any(|outer| tags.contains(&outer.tag.as_str()));
        if length == 0 || is_inside(&["pre", "code"]) && !(open.tag == "code" && is_inside(&["pre"])) {
            return;
        }
        let plain = |kind: &str| Entity::plain(kind, open.offset, length);
        let entity = match open.tag.as_str() {
            "b" | "strong" => plain("bold"),
            "i" | "em" => plain("italic"),
            "u" | "ins" => plain("underline"),
            "s" | "strike" | "del" => plain("strikethrough"),
            "span" | "tg-spoiler" => plain("spoiler"),
            "code" if is_inside(&["pre"]) => return self.name_language(open),
            "code" => plain("code"),
            "pre" => self
                .entities
                .pop_if(|last| last.kind == "pre" && last.offset == open.offset && last.length == 0)
                .map_or_else(|| plain("pre"), |named| Entity { length, ..named }),
            "blockquote" if is_inside(&["blockquote"]) => return,
            "blockquote" if open.argument == "expandable" => plain("expandable_blockquote"),
            "blockquote" => plain("blockquote"),
            "a" => match link(&open.argument, &self.text[open.text_at..]) {
                Some(url) => Entity { url: Some(url), ..plain("text_link") },
                None => return,
            },
            // Custom emoji and moments of time need nothing more than their text here.
            _ => return,
        };
        self.entities.push(entity);
    }

    /// `<pre><code class="language-x">`: an entity of no length waits for its `</pre>`.
    fn name_language(&mut self, code: &Open) {
        if let Some(language) = code.argument.strip_prefix("language-") {
            let named = Entity::plain("pre", code.offset, 0);
            self.entities.push(Entity { language: Some(language.to_owned()), ..named });
        }
    }
}

fn is_known(tag: &str) -> bool {
    const TAGS: [&str; 17] = [
        "a",
        "b",
        "strong",
        "i",
        "em",
        "s",
        "strike",
        "del",
        "u",
        "ins",
        "tg-spoiler",
        "tg-emoji",
        "tg-time",
        "span",
        "pre",
        "code",
        "blockquote",
    ];
    TAGS.contains(&tag)
}

fn useful(tag: &str, name: &str, value: String) -> Option<String> {
    match (tag, name) {
        ("a", "href") | ("code" | "span", "class") | ("tg-emoji", "emoji-id") => Some(value),
        ("blockquote", "expandable") => Some("expandable".to_owned()),
        _ => None,
    }
}

/// Where `<a>` leads: its `href`, or its own text; nowhere when that is no address.
fn link(href: &str, text: &str) -> Option<String> {
    let address = if href.is_empty() { text } else { href }.trim();
    let has_scheme = ["http://", "https://", "tg://", "ton://", "tonsite://", "mailto:", "tel:"]
        .iter()
        .any(|scheme| address.to_ascii_lowercase().starts_with(scheme));
    if has_scheme {
        return Some(address.to_owned());
    }
    let is_host = address.contains('.') && !address.contains(char::is_whitespace) && !address.contains(':');
    is_host.then(|| format!("http://{address}"))
}

/// Decodes the entity that `text` begins with: the character, and how many bytes it took.
fn decode_entity(text: &str) -> Option<(char, usize)> {
    const NAMED: [(&str, char); 4] = [("lt", '<'), ("gt", '>'), ("amp", '&'), ("quot", '"')];
    let body = text.strip_prefix('&')?;
    let (c, length) = if let Some(number) = body.strip_prefix('#') {
        let (digits, radix, prefix) = match number.strip_prefix('x').or_else(|| number.strip_prefix('X')) {
            Some(hex) => (hex, 16, 2),
            None => (number, 10, 1),
        };
        let length = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        let code = u32::from_str_radix(&digits[..length], radix).ok().filter(|code| *code != 0)?;
        (char::from_u32(code)?, prefix + length)
    } else {
        let length = body.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(body.len());
        let (name, c) = NAMED.iter().find(|(name, _)| *name == &body[..length])?;
        (*c, name.len())
    };
    let semicolon = usize::from(body[length..].starts_with(';'));
    Some((c, 1 + length + semicolon))
}

/// Walks the text once; at each border closes what ends, and reopens what must go on around it.
fn render(rich: &Rich) -> String {
    let mut html = String::with_capacity(rich.text.len() + rich.entities.len() * 16);
    let mut open: Vec<&Entity> = Vec::new();
    let mut waiting = rich.entities.iter().peekable();
    let mut at = 0;
    for c in rich.text.chars() {
        close_until(&mut html, &mut open, at);
        while let Some(entity) = waiting.next_if(|entity| entity.offset <= at) {
            html.push_str(&opening(entity));
            open.push(entity);
        }
        push_escaped(&mut html, c);
        at += c.len_utf16();
    }
    close_until(&mut html, &mut open, usize::MAX);
    html
}

fn close_until(html: &mut String, open: &mut Vec<&Entity>, at: usize) {
    let Some(outermost) = open.iter().position(|entity| entity.end() <= at) else { return };
    let touched = open.split_off(outermost);
    touched.iter().rev().for_each(|entity| html.push_str(closing(entity)));
    for entity in touched.into_iter().filter(|entity| entity.end() > at) {
        html.push_str(&opening(entity));
        open.push(entity);
    }
}

fn opening(entity: &Entity) -> String {
    match entity.kind.as_str() {
        "bold" => "<b>".to_owned(),
        "italic" => "<i>".to_owned(),
        "underline" => "<u>".to_owned(),
        "strikethrough" => "<s>".to_owned(),
        "spoiler" => "<span class=\"spoiler\">".to_owned(),
        "code" => "<code>".to_owned(),
        "pre" => "<pre>".to_owned(),
        "blockquote" | "expandable_blockquote" => "<blockquote>".to_owned(),
        "text_link" => {
            let url = entity.url.as_deref().unwrap_or_default();
            let href = if is_safe_link(url) { escape(url) } else { String::new() };
            format!("<a href=\"{href}\">")
        }
        _ => String::new(),
    }
}

fn closing(entity: &Entity) -> &'static str {
    match entity.kind.as_str() {
        "bold" => "</b>",
        "italic" => "</i>",
        "underline" => "</u>",
        "strikethrough" => "</s>",
        "spoiler" => "</span>",
        "code" => "</code>",
        "pre" => "</pre>",
        "blockquote" | "expandable_blockquote" => "</blockquote>",
        "text_link" => "</a>",
        _ => "",
    }
}

fn push_escaped(html: &mut String, c: char) {
    match c {
        '&' => html.push_str("&amp;"),
        '<' => html.push_str("&lt;"),
        '>' => html.push_str("&gt;"),
        '"' => html.push_str("&quot;"),
        '\'' => html.push_str("&#39;"),
        _ => html.push(c),
    }
}
