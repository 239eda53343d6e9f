//! Secrets are taken out of whatever may be read by people who must not know them.

use std::borrow::Cow;

use secrecy::{ExposeSecret as _, SecretString};

/// What stands in place of a secret.
pub const HIDDEN: &str = "[hidden]";

/// Takes known secrets out of texts: as they are, percent-encoded, and escaped as in JSON.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    /// Longest first: a secret may be a part of another.
    secrets: Vec<SecretString>,
}

/// Anything shorter is no secret but a word that happens to be the same.
const SHORTEST: usize = 6;

impl Mask {
    /// A mask for these secrets; those too short to be secret are left out.
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Mask {
        let mut forms: Vec<String> =
            secrets.into_iter().flat_map(|secret| forms(secret.expose_secret())).collect();
        forms.retain(|form| form.len() >= SHORTEST);
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Mask { secrets: forms.into_iter().map(SecretString::from).collect() }
    }

    /// The text without secrets.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut shown = Cow::Borrowed(text);
        for secret in &self.secrets {
            if shown.contains(secret.expose_secret()) {
                shown = Cow::Owned(shown.replace(secret.expose_secret(), HIDDEN));
            }
        }
        shown
    }
}

/// How a secret may be spelt.
fn forms(secret: &str) -> [String; 3] {
    let encoded = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let quoted = serde_json::Value::from(secret).to_string();
    let escaped = quoted[1..quoted.len() - 1].to_owned();
    [secret.to_owned(), encoded, escaped]
}
