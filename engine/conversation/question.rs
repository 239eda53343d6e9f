//! Questions: how one is shown, and whether what a person did answers it.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::words;
use crate::telegram::{Button, Content, File, Incoming, Key, Keyboard, Outgoing, Press, Target, What, html};

/// A question as the flow put it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Telegram's HTML.
    pub html: String,
    /// What counts as an answer.
    pub expects: Expects,
    /// The flow's own words for an answer that does not fit, Telegram's HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<String>,
    /// Whether the flow lets the person go back from here.
    pub offers_back: bool,
    /// Whether the flow lets the person cancel here.
    pub offers_cancel: bool,
}

/// What counts as an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expects {
    /// Words; the bounds count letters, and the lower one only letters and digits.
    Text {
        /// At least so many letters or digits.
        min: usize,
        /// At most so many characters.
        max: usize,
    },
    /// A whole number.
    Number {
        /// Not less.
        min: Option<i64>,
        /// Not more.
        max: Option<i64>,
    },
    /// One of these.
    Choice {
        /// What to choose from; never empty.
        items: Vec<Item>,
        /// Buttons in a row; chosen by the labels' length when not given.
        columns: Option<usize>,
    },
    /// Several of these.
    Many {
        /// What to choose from; never empty.
        items: Vec<Item>,
        /// At least so many.
        min: usize,
        /// At most so many.
        max: usize,
    },
    /// The person's own telephone number.
    Contact {
        /// What the key says.
        button: String,
    },
    /// Photos and files.
    Files {
        /// At most so many.
        max: usize,
        /// The button for none, when none will do.
        skip: Option<String>,
    },
    /// A day.
    Date {
        /// Not earlier.
        min: Option<NaiveDate>,
        /// Not later.
        max: Option<NaiveDate>,
    },
}

/// Something to choose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// What the button says.
    pub label: String,
    /// What the flow gets.
    pub value: Value,
}

/// What a person has done towards an answer so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The page of a long list.
    #[serde(default)]
    pub page: usize,
    /// What a long list is searched for, folded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// Items chosen of many, by their places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub picked: Vec<usize>,
    /// Files sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// The album already spoken about: its items come one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub album: Option<String>,
}

/// What a deed means for the question.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// It is answered: the value for the flow, and in words when it was chosen by a button.
    Answer(Value, Option<String>),
    /// Not yet, and this is said.
    Say(String),
    /// Not yet, and this takes the place of what was said last: more of the same album has come.
    Amend(String),
    /// The list has turned or a mark has changed: the message is shown anew.
    Redraw,
    /// Nothing more needs saying.
    Silence,
}

/// A press of a button under a question, as its data says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tap {
    /// The item at this place.
    Item(usize),
    /// Another page.
    Page(usize),
    /// That is all.
    Done,
    /// None.
    Skip,
    /// To the question before.
    Back,
    /// Out of the flow.
    Cancel,
}

impl Tap {
    /// As it is written into a button.
    pub fn code(self) -> String {
        match self {
            Tap::Item(place) => place.to_string(),
            Tap::Page(page) => format!("p{page}"),
            Tap::Done => "d".to_owned(),
            Tap::Skip => "s".to_owned(),
            Tap::Back => "b".to_owned(),
            Tap::Cancel => "x".to_owned(),
        }
    }

    /// As it is read from a button; `None` for what we never wrote.
    pub fn from_code(code: &str) -> Option<Tap> {
        Some(match code {
            "d" => Tap::Done,
            "s" => Tap::Skip,
            "b" => Tap::Back,
            "x" => Tap::Cancel,
            _ => match code.strip_prefix('p') {
                Some(page) => Tap::Page(page.parse().ok()?),
                None => Tap::Item(code.parse().ok()?),
            },
        })
    }
}

/// Lists longer than a page are turned and searched.
const PAGE: usize = 8;

impl Item {
    /// An option of a flow: a text, or a map with `label` (or `title`, or `name`).
    pub fn from_option(value: &Value) -> Result<Item, String> {
        let label = match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Object(map) => {
                ["label", "title", "name"].iter().find_map(|&key| map.get(key)?.as_str().map(str::to_owned))
            }
            _ => None,
        };
        let label = label.filter(|label| !label.trim().is_empty());
        let label = label.ok_or("вариант — непустой текст или карта с полем label, title или name")?;
        Ok(Item { label, value: value.clone() })
    }
}

impl Question {
    /// The message that puts the question. `address` turns a tap into a button's data.
    pub fn prompt(
        &self,
        progress: &Progress,
        can_go_back: bool,
        address: impl Fn(Tap) -> String,
    ) -> Outgoing {
        let mut rows: Vec<Vec<Button>> = Vec::new();
        let button =
            |label: &str, tap: Tap| Button { label: label.to_owned(), press: Press::Data(address(tap)) };
        let mut html = self.html.clone();
        let has_back = can_go_back && self.offers_back;
        match &self.expects {
            Expects::Text { .. } | Expects::Number { .. } | Expects::Date { .. } => {}
            Expects::Contact { button } => {
                let mut keys = vec![vec![Key::Contact(button.clone())]];
                keys.extend(
                    navigation(has_back, self.offers_cancel)
                        .map(|(label, _)| vec![Key::Text(label.to_owned())]),
                );
                let keyboard = Some(Keyboard::Reply { rows: keys, is_one_time: true });
                return Outgoing { keyboard, ..Outgoing::text(html) };
            }
            Expects::Choice { items, columns } => {
                let found = found(items, &progress.query);
                for row in
                    page(&found, progress.page).chunks(columns.unwrap_or_else(|| columns_for(items)).max(1))
                {
                    rows.push(
                        row.iter().map(|&place| button(&items[place].label, Tap::Item(place))).collect(),
                    );
                }
                rows.extend(pager(&found, progress.page, &button));
                html.push_str(&list_hint(items, &found, &progress.query));
            }
            Expects::Many { items, .. } => {
                let found = found(items, &progress.query);
                for &place in page(&found, progress.page) {
                    let mark = if progress.picked.contains(&place) { "☑️" } else { "▫️" };
                    rows.push(vec![button(&format!("{mark} {}", items[place].label), Tap::Item(place))]);
                }
                rows.extend(pager(&found, progress.page, &button));
                rows.push(vec![button(&format!("{} ({})", words::DONE, progress.picked.len()), Tap::Done)]);
                html.push_str(&list_hint(items, &found, &progress.query));
            }
            Expects::Files { skip, .. } => match (progress.files.len(), skip) {
                (0, Some(label)) => rows.push(vec![button(label, Tap::Skip)]),
                (0, None) => {}
                (count, _) => rows.push(vec![button(&format!("{} ({count})", words::DONE), Tap::Done)]),
            },
        }
        let way_out: Vec<Button> =
            navigation(has_back, self.offers_cancel).map(|(label, tap)| button(label, tap)).collect();
        if !way_out.is_empty() {
            rows.push(way_out);
        }
        Outgoing { buttons: rows, ..Outgoing::text(html) }
    }

    /// The same message redrawn in place, when its list has turned or its marks have changed.
    pub fn redrawn(
        &self,
        target: Target,
        progress: &Progress,
        can_go_back: bool,
        address: impl Fn(Tap) -> String,
    ) -> Outgoing {
        let prompt = self.prompt(progress, can_go_back, address);
        let Content::Text { html } = prompt.content else { unreachable!("a prompt is a text") };
        Outgoing { content: Content::Edit { target, html }, ..prompt }
    }

    /// What a message of the person means for the question.
    pub fn hear(&self, progress: &mut Progress, deed: &Incoming) -> Reply {
        let reply = match (&self.expects, &deed.what) {
            (_, What::Press { .. } | What::Membership { .. } | What::PollAnswer { .. }) => {
                return Reply::Silence;
            }
            (Expects::Text { min, max }, What::Text { text }) => text_answer(text, *min, *max),
            (Expects::Number { min, max }, What::Text { text }) => number_answer(text, *min, *max),
            (Expects::Date { min, max }, What::Text { text }) => date_answer(text, *min, *max),
            (Expects::Choice { items, .. } | Expects::Many { items, .. }, What::Text { text }) => {
                return self.search(items, progress, text);
            }
            (Expects::Contact { .. }, What::Contact { phone, user, is_forwarded, first_name, last_name }) => {
                if *user != Some(deed.from.id) || *is_forwarded {
                    Err(words::FOREIGN_CONTACT.to_owned())
                } else {
                    let card =
                        |phone| json!({ "phone": phone, "first_name": first_name, "last_name": last_name });
                    normal_phone(phone).map(card).ok_or_else(|| words::STRANGE_PHONE.to_owned())
                }
            }
            (Expects::Files { max, .. }, What::File(file)) => return add_file(progress, file, *max),
            (expects, What::File(file)) => return once_an_album(progress, file, expects.wish()),
            (expects, _) => Err(expects.wish().to_owned()),
        };
        match reply {
            Ok(value) => Reply::Answer(value, None),
            Err(why) => Reply::Say(self.retry.clone().unwrap_or(why)),
        }
    }

    /// What a press of one of the question's own buttons means; Back and Cancel are the conversation's affair.
    pub fn tapped(&self, progress: &mut Progress, tap: Tap) -> Reply {
        match (&self.expects, tap) {
            (Expects::Choice { items, .. }, Tap::Item(place)) => match items.get(place) {
                Some(item) => Reply::Answer(item.value.clone(), Some(item.label.clone())),
                None => Reply::Silence,
            },
            (Expects::Many { items, max, .. }, Tap::Item(place)) if place < items.len() => {
                match progress.picked.iter().position(|&picked| picked == place) {
                    Some(at) => drop(progress.picked.remove(at)),
                    None if progress.picked.len() < *max => progress.picked.push(place),
                    None => return Reply::Say(words::at_most(*max)),
                }
                Reply::Redraw
            }
            (Expects::Many { items, min, .. }, Tap::Done) => {
                if progress.picked.len() < *min {
                    return Reply::Say(words::at_least(*min));
                }
                let mut places = progress.picked.clone();
                places.sort_unstable();
                let chosen: Vec<&Item> = places.iter().filter_map(|&place| items.get(place)).collect();
                let labels: Vec<&str> = chosen.iter().map(|item| item.label.as_str()).collect();
                Reply::Answer(chosen.iter().map(|item| item.value.clone()).collect(), Some(labels.join(", ")))
            }
            (Expects::Choice { .. } | Expects::Many { .. }, Tap::Page(page)) => {
                progress.page = page;
                Reply::Redraw
            }
            (Expects::Files { .. }, Tap::Done) if !progress.files.is_empty() => files_answer(progress),
            (Expects::Files { skip: Some(label), .. }, Tap::Skip) => {
                Reply::Answer(json!([]), Some(label.clone()))
            }
            _ => Reply::Silence,
        }
    }

    /// Words in place of a button: the label itself chooses, anything else searches a long list.
    fn search(&self, items: &[Item], progress: &mut Progress, text: &str) -> Reply {
        let wanted = fold(text);
        let exact = items.iter().position(|item| fold(&item.label) == wanted);
        match (&self.expects, exact) {
            (Expects::Choice { .. }, Some(place)) => return Reply::Answer(items[place].value.clone(), None),
            (Expects::Many { .. }, Some(place)) => return self.tapped(progress, Tap::Item(place)),
            _ => {}
        }
        if items.len() <= PAGE {
            return Reply::Say(self.retry.clone().unwrap_or_else(|| self.expects.wish().to_owned()));
        }
        if found(items, &wanted).is_empty() {
            return Reply::Say(words::nothing_found(text));
        }
        (progress.query, progress.page) = (wanted, 0);
        Reply::Redraw
    }
}

impl Expects {
    /// What the person is asked for when something else came.
    fn wish(&self) -> &'static str {
        match self {
            Expects::Text { .. } => words::WANT_TEXT,
            Expects::Number { .. } => words::WANT_NUMBER,
            Expects::Choice { .. } | Expects::Many { .. } => words::WANT_CHOICE,
            Expects::Contact { .. } => words::WANT_CONTACT,
            Expects::Files { .. } => words::WANT_FILES,
            Expects::Date { .. } => words::WANT_DATE,
        }
    }
}

fn navigation(has_back: bool, has_cancel: bool) -> impl Iterator<Item = (&'static str, Tap)> {
    let back = has_back.then_some((words::BACK, Tap::Back));
    back.into_iter().chain(has_cancel.then_some((words::CANCEL, Tap::Cancel)))
}

/// The places of the items whose label holds the query; every place for an empty one.
fn found(items: &[Item], query: &str) -> Vec<usize> {
    (0..items.len()).filter(|&place| fold(&items[place].label).contains(query)).collect()
}

fn page(found: &[usize], page: usize) -> &[usize] {
    if found.len() <= PAGE + 2 {
        return found;
    }
    let start = (page * PAGE).min((found.len() - 1) / PAGE * PAGE);
    &found[start..(start + PAGE).min(found.len())]
}

fn pager(found: &[usize], page: usize, button: &impl Fn(&str, Tap) -> Button) -> Option<Vec<Button>> {
    if found.len() <= PAGE + 2 {
        return None;
    }
    let pages = found.len().div_ceil(PAGE);
    let page = page.min(pages - 1);
    let (before, after) = ((page + pages - 1) % pages, (page + 1) % pages);
    let place = format!("{} / {pages}", page + 1);
    Some(vec![button("‹", Tap::Page(before)), button(&place, Tap::Page(page)), button("›", Tap::Page(after))])
}

fn list_hint(items: &[Item], found: &[usize], query: &str) -> String {
    if items.len() <= PAGE + 2 {
        String::new()
    } else if query.is_empty() {
        format!("\n\n<i>{}</i>", words::SEARCH_HINT)
    } else {
        format!("\n\n<i>{}</i>", words::found_of(found.len(), items.len()))
    }
}

/// Short labels stand two in a row.
fn columns_for(items: &[Item]) -> usize {
    let longest = items.iter().map(|item| item.label.chars().count()).max().unwrap_or(0);
    if items.len() > 3 && longest <= 14 { 2 } else { 1 }
}

/// Case, `ё` and outer spaces do not matter when people search.
fn fold(text: &str) -> String {
    text.trim().to_lowercase().replace('ё', "е")
}

fn text_answer(text: &str, min: usize, max: usize) -> Result<Value, String> {
    let text = text.trim();
    if text.chars().filter(|c| c.is_alphanumeric()).count() < min {
        return Err(words::too_short(min));
    }
    let length = text.chars().count();
    if length > max {
        return Err(words::too_long(length, max));
    }
    Ok(json!(text))
}

fn number_answer(text: &str, min: Option<i64>, max: Option<i64>) -> Result<Value, String> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let number: i64 = digits.parse().map_err(|_| words::WANT_NUMBER.to_owned())?;
    let is_inside = min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max);
    if is_inside { Ok(json!(number)) } else { Err(words::out_of(min, max)) }
}

/// Days as people write them: `05.12.2026`, `05.12.26`, `2026-12-05`.
fn date_answer(text: &str, min: Option<NaiveDate>, max: Option<NaiveDate>) -> Result<Value, String> {
    let text = text.trim();
    let date = ["%d.%m.%Y", "%d.%m.%y", "%Y-%m-%d"]
        .iter()
        .find_map(|form| NaiveDate::parse_from_str(text, form).ok())
        .ok_or_else(|| words::WANT_DATE.to_owned())?;
    let is_inside = min.is_none_or(|min| date >= min) && max.is_none_or(|max| date <= max);
    if is_inside { Ok(json!(date.to_string())) } else { Err(words::out_of_days(min, max)) }
}

/// `+7…` from the ways Telegram and people write a number; `None` when it is no number.
fn normal_phone(phone: &str) -> Option<String> {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    match digits.len() {
        11 if digits.starts_with('8') => Some(format!("+7{}", &digits[1..])),
        10 if digits.starts_with('9') => Some(format!("+7{digits}")),
        10..=15 => Some(format!("+{digits}")),
        _ => None,
    }
}

fn add_file(progress: &mut Progress, file: &File, max: usize) -> Reply {
    let is_same_album = file.album.is_some() && file.album == progress.album;
    progress.album.clone_from(&file.album);
    if progress.files.len() >= max {
        let words = words::at_most_files(max);
        return if is_same_album { Reply::Amend(words) } else { Reply::Say(words) };
    }
    progress.files.push(file.clone());
    if is_same_album {
        Reply::Amend(words::files_taken(progress.files.len()))
    } else {
        Reply::Say(words::FILE_TAKEN.to_owned())
    }
}

/// The items of an album are separate updates; the person is told once.
fn once_an_album(progress: &mut Progress, file: &File, wish: &str) -> Reply {
    if file.album.is_some() && file.album == progress.album {
        return Reply::Silence;
    }
    progress.album.clone_from(&file.album);
    Reply::Say(wish.to_owned())
}

fn files_answer(progress: &Progress) -> Reply {
    let file = |file: &File| {
        let kind = if file.is_photo { "photo" } else { "document" };
        json!({ "kind": kind, "file_id": file.file_id, "name": file.name, "size_bytes": file.size_bytes })
    };
    let names: Vec<String> = progress.files.iter().map(|file| html::escape(&file.name)).collect();
    Reply::Answer(progress.files.iter().map(file).collect(), Some(names.join(", ")))
}
