//! Polls: questions, votes, and how they end.

use serde_json::{Value, json};

/// A poll in a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// Unique among all polls.
    pub id: String,
    /// Up to 300 characters.
    pub question: String,
    /// The options with who chose them.
    pub options: Vec<PollOption>,
    /// Nobody, the bot included, sees who voted how.
    pub anonymous: bool,
    /// Several options may be chosen.
    pub multiple: bool,
    /// `regular` or `quiz`.
    pub kind: String,
    /// No more votes.
    pub closed: bool,
}

/// An option of a poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollOption {
    /// Up to 100 characters.
    pub text: String,
    /// Who chose it.
    pub voters: Vec<i64>,
}

impl Poll {
    /// Replaces the choice of `person`; no options take the vote back.
    pub(super) fn vote(&mut self, person: i64, options: &[usize]) {
        for (index, option) in self.options.iter_mut().enumerate() {
            option.voters.retain(|voter| *voter != person);
            if options.contains(&index) {
                option.voters.push(person);
            }
        }
    }

    /// How many people voted.
    pub fn voters(&self) -> usize {
        let mut people: Vec<i64> =
            self.options.iter().flat_map(|option| option.voters.iter().copied()).collect();
        people.sort_unstable();
        people.dedup();
        people.len()
    }

    pub(super) fn json(&self) -> Value {
        let option = |(index, option): (usize, &PollOption)| json!({"text": option.text, "voter_count": option.voters.len(), "persistent_id": index.to_string()});
        json!({
            "id": self.id,
            "question": self.question,
            "options": self.options.iter().enumerate().map(option).collect::<Value>(),
            "total_voter_count": self.voters(),
            "is_closed": self.closed,
            "is_anonymous": self.anonymous,
            "type": self.kind,
            "allows_multiple_answers": self.multiple,
        })
    }
}
