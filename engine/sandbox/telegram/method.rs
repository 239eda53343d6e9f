//! The Bot API methods that the sandbox knows.

macro_rules! methods {
    ($($variant:ident = $name:literal,)*) => {
        /// A method of the Bot API. Its name is read without regard to case, as the server does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Method {
            $(#[doc = concat!("`", $name, "`.")] $variant,)*
        }

        impl Method {
            /// Every method, in the order of declaration.
            pub const ALL: &[Method] = &[$(Method::$variant,)*];

            /// The documented spelling: `sendMessage`.
            pub fn name(self) -> &'static str {
                match self { $(Method::$variant => $name,)* }
            }
        }
    };
}

methods! {
    SendMessage = "sendMessage",
    GetUpdates = "getUpdates",
    AnswerCallbackQuery = "answerCallbackQuery",
    EditMessageText = "editMessageText",
    EditMessageReplyMarkup = "editMessageReplyMarkup",
    EditMessageCaption = "editMessageCaption",
    DeleteMessage = "deleteMessage",
    SendPhoto = "sendPhoto",
    SendDocument = "sendDocument",
    SendMediaGroup = "sendMediaGroup",
    SendPoll = "sendPoll",
    StopPoll = "stopPoll",
    SendChatAction = "sendChatAction",
    GetFile = "getFile",
    GetMe = "getMe",
    SetMyCommands = "setMyCommands",
    SetWebhook = "setWebhook",
    DeleteWebhook = "deleteWebhook",
    GetWebhookInfo = "getWebhookInfo",
    LogOut = "logOut",
    Close = "close",
}

impl Method {
    /// The method with this name, in any case.
    pub fn parse(name: &str) -> Option<Method> {
        Method::ALL.iter().copied().find(|method| method.name().eq_ignore_ascii_case(name))
    }

    /// Whether it may be called in the answer to a webhook delivery.
    pub(super) fn may_answer_webhook(self) -> bool {
        let forbidden = [Method::SetWebhook, Method::DeleteWebhook, Method::Close, Method::LogOut];
        !forbidden.contains(&self) && !self.name().starts_with("get")
    }

    /// Whether it puts messages into a chat and is counted by flood control.
    pub(super) fn sends(self) -> bool {
        matches!(
            self,
            Method::SendMessage
                | Method::SendPhoto
                | Method::SendDocument
                | Method::SendMediaGroup
                | Method::SendPoll
        )
    }
}
