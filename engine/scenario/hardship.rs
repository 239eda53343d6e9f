//! What else a scenario is played under: the talk must come out the same.

/// Something that happens to real bots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hardship {
    /// The process dies before and after each commit of each turn.
    Crashes,
    /// Telegram brings each update twice, and each is taken twice.
    Repeats,
    /// Each button under a question is pressed once more after it has been answered.
    OldButtons,
    /// The answer of each write to another service is lost, and the write is found out about.
    Doubts,
    /// At each question that can be left backwards somebody goes back and answers again.
    Back,
}

impl Hardship {
    /// All of them.
    pub const ALL: [Hardship; 5] =
        [Hardship::Crashes, Hardship::Repeats, Hardship::OldButtons, Hardship::Doubts, Hardship::Back];

    /// What happens, as a report tells it.
    pub fn words(self) -> &'static str {
        match self {
            Hardship::Crashes => "бот падал до и после каждой записи на диск",
            Hardship::Repeats => "каждое сообщение приходило дважды",
            Hardship::OldButtons => "каждую отвеченную кнопку нажимали ещё раз",
            Hardship::Doubts => "ответ на каждую запись в чужой сервис терялся",
            Hardship::Back => "на каждом вопросе нажимали «Назад» и отвечали снова",
        }
    }
}
