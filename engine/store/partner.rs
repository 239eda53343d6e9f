//! The people of the network and their barbershops.

use super::database::words;
use crate::clock::Timestamp;
use crate::telegram::{ChatId, UserId};

words! {
    /// How far a person is known.
    pub enum Status {
        /// Wrote to the bot, did not register.
        Guest = "guest",
        /// Waits for a decision.
        Pending = "pending",
        /// Was not let in.
        Rejected = "rejected",
        /// Is a partner.
        Verified = "verified",
    }
}

words! {
    /// What a person is in their barbershop.
    pub enum Role {
        /// Owns it.
        Owner = "owner",
        /// Works in it.
        Employee = "employee",
    }
}

/// What a person tells of themselves when they register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The whole name.
    pub name: String,
    /// The phone, as `+7…`.
    pub phone: String,
    /// The name in Telegram, without `@`.
    pub username: Option<String>,
    /// Owner or employee.
    pub role: Option<Role>,
    /// The employee's position.
    pub position: Option<String>,
}

/// A person of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partner {
    /// The person.
    pub user: UserId,
    /// Where they are written to.
    pub chat: ChatId,
    /// How far they are known.
    pub status: Status,
    /// What they told of themselves.
    pub profile: Profile,
    /// Whether messages arrive: false after the person blocked the bot.
    pub reachable: bool,
    /// Why they were rejected.
    pub reason: Option<String>,
    /// When they registered.
    pub created_at: Timestamp,
    /// When they were let in.
    pub verified_at: Option<Timestamp>,
    /// Their barbershops, by title.
    pub salons: Vec<Salon>,
}

/// A barbershop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salon {
    /// Its number in `YClients`.
    pub id: i64,
    /// Its name.
    pub title: String,
    /// Its city.
    pub city: Option<String>,
}
