//! Conversations kept in memory between turns. Only the holder of a chat's lane advances what concerns the chat, so
//! what was committed under a lease is what the store holds as long as the lease lasts.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use cached::{Cached as _, LruCache};

use super::talk::Talk;
use crate::store::Lease;
use crate::telegram::{ChatId, UserId};

/// The conversations that await people, by chat; of most chats there is one.
#[derive(Debug)]
pub(super) struct Memory(Mutex<LruCache<ChatId, Remembered>>);

#[derive(Debug)]
struct Remembered {
    lease: Lease,
    /// By person; `None` means that nothing awaits them.
    talks: HashMap<UserId, Option<Box<Talk>>>,
}

/// Whether the memory can tell.
pub(super) enum Known {
    /// This awaits the person, or nothing does.
    Yes(Option<Box<Talk>>),
    /// The store must be asked.
    No,
}

/// Chats remembered at a time: a whole network of partners, with a few kilobytes each.
const CHATS: usize = 500;

impl Default for Memory {
    fn default() -> Memory {
        Memory(Mutex::new(LruCache::new(CHATS)))
    }
}

impl Memory {
    /// Takes out what awaits this person, if it was committed under this very lease: a turn notes what it has become.
    pub fn take(&self, lease: Lease, chat: ChatId, user: UserId) -> Known {
        let mut chats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let remembered = chats.cache_get_mut(&chat).filter(|remembered| remembered.lease == lease);
        let Some(remembered) = remembered else { return Known::No };
        match remembered.talks.get_mut(&user) {
            Some(None) => Known::Yes(None),
            Some(_) => remembered.talks.remove(&user).map_or(Known::No, Known::Yes),
            None => Known::No,
        }
    }

    /// Notes what awaits a person now.
    pub fn note(&self, lease: Lease, chat: ChatId, user: UserId, talk: Option<Box<Talk>>) {
        let mut chats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match chats.cache_get_mut(&chat) {
            Some(remembered) if remembered.lease == lease => drop(remembered.talks.insert(user, talk)),
            _ => drop(chats.cache_set(chat, Remembered { lease, talks: HashMap::from([(user, talk)]) })),
        }
    }

    /// Forgets a chat whose last turn did not end well: the store knows better.
    pub fn forget(&self, chat: ChatId) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).cache_remove(&chat));
    }
}
