//! What people do, in our own words: Telegram's updates are parsed here and nowhere else.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use teloxide::types::{ChatMemberKind, MediaKind, Message, MessageKind, Update, UpdateKind, User};

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
/// It is read from the text as Telegram sent it: teloxide wants the number first, and a parsed map is sorted.
/// Errors: what Telegram sent does not have the shape of an update.
pub fn parse(update: &RawValue, clip_bytes: usize) -> Result<Parsed, serde_json::Error> {
    let update: Update = serde_json::from_str(update.get())?;
    Ok(match update.kind {
        UpdateKind::Message(message) => {
            message_deed(message, clip_bytes).map_or(Parsed::Unused, Parsed::Deed)
        }
        UpdateKind::CallbackQuery(query) => {
            let from = person(&query.from);
            let Some(data) = query.data else { return Ok(Parsed::Unused) };
            let (chat, message_id) = match &query.message {
                Some(message) => (ChatId(message.chat().id.0), Some(i64::from(message.id().0))),
                None => (ChatId(from.id.0), None),
            };
            let what = What::Press { callback_id: query.id.0, data: clipped(data, 256) };
            Parsed::Deed(Incoming { chat, from, message_id, what })
        }
        UpdateKind::PollAnswer(answer) => match answer.voter {
            teloxide::types::MaybeAnonymousUser::User(user) => {
                let from = person(&user);
                let what = What::PollAnswer { poll_id: answer.poll_id.0, options: answer.option_ids };
                Parsed::Deed(Incoming { chat: ChatId(from.id.0), from, message_id: None, what })
            }
            teloxide::types::MaybeAnonymousUser::Chat(_) => Parsed::Unused,
        },
        UpdateKind::MyChatMember(change) if change.chat.is_private() => {
            let is_reachable =
                !matches!(change.new_chat_member.kind, ChatMemberKind::Banned(_) | ChatMemberKind::Left);
            let from = person(&change.from);
            let what = What::Membership { is_reachable };
            Parsed::Deed(Incoming { chat: ChatId(change.chat.id.0), from, message_id: None, what })
        }
        UpdateKind::Error(_) => return Err(serde::de::Error::custom("its kind or a part of it is unknown")),
        _ => Parsed::Unused,
    })
}

fn message_deed(message: Message, clip_bytes: usize) -> Option<Incoming> {
    let from = person(message.from.as_ref()?);
    let chat = ChatId(message.chat.id.0);
    let message_id = Some(i64::from(message.id.0));
    let MessageKind::Common(common) = message.kind else { return None };
    let is_forwarded = common.forward_origin.is_some();
    let what = match common.media_kind {
        MediaKind::Text(text) => What::Text { text: clipped(text.text, clip_bytes) },
        MediaKind::Contact(card) => What::Contact {
            phone: clipped(card.contact.phone_number, 64),
            first_name: clipped(card.contact.first_name, 256),
            last_name: clipped(card.contact.last_name.unwrap_or_default(), 256),
            user: card.contact.user_id.map(|id| UserId(id.0.cast_signed())),
            is_forwarded,
        },
        MediaKind::Photo(media) => {
            let largest =
                media.photo.into_iter().max_by_key(|size| u64::from(size.width) * u64::from(size.height))?;
            What::File(File {
                is_photo: true,
                file_id: largest.file.id.0,
                name: "фото.jpg".to_owned(),
                size_bytes: known_size(largest.file.size),
                album: media.media_group_id.map(|id| id.0),
            })
        }
        MediaKind::Document(media) => What::File(File {
            is_photo: false,
            file_id: media.document.file.id.0,
            name: clipped(media.document.file_name.unwrap_or_else(|| "файл".to_owned()), 255),
            size_bytes: known_size(media.document.file.size),
            album: media.media_group_id.map(|id| id.0),
        }),
        _ => What::Other,
    };
    Some(Incoming { chat, from, message_id, what })
}

/// teloxide puts `u32::MAX` where Telegram gives no size.
fn known_size(size: u32) -> u64 {
    if size == u32::MAX { 0 } else { u64::from(size) }
}

fn person(user: &User) -> Person {
    Person {
        id: UserId(user.id.0.cast_signed()),
        name: clipped(user.full_name(), 256),
        username: user.username.clone(),
    }
}

fn clipped(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        let border = text.floor_char_boundary(bytes);
        text.truncate(border);
    }
    text
}
