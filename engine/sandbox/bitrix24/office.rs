//! What the portal keeps: people, projects with their boards, tasks, chats and disks.

use std::collections::{BTreeMap, HashMap};

use axum::body::Bytes;
use serde_json::Value;

use crate::clock::Timestamp;

/// The project «Развитие».
pub const DEVELOPMENT: i64 = 15;
/// The project «Маркетинг».
pub const MARKETING: i64 = 16;
/// The project «Дизайн».
pub const DESIGN: i64 = 17;
/// The employee whose webhook it is.
pub const OWNER: i64 = 7;

/// A department's project: a board of its own and a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `GROUP_ID`.
    pub id: i64,
    /// «Развитие».
    pub name: String,
}

/// A column of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// `STAGE_ID`.
    pub id: i64,
    /// Whose column it is.
    pub group: i64,
    /// «Новая».
    pub title: String,
    /// Left to right. Ids say nothing of the order.
    pub sort: i64,
    /// `NEW`, `WORK`, `REVIEW`, `FINISH`, or none.
    pub system_type: Option<&'static str>,
    /// RGB in hex.
    pub color: &'static str,
}

/// An employee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `ID`.
    pub id: i64,
    /// First name.
    pub name: String,
    /// Family name.
    pub last_name: String,
    /// What they do.
    pub position: String,
    /// Where their mail goes.
    pub email: String,
    /// Departments of the company's tree.
    pub departments: Vec<i64>,
    /// Not dismissed.
    pub is_active: bool,
}

impl User {
    /// «Имя Фамилия».
    pub fn full_name(&self) -> String {
        format!("{} {}", self.name, self.last_name)
    }
}

/// How far a task is, apart from its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// 2: waits to be begun.
    Pending = 2,
    /// 3: in progress.
    InProgress = 3,
    /// 4: done, and its creator is to look at it.
    AwaitsControl = 4,
    /// 5: done.
    Completed = 5,
    /// 6: put off.
    Deferred = 6,
}

impl Status {
    /// As numbers say it; 1 of old times is 2.
    pub(super) fn parse(number: i64) -> Option<Status> {
        match number {
            1 | 2 => Some(Status::Pending),
            3 => Some(Status::InProgress),
            4 => Some(Status::AwaitsControl),
            5 => Some(Status::Completed),
            6 => Some(Status::Deferred),
            _ => None,
        }
    }

    /// As REST 3.0 says it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::InProgress => "in_progress",
            Status::AwaitsControl => "supposedly_completed",
            Status::Completed => "completed",
            Status::Deferred => "deferred",
        }
    }

    pub(super) fn number(self) -> i64 {
        self as i64
    }
}

/// A task. Instants are whole seconds: the portal keeps no more.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// `ID`.
    pub id: i64,
    /// At most 250 characters.
    pub title: String,
    /// `BBCode`.
    pub description: String,
    /// The project, 0 for none.
    pub group: i64,
    /// The column, 0 for the first one, where nobody has moved it from.
    pub stage: i64,
    /// How far it is.
    pub status: Status,
    /// Who does it.
    pub responsible: i64,
    /// Who wants it.
    pub creator: i64,
    /// Who helps.
    pub accomplices: Vec<i64>,
    /// Who watches.
    pub auditors: Vec<i64>,
    /// 0 low, 1 medium, 2 high.
    pub priority: i64,
    /// When it must be done.
    pub deadline: Option<Timestamp>,
    /// When it is to begin.
    pub start_plan: Option<Timestamp>,
    /// When it is to end.
    pub end_plan: Option<Timestamp>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// The caller's own mark; nothing makes it unique.
    pub xml_id: Option<String>,
    /// Given by the portal.
    pub guid: String,
    /// Objects of the CRM.
    pub crm: Vec<String>,
    /// The portal's own fields.
    pub custom: BTreeMap<String, Value>,
    /// Attachment ids, which are no disk ids.
    pub attachments: Vec<i64>,
    /// The task it is a part of, 0 for none.
    pub parent: i64,
    /// Completion must be approved.
    pub is_controlled: bool,
    /// The task's chat.
    pub chat: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When anything of it changed.
    pub changed_at: Timestamp,
    /// Who changed it last.
    pub changed_by: i64,
    /// When its status changed.
    pub status_changed_at: Timestamp,
    /// Who changed its status.
    pub status_changed_by: i64,
    /// When it was begun.
    pub started_at: Option<Timestamp>,
    /// When it was completed.
    pub closed_at: Option<Timestamp>,
}

impl Task {
    /// Whether the person has anything to do with it.
    pub(super) fn concerns(&self, user: i64) -> bool {
        [self.creator, self.responsible].contains(&user)
            || self.accomplices.contains(&user)
            || self.auditors.contains(&user)
    }

    pub(super) fn set_status(&mut self, status: Status, by: i64, now: Timestamp) {
        if self.status == status {
            return;
        }
        self.status = status;
        (self.status_changed_at, self.status_changed_by) = (now, by);
        self.closed_at = (status == Status::Completed).then_some(now);
        if status == Status::InProgress {
            self.started_at = Some(now);
        }
    }
}

/// A message in a task's chat: a comment, or a note of the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Grows over all chats.
    pub id: i64,
    /// 0 is the portal itself.
    pub author: i64,
    /// `BBCode`.
    pub text: String,
    /// When it was said.
    pub at: Timestamp,
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    pub id: i64,
    pub name: String,
    /// `user`, `common` or `group`.
    pub kind: &'static str,
    pub entity: i64,
    /// Its folder for `disk.folder.*`.
    pub root: i64,
}

/// A file on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The disk's id, the one to be used.
    pub id: i64,
    /// The id of the content, the one to be mistaken for it.
    pub file_id: i64,
    /// Unique in its folder.
    pub name: String,
    /// The folder.
    pub folder: i64,
    /// The content.
    pub bytes: Bytes,
    /// Who brought it.
    pub by: i64,
    /// When.
    pub at: Timestamp,
}

/// A file at a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attachment {
    pub id: i64,
    pub file: i64,
    pub task: i64,
    pub by: i64,
    pub at: Timestamp,
}

/// The second step of an upload, promised by the first.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub folder: i64,
    pub is_unique: bool,
    pub by: i64,
}

/// Everything.
pub(super) struct Office {
    pub users: BTreeMap<i64, User>,
    pub groups: BTreeMap<i64, Group>,
    pub stages: BTreeMap<i64, Stage>,
    pub tasks: BTreeMap<i64, Task>,
    /// By task.
    pub messages: HashMap<i64, Vec<Message>>,
    pub storages: BTreeMap<i64, Storage>,
    pub files: BTreeMap<i64, File>,
    pub attachments: BTreeMap<i64, Attachment>,
    pub tickets: HashMap<String, Ticket>,
    /// Every task ever made, deleted ones included.
    pub made: u64,
    next: Numbers,
}

struct Numbers {
    task: i64,
    message: i64,
    file: i64,
    content: i64,
    attachment: i64,
}

/// Who works here: name, family name, position, department.
const STAFF: [(i64, &str, &str, &str, i64); 12] = [
    (OWNER, "Ольга", "Смирнова", "Руководитель офиса", 1),
    (8, "Павел", "Орлов", "Менеджер по развитию", 2),
    (9, "Елена", "Кузнецова", "Менеджер по развитию", 2),
    (11, "Артём", "Волков", "Юрист", 2),
    (12, "Наталья", "Попова", "Маркетолог", 3),
    (14, "Кирилл", "Лебедев", "Таргетолог", 3),
    (15, "Мария", "Новикова", "Менеджер соцсетей", 3),
    (18, "Денис", "Морозов", "Аналитик", 3),
    (21, "Алина", "Фёдорова", "Дизайнер", 4),
    (22, "Роман", "Зайцев", "Дизайнер", 4),
    (25, "Софья", "Белова", "Арт-директор", 4),
    (42, "Игорь", "Соколов", "Руководитель проектов", 2),
];

/// The columns as ids grow: whoever takes ids for the order puts «Отменена» first.
const COLUMNS: [(&str, i64, Option<&str>, &str); 5] = [
    ("Отменена", 1000, None, "FF5752"),
    ("Новая", 100, Some("NEW"), "00C4FB"),
    ("Завершена", 900, Some("FINISH"), "75D900"),
    ("Выполняется", 200, Some("WORK"), "47D1E2"),
    ("На проверке", 300, Some("REVIEW"), "FFA900"),
];

impl Office {
    /// An office on its first day: people, three projects with boards and disks, and nothing to do.
    pub fn furnish(now: Timestamp) -> Office {
        let mut office = Office {
            users: STAFF.into_iter().map(employee).collect(),
            groups: BTreeMap::new(),
            stages: BTreeMap::new(),
            tasks: BTreeMap::new(),
            messages: HashMap::new(),
            storages: BTreeMap::new(),
            files: BTreeMap::new(),
            attachments: BTreeMap::new(),
            tickets: HashMap::new(),
            made: 0,
            next: Numbers { task: 3711, message: 90_001, file: 6687, content: 28_073, attachment: 423 },
        };
        for (at, (id, name)) in
            (0..).zip([(DEVELOPMENT, "Развитие"), (MARKETING, "Маркетинг"), (DESIGN, "Дизайн")])
        {
            office.groups.insert(id, Group { id, name: name.to_owned() });
            for (stage, (title, sort, system_type, color)) in (311 + at * 10..).zip(COLUMNS) {
                let title = title.to_owned();
                office.stages.insert(stage, Stage { id: stage, group: id, title, sort, system_type, color });
            }
            office.add_storage(57 + at, name, "group", id, 871 + at * 4);
        }
        office.add_storage(1, "Общий диск", "common", 0, 3);
        office.add_storage(12, "Ольга Смирнова", "user", OWNER, 41);
        // What is attached by whoever takes `FILE_ID` for `ID`.
        office.add_file(41, "Чужой договор.pdf", Bytes::from_static(b"%PDF-1.7"), 11, now);
        office
    }

    /// A number for a new chat or task; they share a counter, because nothing may rest on their likeness.
    pub fn next_task(&mut self) -> i64 {
        self.made += 1;
        take(&mut self.next.task)
    }

    pub fn task(&self, id: i64) -> Option<&Task> {
        self.tasks.get(&id)
    }

    /// The columns of a board from left to right.
    pub fn board(&self, group: i64) -> Vec<&Stage> {
        let mut board: Vec<&Stage> = self.stages.values().filter(|stage| stage.group == group).collect();
        board.sort_by_key(|stage| stage.sort);
        board
    }

    /// The column where the card is seen.
    pub fn column(&self, task: &Task) -> Option<&Stage> {
        let own = self.stages.get(&task.stage).filter(|stage| stage.group == task.group);
        own.or_else(|| self.board(task.group).first().copied())
    }

    pub fn say(&mut self, task: i64, author: i64, text: &str, at: Timestamp) -> i64 {
        let id = take(&mut self.next.message);
        let message = Message { id, author, text: text.to_owned(), at };
        self.messages.entry(task).or_default().push(message);
        id
    }

    pub fn add_file(&mut self, folder: i64, name: &str, bytes: Bytes, by: i64, at: Timestamp) -> i64 {
        let (id, file_id) = (take(&mut self.next.file), take(&mut self.next.content));
        self.files.insert(id, File { id, file_id, name: name.to_owned(), folder, bytes, by, at });
        id
    }

    /// Puts a file of the disk at a task. The same file twice makes two attachments.
    pub fn attach(&mut self, task: i64, file: i64, by: i64, at: Timestamp) -> Option<i64> {
        let found = self.find_file(file)?;
        let id = take(&mut self.next.attachment);
        let attachments = &mut self.tasks.get_mut(&task)?.attachments;
        attachments.push(id);
        self.attachments.insert(id, Attachment { id, file: found, task, by, at });
        Some(id)
    }

    /// A file by its disk id. An id of content is somebody else's file.
    pub fn find_file(&self, id: i64) -> Option<i64> {
        if self.files.contains_key(&id) {
            return Some(id);
        }
        let is_content = self.files.values().any(|file| file.file_id == id);
        is_content.then(|| self.files.keys().next().copied()).flatten()
    }

    fn add_storage(&mut self, id: i64, name: &str, kind: &'static str, entity: i64, root: i64) {
        self.storages.insert(id, Storage { id, name: name.to_owned(), kind, entity, root });
    }
}

fn employee((id, name, last_name, position, department): (i64, &str, &str, &str, i64)) -> (i64, User) {
    let user = User {
        id,
        name: name.to_owned(),
        last_name: last_name.to_owned(),
        position: position.to_owned(),
        email: format!("user{id}@office.example"),
        departments: vec![department],
        is_active: true,
    };
    (id, user)
}

fn take(next: &mut i64) -> i64 {
    let number = *next;
    *next += 1;
    number
}
