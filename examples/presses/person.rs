//! One partner: does something at random, waits for an answer, and looks around.

use std::sync::Arc;
use std::time::{Duration, Instant};

use borodach::sandbox::telegram::Message;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::Options;
use crate::desk::{Desk, FIRST};

/// Whoever hears nothing for so long has got no answer.
const PATIENCE: Duration = Duration::from_mins(1);
/// Somebody may have missed that something happened.
const GLANCE: Duration = Duration::from_millis(250);
/// Messages back that people still look at.
const IN_SIGHT: usize = 8;

const WORDS: [&str; 14] = [
    "/start",
    "/task",
    "/tasks",
    "/stats",
    "/account",
    "/cancel",
    "/cancel_task",
    "Привет",
    "Какая у меня выручка?",
    "3711",
    "0",
    "Срочно: сломалась вывеска <b>",
    "да",
    "🙂",
];

/// What became of one person.
#[derive(Debug, Default)]
pub struct Life {
    /// How long each answer took.
    pub answers: Vec<Duration>,
    /// Deeds without an answer, with the end of the talk.
    pub unanswered: Vec<String>,
    /// The ends of talks after which there was nothing to press.
    pub dead_ends: Vec<String>,
    /// Words of ours about our own failure.
    pub failures: Vec<String>,
    /// How often they were told that something is not certain.
    pub doubts: usize,
    /// How often something was taken to be done later.
    pub put_off: usize,
}

pub struct Person {
    desk: Arc<Desk>,
    id: i64,
    dice: StdRng,
    pause: u64,
    life: Life,
}

/// What is before somebody's eyes: if it changes after a deed, that is the answer.
#[derive(PartialEq)]
struct View {
    sent: u64,
    texts: Vec<(i64, String, Vec<String>)>,
}

impl Person {
    pub fn new(desk: &Arc<Desk>, number: u32, options: &Options) -> Person {
        let dice =
            StdRng::seed_from_u64(options.seed.wrapping_mul(1_000_003).wrapping_add(u64::from(number)));
        let id = FIRST + i64::from(number);
        Person { desk: Arc::clone(desk), id, dice, pause: options.pause, life: Life::default() }
    }

    pub async fn lives(mut self, until: Instant) -> Life {
        let mut next = Some("/start".to_owned());
        while Instant::now() < until {
            let before = self.view();
            let begun = Instant::now();
            let deed = match next.take() {
                Some(words) => self.writes(&words),
                None => self.acts(),
            };
            if self.is_answered(&before).await {
                self.life.answers.push(begun.elapsed());
                if self.labels().is_empty() {
                    self.life.dead_ends.push(self.end_of_talk());
                    next = Some("/start".to_owned());
                }
            } else {
                self.life.unanswered.push(format!("{deed}\n{}", self.end_of_talk()));
                next = Some("/start".to_owned());
            }
            let pause = self.dice.random_range(0..=self.pause);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        self.looks_back();
        self.life
    }

    /// Does something, mostly what can be pressed; the answer says what.
    fn acts(&mut self) -> String {
        let newest = self.heard().pop().map(|message| labels_of(&message)).unwrap_or_default();
        // Most people press what was said last and go on, so talks come to where they write to services.
        let labels: Vec<String> = if newest.is_empty() || self.dice.random_range(0..100) < 25 {
            self.labels()
        } else {
            newest.into_iter().filter(|label| !is_page(label) && !is_way_out(label)).collect()
        };
        // Whoever is asked for words mostly gives them, and so comes to where talks write to services.
        let chance = self.dice.random_range(0..100) + if self.is_asked_for_words() { 50 } else { 0 };
        match labels.choose(&mut self.dice) {
            Some(label) if chance < 80 => {
                // A button may be gone by now: that is no deed, so words take its place.
                if self.desk.telegram.presses(self.id, self.id, label).is_ok() {
                    return format!("[{label}]");
                }
                self.writes("Привет")
            }
            _ if chance < 84 => {
                self.desk.telegram.sends_photo(self.id, self.id, vec![0_u8; 900], "");
                "(фото)".to_owned()
            }
            _ if chance < 88 => {
                self.desk.telegram.sends_document(self.id, self.id, "макет.pdf", vec![1_u8; 900]);
                "(файл)".to_owned()
            }
            _ => {
                let words = WORDS.choose(&mut self.dice).copied().unwrap_or("/start");
                self.writes(words)
            }
        }
    }

    /// Whether the latest message has no other buttons than the ways out.
    fn is_asked_for_words(&self) -> bool {
        let last = self.heard().pop();
        let labels = last.as_ref().map(labels_of).unwrap_or_default();
        !labels.is_empty() && labels.iter().all(|label| is_way_out(label))
    }

    fn writes(&self, words: &str) -> String {
        self.desk.telegram.writes(self.id, self.id, words);
        words.to_owned()
    }

    /// Whether something new comes before their eyes in time.
    async fn is_answered(&self, before: &View) -> bool {
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            let now = self.view();
            // Buttons that are only taken off are no answer.
            let has_changed = |(id, text, labels): &(i64, String, Vec<String>)| {
                let known = before.texts.iter().find(|(known, ..)| known == id);
                known.is_some_and(|(_, was, had)| was != text || (had != labels && !labels.is_empty()))
            };
            if now.sent > before.sent || now.texts.iter().any(has_changed) {
                return true;
            }
            let _ = tokio::time::timeout(GLANCE, self.desk.news(self.id).notified()).await;
        }
        false
    }

    fn view(&self) -> View {
        let messages = self.heard();
        let texts = messages.iter().rev().take(IN_SIGHT);
        View {
            sent: self.desk.telegram.sent(self.id),
            texts: texts.map(|message| (message.id, message.text().to_owned(), labels_of(message))).collect(),
        }
    }

    /// What can be pressed: on the messages in sight and under the field. The number of a page is shown on a button and
    /// does nothing.
    fn labels(&self) -> Vec<String> {
        let mut labels: Vec<String> = self.heard().iter().rev().take(IN_SIGHT).flat_map(labels_of).collect();
        if let Some(keyboard) = self.desk.telegram.keyboard(self.id, self.id) {
            labels.extend(keyboard.labels().into_iter().flatten().map(str::to_owned));
        }
        labels.retain(|label| !is_page(label));
        labels
    }

    fn heard(&self) -> Vec<Message> {
        let messages = self.desk.telegram.messages(self.id);
        messages.into_iter().filter(|message| message.is_from_bot() && !message.deleted).collect()
    }

    fn looks_back(&mut self) {
        for message in self.heard() {
            let text = message.text();
            if text.contains("Что-то сломалось у нас") {
                self.life.failures.push(text.to_owned());
            } else if text.contains("Связь оборвалась") {
                self.life.doubts += 1;
            } else if text.contains("как только он вернётся") {
                self.life.put_off += 1;
            }
        }
    }

    fn end_of_talk(&self) -> String {
        let transcript = self.desk.telegram.transcript(self.id);
        let lines: Vec<&str> = transcript.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

fn labels_of(message: &Message) -> Vec<String> {
    message.labels().into_iter().flatten().map(str::to_owned).collect()
}

/// Whether it leads back or away from a question.
fn is_way_out(label: &str) -> bool {
    label.contains("Назад") || label.contains("Отмена")
}

/// Whether it is the number of a page.
fn is_page(label: &str) -> bool {
    label.split_once(" / ").is_some_and(|(page, of)| page.parse::<u32>().is_ok() && of.parse::<u32>().is_ok())
}
