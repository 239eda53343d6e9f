//! What everybody met, as a table.

use std::fmt;
use std::time::{Duration, Instant};

use crate::board::{Board, Count};
use crate::desk::{Desk, OFFICE};
use crate::person::Life;

/// How the host's own words of bad news begin (`conversation::words`): a failure, a doubt that nobody asks about, and a
/// person who is too fast.
const OWN_ERRORS: [&str; 4] =
    ["Что-то сломалось у нас", "Номер случая", "Неясно, дошла ли до места", "Вы пишете быстрее"];
/// A doubt is bad news and no failure: it is promised that it will be found out.
const OWN_DOUBT: &str = "Связь оборвалась на полпути";
/// How often it is looked whether the bot has settled.
const GLANCE: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub struct Report {
    life: Life,
    people: usize,
    /// The host's own words about a failure, with the end of the talk.
    failures: Vec<String>,
    /// The host's own words about a doubt.
    doubts: Vec<String>,
    put_off: usize,
    /// What the office was told of talks that broke.
    broken: Vec<String>,
    struck: u64,
    board: Board,
    settled_in: Duration,
}

impl Report {
    pub fn add(&mut self, life: Life) {
        self.people += 1;
        let all = &mut self.life;
        all.answers.extend(life.answers);
        all.unanswered.extend(life.unanswered);
        all.dead_ends.extend(life.dead_ends);
    }

    /// Waits until people know what there is, and looks at what they and the office were told.
    pub async fn look_back(&mut self, desk: &Desk, patience: Duration) {
        let begun = Instant::now();
        self.board = Board::of(desk);
        while !self.board.is_true() && begun.elapsed() < patience {
            tokio::time::sleep(GLANCE).await;
            self.board = Board::of(desk);
        }
        self.settled_in = begun.elapsed();
        self.struck = desk.struck();
        let told = desk.telegram.messages(OFFICE).into_iter().map(|message| message.text().to_owned());
        self.broken =
            told.filter(|text| text.contains("остановился") || text.contains("не начался")).collect();
        for chat in desk.chats() {
            self.look_at(desk, chat);
        }
    }

    pub fn is_well(&self) -> bool {
        let Life { unanswered, dead_ends, .. } = &self.life;
        unanswered.is_empty()
            && dead_ends.is_empty()
            && self.failures.is_empty()
            && self.broken.is_empty()
            && self.board.is_true()
    }

    fn look_at(&mut self, desk: &Desk, chat: i64) {
        for message in desk.telegram.messages(chat).iter().filter(|message| message.is_from_bot()) {
            let text = message.text();
            if text.contains(OWN_DOUBT) {
                self.doubts.push(format!("{chat}: {}", text.replace('\n', " ")));
            } else if OWN_ERRORS.iter().any(|words| text.contains(words)) {
                self.failures.push(format!("{chat}: {text}\n{}", desk.end_of_talk(chat)));
            } else if text.contains("как только он вернётся") {
                self.put_off += 1;
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Life { answers, unanswered, dead_ends } = &self.life;
        let mut sorted = answers.clone();
        sorted.sort_unstable();
        let at = |hundredths: usize| {
            let place = (sorted.len() * hundredths / 100).min(sorted.len().saturating_sub(1));
            sorted.get(place).copied().unwrap_or(Duration::ZERO).as_millis()
        };
        writeln!(f, "people          {}", self.people)?;
        writeln!(f, "deeds answered  {}", answers.len())?;
        writeln!(f, "answer, ms      p50 {}  p90 {}  p99 {}  max {}", at(50), at(90), at(99), at(100))?;
        writeln!(f, "calls amiss     {}", self.struck)?;
        writeln!(f, "put off         {}, settled in {} s", self.put_off, self.settled_in.as_secs())?;
        let Board { tasks, comments, files, applications, missing, untold, twice } = &self.board;
        let counts =
            [("tasks", tasks), ("comments", comments), ("files", files), ("applications", applications)];
        for (name, Count { told, made }) in counts {
            writeln!(f, "{name:<15} told {told}, there {made}")?;
        }
        let lists = [
            ("unanswered", unanswered),
            ("dead ends", dead_ends),
            ("told, not there", missing),
            ("there, not told", untold),
            ("there twice", twice),
            ("our failures", &self.failures),
            ("our doubts", &self.doubts),
            ("broken talks", &self.broken),
        ];
        for (name, all) in lists {
            writeln!(f, "{name:<15} {}", all.len())?;
            for one in all {
                writeln!(f, "  — {}", one.replace('\n', "\n    "))?;
            }
        }
        Ok(())
    }
}
