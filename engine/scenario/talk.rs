//! The transcript of a scenario: who said what, in order, with the buttons that came with it.

use std::fmt::Write as _;

use crate::telegram::ChatId;

/// What has been said so far, by everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Talk {
    pub lines: Vec<Line>,
    /// What was asked of other services, in order.
    pub calls: Vec<String>,
}

/// Something said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub chat: ChatId,
    /// `Анна`, `бот → Анна`.
    pub speaker: String,
    /// Words, and the buttons after them.
    pub text: String,
}

impl Talk {
    /// Draws it. Lines that `is_new` says so of are marked.
    pub fn draw(&self, is_new: impl Fn(usize) -> bool) -> String {
        let width = self.lines.iter().map(|line| line.speaker.chars().count()).max().unwrap_or(0);
        let mut drawn = String::new();
        for (number, line) in self.lines.iter().enumerate() {
            let mark = if is_new(number) { "›" } else { " " };
            let pad = " ".repeat(width - line.speaker.chars().count());
            let indent = " ".repeat(width + 4);
            let mut rows = line.text.lines();
            let first = rows.next().unwrap_or_default();
            writeln!(drawn, "{mark} {}{pad}  {first}", line.speaker).expect("a string takes everything");
            for row in rows {
                let row = if row.is_empty() { String::new() } else { format!("{indent}{row}") };
                writeln!(drawn, "{row}").expect("a string takes everything");
            }
        }
        drawn.trim_end().to_owned()
    }

    /// Where it first differs from the way the talk must go; `None` when it does not.
    pub fn difference(&self, smooth: &Talk) -> Option<String> {
        let of_chat = |talk: &Talk, chat| -> Vec<Line> {
            talk.lines.iter().filter(|line| line.chat == chat).cloned().collect()
        };
        let mut chats: Vec<ChatId> = smooth.lines.iter().chain(&self.lines).map(|line| line.chat).collect();
        chats.sort_unstable();
        chats.dedup();
        // Chats go on side by side: only the order within each is promised.
        for chat in chats {
            let (must, is) = (of_chat(smooth, chat), of_chat(self, chat));
            let at = must.iter().zip(&is).take_while(|(must, is)| must == is).count();
            if at < must.len() || at < is.len() {
                let told = |line: Option<&Line>| {
                    line.map_or("(ничего)".to_owned(), |line| {
                        format!("{}  {}", line.speaker, line.text)
                    })
                };
                return Some(format!(
                    "должно быть:  {}\nвышло:        {}",
                    told(must.get(at)),
                    told(is.get(at))
                ));
            }
        }
        (self.calls != smooth.calls).then(|| {
            format!("обращения должны быть:  {}\nвышли:  {}", smooth.calls.join(", "), self.calls.join(", "))
        })
    }
}
