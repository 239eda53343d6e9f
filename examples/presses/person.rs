//! One partner: does something at random, waits for an answer, and looks around.

use std::sync::Arc;
use std::time::{Duration, Instant};

use borodach::sandbox::telegram::{Attachment, Message};
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

/// So many deeds of a hundred have nothing to do with what was asked.
const WANDERING: u32 = 20;

/// How people begin something when nothing is asked.
const BEGINNINGS: [&str; 6] = ["/task", "/task", "/task", "/tasks", "/add_barbershop", "/account"];

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
}

pub struct Person {
    desk: Arc<Desk>,
    id: i64,
    dice: StdRng,
    pause: u64,
    /// How many unique words and names they have used.
    written: u32,
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
        Person { desk: Arc::clone(desk), id, dice, pause: options.pause, written: 0, life: Life::default() }
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
        self.life
    }

    /// Does something, mostly what leads on; the answer says what.
    fn acts(&mut self) -> String {
        if self.dice.random_range(0..100) < WANDERING { self.wanders() } else { self.goes_on() }
    }

    /// Answers what was said last, as somebody does who wants to get something done.
    fn goes_on(&mut self) -> String {
        let Some(last) = self.heard().pop() else { return self.writes("/start") };
        let labels: Vec<String> =
            labels_of(&last).into_iter().filter(|label| !is_page(label) && !is_way_out(label)).collect();
        let done = labels.iter().find(|label| label.starts_with("✅ Готово (")).cloned();
        if ["фото", "файл"].iter().any(|word| last.text().contains(word)) && !last.buttons.is_empty()
        {
            return match done {
                Some(label) if self.dice.random_range(0..100) < 60 => self.taps(&label),
                _ if !labels.is_empty() && self.dice.random_range(0..100) < 30 => self.taps_one_of(&labels),
                _ => self.sends_files(),
            };
        }
        if labels.is_empty() && !last.buttons.is_empty() {
            let words = self.unique_words();
            return self.writes(&words);
        }
        if labels.is_empty() || self.dice.random_range(0..100) < 10 {
            let words = BEGINNINGS.choose(&mut self.dice).copied().unwrap_or("/task");
            return self.writes(words);
        }
        self.taps_one_of(&labels)
    }

    /// Presses anything in sight, or writes anything, whatever was asked.
    fn wanders(&mut self) -> String {
        let labels = self.labels();
        let chance = self.dice.random_range(0..100);
        match labels.choose(&mut self.dice) {
            Some(label) if chance < 80 => self.taps(label),
            _ if chance < 88 => self.sends_files(),
            _ => {
                let words = WORDS.choose(&mut self.dice).copied().unwrap_or("/start");
                self.writes(words)
            }
        }
    }

    /// Presses one of these, rather what gets something done.
    fn taps_one_of(&mut self, labels: &[String]) -> String {
        let label = labels.choose_weighted(&mut self.dice, |label| weight(label)).ok().cloned();
        self.taps(label.as_deref().unwrap_or_default())
    }

    fn taps(&self, label: &str) -> String {
        // A button may be gone by now: that is no deed, so words take its place.
        if self.desk.telegram.presses(self.id, self.id, label).is_ok() {
            return format!("[{label}]");
        }
        self.writes("Привет")
    }

    fn sends_files(&mut self) -> String {
        let photo = || Attachment::Photo(vec![0_u8; 900].into());
        match self.dice.random_range(0..3) {
            0 => {
                self.desk.telegram.sends_photo(self.id, self.id, vec![0_u8; 900], "");
                "(фото)".to_owned()
            }
            1 => {
                let name = format!("макет {}.pdf", self.nonce());
                self.desk.telegram.sends_document(self.id, self.id, &name, vec![1_u8; 900]);
                "(файл)".to_owned()
            }
            _ => {
                self.desk.telegram.sends_album(self.id, self.id, &[photo(), photo(), photo()], "");
                "(альбом)".to_owned()
            }
        }
    }

    /// Words that nobody else writes and that are not written again: what they make can be told apart.
    fn unique_words(&mut self) -> String {
        format!("Поменять вывеску {}", self.nonce())
    }

    fn nonce(&mut self) -> String {
        self.written += 1;
        format!("{}-{}", self.id, self.written)
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

    fn end_of_talk(&self) -> String {
        self.desk.end_of_talk(self.id)
    }
}

fn labels_of(message: &Message) -> Vec<String> {
    message.labels().into_iter().flatten().map(str::to_owned).collect()
}

/// How much rather a button is pressed than another: what ends a talk well comes before all else.
fn weight(label: &str) -> u32 {
    const LIKED: [(&str, u32); 8] = [
        ("Всё верно", 12),
        ("✅ Отправить", 12),
        ("Новая задача", 6),
        ("💬 Комментарий", 6),
        ("📎 Файлы", 6),
        ("Добавить барбершоп", 4),
        ("Задача №", 4),
        ("Дополнить", 1),
    ];
    LIKED.iter().find(|(part, _)| label.contains(part)).map_or(2, |&(_, weight)| weight)
}

/// Whether it leads back or away from a question.
fn is_way_out(label: &str) -> bool {
    label.contains("Назад") || label.contains("Отмена")
}

/// Whether it is the number of a page.
fn is_page(label: &str) -> bool {
    label.split_once(" / ").is_some_and(|(page, of)| page.parse::<u32>().is_ok() && of.parse::<u32>().is_ok())
}
