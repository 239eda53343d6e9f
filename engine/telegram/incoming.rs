//! What people do, in our own words: Telegram's updates are parsed here and nowhere else.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{ChatId, UserId};

/// What a person did in a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incoming {
    /// Where.
    pub chat: ChatId,
    /// Who.
    pub from: Person,
    /// Their message, when there is one to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<i64>,
    /// What they did.
    pub what: What,
}

/// A person as Telegram introduces them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Telegram's id.
    pub id: UserId,
    /// First and last name.
    pub name: String,
    /// Without the `@`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// One deed of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum What {
    /// Wrote, or pressed a key under the input field.
    Text {
        /// As written, cut at `conversations.answer_clip`.
        text: String,
    },
    /// Shared a card.
    Contact {
        /// As Telegram gives it, with or without `+`.
        phone: String,
        /// Of the card.
        first_name: String,
        /// Of the card, may be empty.
        last_name: String,
        /// Whose card it is, when they use Telegram.
        user: Option<UserId>,
        /// Passed on from elsewhere.
        is_forwarded: bool,
    },
    /// Sent a photo or a file.
    File(File),
    /// Pressed a button under a message.
    Press {
        /// To be answered, or their client waits.
        callback_id: String,
        /// What the button carries; may be forged.
        data: String,
    },
    /// Voted in a poll of ours, or took the vote back.
    PollAnswer {
        /// The poll.
        poll_id: String,
        /// The chosen options; none when taken back.
        options: Vec<u8>,
    },
    /// Stopped the bot or came back.
    Membership {
        /// Whether the bot can still write to them.
        is_reachable: bool,
    },
    /// Something the bot has no use for: a sticker, a voice, a place.
    Other,
}

/// A photo or a file on Telegram's servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Whether it is a photo, which has no name.
    pub is_photo: bool,
    /// By which the bot may fetch or send it again.
    pub file_id: String,
    /// As the person named it.
    pub name: String,
    /// Zero when Telegram does not say.
    pub size_bytes: u64,
    /// Items of one album share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub album: Option<String>,
}

/// One update, understood or not.
#[derive(Debug)]
pub enum Parsed {
    /// Somebody did something.
    Deed(Incoming),
    /// Nothing the bot acts upon: an edited message, a channel's post, a new kind.
    Unused,
}

/// The number of an update, also of one that cannot be understood otherwise.
pub fn update_id(update: &RawValue) -> Option<i64> {
    #[derive(Deserialize)]
    struct Numbered {
        update_id: i64,
    }
    serde_json::from_str::<Numbered>(update.get()).ok().map(|numbered| numbered.update_id)
}

/// Understands one update; texts longer than `clip_bytes` are cut.
///
/// Only what the bot acts upon is read, not the whole of Telegram's types: those try some twenty kinds of messages on
/// every text, and a new part anywhere spoils the whole. Errors: what is read has another shape than Telegram's.
pub fn parse(update: &RawValue, clip_bytes: usize) -> Result<Parsed, serde_json::Error> {
    let update: Update = serde_json::from_str(update.get())?;
    let deed = match update {
        Update { message: Some(message), .. } => message.deed(clip_bytes),
        Update { callback_query: Some(press), .. } => press.deed(),
        Update { poll_answer: Some(answer), .. } => answer.deed(),
        Update { my_chat_member: Some(change), .. } => change.deed(),
        _ => None,
    };
    Ok(deed.map_or(Parsed::Unused, Parsed::Deed))
}

/// An update: one of these at most is there.
#[derive(Deserialize)]
struct Update {
    message: Option<Message>,
    callback_query: Option<CallbackQuery>,
    poll_answer: Option<PollAnswer>,
    my_chat_member: Option<MembershipChange>,
}

/// A message. What a person sends is one of the kinds named here; news of the chat, such as a new title, is none.
#[derive(Deserialize)]
struct Message {
    #[serde(rename = "message_id")]
    id: i64,
    from: Option<User>,
    chat: Chat,
    forward_origin: Option<IgnoredAny>,
    media_group_id: Option<String>,
    text: Option<String>,
    contact: Option<Contact>,
    photo: Option<Vec<PhotoSize>>,
    document: Option<Document>,
    animation: Option<IgnoredAny>, // Comes with a document, for clients that know no animations.
    audio: Option<IgnoredAny>,
    checklist: Option<IgnoredAny>,
    dice: Option<IgnoredAny>,
    game: Option<IgnoredAny>,
    invoice: Option<IgnoredAny>,
    location: Option<IgnoredAny>, // A venue comes with one.
    paid_media: Option<IgnoredAny>,
    poll: Option<IgnoredAny>,
    sticker: Option<IgnoredAny>,
    story: Option<IgnoredAny>,
    video: Option<IgnoredAny>,
    video_note: Option<IgnoredAny>,
    voice: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Chat {
    id: i64,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct User {
    id: i64,
    first_name: String,
    last_name: Option<String>,
    username: Option<String>,
}

#[derive(Deserialize)]
struct Contact {
    phone_number: String,
    first_name: String,
    last_name: Option<String>,
    user_id: Option<i64>,
}

#[derive(Deserialize)]
struct PhotoSize {
    file_id: String,
    width: u32,
    height: u32,
    #[serde(rename = "file_size")]
    size_bytes: Option<u64>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "file_id")]
    id: String,
    #[serde(rename = "file_name")]
    name: Option<String>,
    #[serde(rename = "file_size")]
    size_bytes: Option<u64>,
}

/// A press of a button under a message, which may be too old to be shown whole, or gone.
#[derive(Deserialize)]
struct CallbackQuery {
    id: String,
    from: User,
    data: Option<String>,
    message: Option<Pressed>,
}

#[derive(Deserialize)]
struct Pressed {
    message_id: i64,
    chat: Chat,
}

/// A vote; a channel's has no user.
#[derive(Deserialize)]
struct PollAnswer {
    poll_id: String,
    user: Option<User>,
    option_ids: Vec<u8>,
}

#[derive(Deserialize)]
struct MembershipChange {
    chat: Chat,
    from: User,
    new_chat_member: Member,
}

#[derive(Deserialize)]
struct Member {
    status: String,
}

impl Message {
    fn deed(self, clip_bytes: usize) -> Option<Incoming> {
        let is_other = self.is_other();
        let from = self.from?.person();
        let (chat, message_id) = (ChatId(self.chat.id), Some(self.id));
        let what = if is_other {
            What::Other
        } else if let Some(text) = self.text {
            What::Text { text: clipped(text, clip_bytes) }
        } else if let Some(card) = self.contact {
            What::Contact {
                phone: clipped(card.phone_number, 64),
                first_name: clipped(card.first_name, 256),
                last_name: clipped(card.last_name.unwrap_or_default(), 256),
                user: card.user_id.map(UserId),
                is_forwarded: self.forward_origin.is_some(),
            }
        } else if let Some(sizes) = self.photo {
            let largest =
                sizes.into_iter().max_by_key(|size| u64::from(size.width) * u64::from(size.height))?;
            What::File(File {
                is_photo: true,
                file_id: largest.file_id,
                name: "фото.jpg".to_owned(),
                size_bytes: largest.size_bytes.unwrap_or_default(),
                album: self.media_group_id,
            })
        } else {
            let document = self.document?;
            What::File(File {
                is_photo: false,
                file_id: document.id,
                name: clipped(document.name.unwrap_or_else(|| "файл".to_owned()), 255),
                size_bytes: document.size_bytes.unwrap_or_default(),
                album: self.media_group_id,
            })
        };
        Some(Incoming { chat, from, message_id, what })
    }

    /// Whether a person sent something the bot has no use for.
    fn is_other(&self) -> bool {
        [
            &self.animation,
            &self.audio,
            &self.checklist,
            &self.dice,
            &self.game,
            &self.invoice,
            &self.location,
            &self.paid_media,
            &self.poll,
            &self.sticker,
            &self.story,
            &self.video,
            &self.video_note,
            &self.voice,
        ]
        .into_iter()
        .any(Option::is_some)
    }
}

impl CallbackQuery {
    fn deed(self) -> Option<Incoming> {
        let from = self.from.person();
        let (chat, message_id) = match self.message {
            Some(message) => (ChatId(message.chat.id), Some(message.message_id)),
            None => (ChatId(from.id.0), None),
        };
        let what = What::Press { callback_id: self.id, data: clipped(self.data?, 256) };
        Some(Incoming { chat, from, message_id, what })
    }
}

impl PollAnswer {
    fn deed(self) -> Option<Incoming> {
        let from = self.user?.person();
        let what = What::PollAnswer { poll_id: self.poll_id, options: self.option_ids };
        Some(Incoming { chat: ChatId(from.id.0), from, message_id: None, what })
    }
}

impl MembershipChange {
    fn deed(self) -> Option<Incoming> {
        if self.chat.kind != "private" {
            return None;
        }
        let is_reachable = !matches!(self.new_chat_member.status.as_str(), "kicked" | "left");
        let what = What::Membership { is_reachable };
        Some(Incoming { chat: ChatId(self.chat.id), from: self.from.person(), message_id: None, what })
    }
}

impl User {
    fn person(self) -> Person {
        let name = match self.last_name {
            Some(last) => format!("{} {last}", self.first_name),
            None => self.first_name,
        };
        Person { id: UserId(self.id), name: clipped(name, 256), username: self.username }
    }
}

fn clipped(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        let border = text.floor_char_boundary(bytes);
        text.truncate(border);
    }
    text
}
