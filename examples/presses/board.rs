//! What people were told beside what there is: each task, comment, file and application of which somebody heard is there,
//! and nothing is there twice.

use std::collections::{BTreeMap, BTreeSet};

use borodach::sandbox::bitrix24::Task;

use crate::desk::{Desk, OFFICE};

/// What one person was told.
#[derive(Debug, Default)]
struct Told {
    tasks: BTreeSet<i64>,
    comments: usize,
    files: usize,
    applications: BTreeSet<i64>,
}

/// How many of something people were told, and how many there are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub told: usize,
    pub made: usize,
}

/// The comparison.
#[derive(Debug, Default)]
pub struct Board {
    pub tasks: Count,
    pub comments: Count,
    pub files: Count,
    pub applications: Count,
    /// What somebody was told and is not there.
    pub missing: Vec<String>,
    /// What is there and nobody was told.
    pub untold: Vec<String>,
    /// What is there twice.
    pub twice: Vec<String>,
}

impl Board {
    pub fn of(desk: &Desk) -> Board {
        let mut board = Board::default();
        // Somebody's own tasks on the portal, by the line about them in the description.
        let mut tasks: BTreeMap<i64, Vec<Task>> = BTreeMap::new();
        for task in desk.bitrix24.tasks().into_iter().filter(|task| task.xml_id.is_some()) {
            match owner(&task) {
                Some(chat) => tasks.entry(chat).or_default().push(task),
                None => board.untold.push(format!("task {} «{}» is nobody's", task.id, task.title)),
            }
        }
        let office: Vec<String> =
            desk.telegram.messages(OFFICE).iter().map(|message| message.text().to_owned()).collect();
        let arrived: BTreeSet<i64> = office.iter().filter_map(|text| number(text, "заявка №")).collect();
        board.applications.made = arrived.len();
        for chat in desk.chats() {
            let told = Told::to(desk, chat);
            board.compare_tasks(desk, chat, &told, tasks.get(&chat).map_or(&[], Vec::as_slice));
            board.applications.told += told.applications.len();
            board.missing.extend(told.applications.difference(&arrived).map(|id| {
                format!("application {id} has not come to the office\n{}", desk.end_of_talk(chat))
            }));
        }
        board
    }

    /// Whether people know all there is and nothing else.
    pub fn is_true(&self) -> bool {
        self.missing.is_empty() && self.untold.is_empty() && self.twice.is_empty()
    }

    fn compare_tasks(&mut self, desk: &Desk, chat: i64, told: &Told, tasks: &[Task]) {
        let made: BTreeSet<i64> = tasks.iter().map(|task| task.id).collect();
        (self.tasks.told, self.tasks.made) =
            (self.tasks.told + told.tasks.len(), self.tasks.made + made.len());
        let end = || desk.end_of_talk(chat);
        self.missing.extend(
            told.tasks
                .difference(&made)
                .map(|id| format!("task {id} is not {chat}'s on the board\n{}", end())),
        );
        self.untold
            .extend(made.difference(&told.tasks).map(|id| format!("{chat} knows no task {id}\n{}", end())));
        self.twice.extend(repeated(tasks.iter().map(|task| task.title.clone())));
        let (mut comments, mut files) = (0, 0);
        for task in tasks {
            let said = desk.bitrix24.chat(task.id).into_iter().map(|message| message.text);
            let own: Vec<String> = said
                .filter(|text| text.contains(&format!("Партнёр <{}>", chat - crate::desk::FIRST)))
                .collect();
            comments += own.len();
            self.twice.extend(repeated(own.into_iter()));
            let attached = desk.bitrix24.files(task.id);
            files += attached.len();
            self.twice.extend(repeated(attached.into_iter().map(|file| file.name)));
        }
        self.count_at_tasks(chat, "comments", told.comments, comments, &end);
        self.count_at_tasks(chat, "files", told.files, files, &end);
        (self.comments.told, self.comments.made) =
            (self.comments.told + told.comments, self.comments.made + comments);
        (self.files.told, self.files.made) = (self.files.told + told.files, self.files.made + files);
    }

    fn count_at_tasks(&mut self, chat: i64, what: &str, told: usize, made: usize, end: &dyn Fn() -> String) {
        let line = || format!("{chat} was told of {told} {what}, and there are {made}\n{}", end());
        if told > made {
            self.missing.push(line());
        } else if told < made {
            self.untold.push(line());
        }
    }
}

impl Told {
    fn to(desk: &Desk, chat: i64) -> Told {
        let mut told = Told::default();
        let mut latest = String::new();
        for message in desk.telegram.messages(chat).iter().filter(|message| !message.deleted) {
            // A message may come twice when its receipt is lost; nothing of the person's is in between.
            let text = if message.is_from_bot() { message.text() } else { "" };
            if !text.is_empty() && text == latest {
                continue;
            }
            text.clone_into(&mut latest);
            if let Some(id) = number(text, "✅ Задача №").filter(|_| text.contains(" поставлена."))
            {
                told.tasks.insert(id);
            }
            if text.starts_with("💬 Передал.") {
                told.comments += 1;
            }
            if let Some((_, names)) = text.split_once("📎 Прикреплено:") {
                told.files += names.lines().skip(1).take_while(|line| line.contains('•')).count();
            }
            if text.contains("отправлена в офис") {
                told.applications.extend(number(text, "Заявка №"));
            }
        }
        told
    }
}

/// Whose task it is, by what its description says.
fn owner(task: &Task) -> Option<i64> {
    number(&task.description, "Telegram ")
}

/// The number that follows the words.
fn number(text: &str, words: &str) -> Option<i64> {
    let rest = text.split_once(words)?.1;
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn repeated(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    // Words that people write again and again are no sign: only theirs that bear a number of their own.
    all.filter(|one| bears_number(one) && !seen.insert(one.clone())).collect()
}

/// Whether words are told apart by the writer's number and their own, as in «Поменять вывеску 17-3».
fn bears_number(words: &str) -> bool {
    let parts: Vec<&str> = words.split('-').collect();
    let is_digit = |letter: char| letter.is_ascii_digit();
    parts.windows(2).any(|pair| pair[0].ends_with(is_digit) && pair[1].starts_with(is_digit))
}
