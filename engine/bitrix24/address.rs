//! The address of an incoming webhook: where the portal is, whose rights we have, and the key, which nobody sees.

use std::sync::Arc;

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::PortalUserId;
use crate::http::Mask;

/// The address of an incoming webhook, `https://portal.example/rest/7/key/`. Its host may change: a renamed portal says
/// its new one, and clones of this address learn it together.
#[derive(Clone, Debug)]
pub struct Address {
    /// Up to `/rest/`, without the key.
    portal: Arc<ArcSwap<Url>>,
    owner: PortalUserId,
    key: SecretString,
    mask: Mask,
}

/// Why a text is not the address of a webhook. The text is not shown: it holds the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "BITRIX_WEBHOOK_URL must look like `https://portal.example/rest/7/key/`; \
     copy the whole address from the incoming webhook's page on the portal"
)]
pub struct AddressError;

impl Address {
    /// Reads what the portal shows for an incoming webhook; the name of an example method at its end does no harm.
    pub fn parse(text: &SecretString) -> Result<Address, AddressError> {
        let mut url = Url::parse(text.expose_secret().trim()).map_err(|_| AddressError)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(AddressError);
        }
        let path = url.path().to_owned();
        let (before, after) = path.split_once("/rest/").ok_or(AddressError)?;
        let mut parts = after.split('/');
        let owner = parts.next().and_then(|part| part.parse().ok()).filter(|owner| *owner > 0);
        let key = parts.next().filter(|key| !key.is_empty());
        let (Some(owner), Some(key)) = (owner, key) else { return Err(AddressError) };
        url.set_path(&format!("{before}/rest/"));
        url.set_query(None);
        url.set_fragment(None);
        let key = SecretString::from(key);
        let mask = Mask::new([key.clone()]);
        Ok(Address { portal: Arc::new(ArcSwap::from_pointee(url)), owner: PortalUserId(owner), key, mask })
    }

    /// Whose rights the calls have.
    pub fn owner(&self) -> PortalUserId {
        self.owner
    }

    /// The portal's address up to `/rest/`, as it is known now.
    pub fn portal(&self) -> Arc<Url> {
        self.portal.load_full()
    }

    /// Where a method is called: those of REST 3.0 have `api/` before their names.
    pub(super) fn of_method(&self, endpoint: &str) -> String {
        let key = self.key.expose_secret();
        let (generation, method) = match endpoint.strip_prefix("api/") {
            Some(method) => ("api/", method),
            None => ("", endpoint),
        };
        format!("{}{generation}{}/{key}/{method}", self.portal.load(), self.owner)
    }

    /// Follows a portal that was renamed: takes the host from where it sends us. `false` when that is no other host,
    /// or a step down from `https`, which would show the key to anybody on the way.
    pub(super) fn follow(&self, location: &str) -> bool {
        let known = self.portal();
        let Ok(target) = known.join(location) else { return false };
        let is_safe = target.scheme() == known.scheme() || target.scheme() == "https";
        let is_other = target.origin() != known.origin();
        if !is_safe || !is_other || target.host().is_none() {
            return false;
        }
        let mut renamed = target;
        renamed.set_path(known.path());
        renamed.set_query(None);
        renamed.set_fragment(None);
        self.portal.store(Arc::new(renamed));
        true
    }

    /// A text without the key.
    pub(super) fn masked(&self, text: &str) -> String {
        self.mask.text(text).into_owned()
    }
}
