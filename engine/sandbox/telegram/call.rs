//! A call of the bot: which function does it, and what is answered.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::clock::Timestamp;

use super::chat::Chat;
use super::files::MAX_DOWNLOAD;
use super::message::Toast;
use super::method::Method;
use super::params::Params;
use super::refusal::Refusal;
use super::updates::CALLBACK_LIFE;
use super::{Event, Telegram, lock};

/// Past so many unanswered presses the expired ones are swept out.
const SWEEP_AT: usize = 4096;

/// A successful answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    /// `result` as JSON.
    pub result: String,
    pub description: Option<&'static str>,
}

impl Reply {
    pub fn raw(result: String) -> Reply {
        Reply { result, description: None }
    }

    pub fn value(result: &Value) -> Reply {
        Reply::raw(result.to_string())
    }

    /// `true` with a description.
    pub fn done(description: &'static str) -> Reply {
        Reply { result: "true".to_owned(), description: Some(description) }
    }

    /// An empty list.
    pub fn nothing() -> Reply {
        Reply::raw("[]".to_owned())
    }

    pub fn yes() -> Reply {
        Reply::raw("true".to_owned())
    }
}

/// Presses that were not answered yet.
#[derive(Debug, Default)]
pub(super) struct Callbacks(HashMap<String, Callback>);

#[derive(Debug)]
struct Callback {
    chat: i64,
    message: i64,
    person: i64,
    expires: Timestamp,
}

impl Telegram {
    /// Does what the bot asks.
    pub(super) async fn call(&self, method: Method, params: &Params) -> Result<Reply, Refusal> {
        match method {
            Method::GetUpdates => self.get_updates(params).await,
            Method::SendMessage => self.send_message(params),
            Method::SendPhoto => self.send_photo(params),
            Method::SendDocument => self.send_document(params),
            Method::SendMediaGroup => self.send_media_group(params),
            Method::SendPoll => self.send_poll(params),
            Method::SendChatAction => self.send_chat_action(params),
            Method::EditMessageText => self.edit_text(params),
            Method::EditMessageCaption => self.edit_caption(params),
            Method::EditMessageReplyMarkup => self.edit_markup(params),
            Method::DeleteMessage => self.delete_message(params),
            Method::StopPoll => self.stop_poll(params),
            Method::AnswerCallbackQuery => self.answer_callback(params),
            Method::GetFile => self.get_file(params),
            Method::GetMe => Ok(self.get_me()),
            Method::SetMyCommands => set_commands(params),
            Method::SetWebhook => self.set_webhook(params),
            Method::DeleteWebhook => Ok(self.delete_webhook(params)),
            Method::GetWebhookInfo => Ok(self.webhook_info()),
            Method::LogOut | Method::Close => Ok(Reply::yes()),
        }
    }

    /// Notes a press and returns its callback query id.
    pub(super) fn new_callback(&self, chat: i64, message: i64, person: i64) -> String {
        let id = self.next_number().to_string();
        let now = self.now();
        let mut callbacks = lock(&self.0.callbacks);
        if callbacks.0.len() >= SWEEP_AT {
            callbacks.0.retain(|_, callback| callback.expires > now);
        }
        callbacks.0.insert(id.clone(), Callback { chat, message, person, expires: now + CALLBACK_LIFE });
        id
    }

    fn answer_callback(&self, params: &Params) -> Result<Reply, Refusal> {
        let text = params.text("text").unwrap_or_default().into_owned();
        if text.chars().count() > 200 {
            return Err(Refusal::bad_request("MESSAGE_TOO_LONG"));
        }
        let id = params.text("callback_query_id").unwrap_or_default();
        let known = lock(&self.0.callbacks).0.remove(id.as_ref());
        let Some(callback) = known.filter(|callback| callback.expires > self.now()) else {
            let text = "query is too old and response timeout expired or query ID is invalid";
            return Err(Refusal::bad_request(text));
        };
        let toast = Toast { person: callback.person, text, alert: params.flag("show_alert") };
        if let Some(chat) = self.find_chat(callback.chat) {
            lock(&chat).answer(callback.message, &toast);
        }
        self.announce(Event::Chat(callback.chat));
        if !toast.text.is_empty() {
            self.announce(Event::Toast { chat: callback.chat, toast });
        }
        Ok(Reply::yes())
    }

    fn get_me(&self) -> Reply {
        let mut me = self.0.bot.json();
        let flags = [
            ("can_join_groups", true),
            ("can_read_all_group_messages", true),
            ("supports_inline_queries", false),
            ("can_connect_to_business", false),
            ("has_main_web_app", false),
            ("has_topics_enabled", false),
            ("allows_users_to_create_topics", false),
        ];
        for (name, value) in flags {
            me[name] = value.into();
        }
        Reply::value(&me)
    }

    fn get_file(&self, params: &Params) -> Result<Reply, Refusal> {
        let id = params.text("file_id").unwrap_or_default();
        let file = self.0.files.by_id(&id).ok_or_else(|| Refusal::bad_request("invalid file_id"))?;
        if file.bytes.len() > MAX_DOWNLOAD {
            return Err(Refusal::bad_request("file is too big"));
        }
        Ok(Reply::value(&json!({
            "file_id": file.id, "file_unique_id": file.unique_id, "file_size": file.bytes.len(), "file_path": file.path,
        })))
    }
}

impl Chat {
    /// Keeps the answer to a press beside the message that was pressed.
    fn answer(&mut self, message: i64, toast: &Toast) {
        if !toast.text.is_empty() {
            self.record(super::Author::Bot, format!("« {} »", toast.text));
        }
        if let Some(message) = self.message_mut(message) {
            message.toasts.push(toast.clone());
        }
    }
}

fn set_commands(params: &Params) -> Result<Reply, Refusal> {
    #[derive(serde::Deserialize)]
    struct Command {
        command: String,
        description: String,
    }
    let commands: Vec<Command> =
        params.json("commands", "can't parse commands JSON object")?.unwrap_or_default();
    let is_name = |name: &str| {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        (1..=32).contains(&name.len()) && name.chars().all(fits)
    };
    let is_fit = |command: &Command| {
        let name = command.command.strip_prefix('/').unwrap_or(&command.command);
        is_name(name) && (1..=256).contains(&command.description.chars().count())
    };
    if commands.len() > 100 {
        return Err(Refusal::bad_request("BOT_COMMANDS_TOO_MUCH"));
    }
    if !commands.iter().all(is_fit) {
        return Err(Refusal::bad_request("BOT_COMMAND_INVALID"));
    }
    Ok(Reply::yes())
}
