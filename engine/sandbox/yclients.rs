//! The desk's `YClients`: an API server with the habits of the real one, the numbers of a whole [`Network`] behind it,
//! and switches for what goes wrong on the way.
//!
//! A call comes in at `server`, where the address's rate, the headers and the faults are looked at, and is answered by
//! `salons`, `analytics` or `records`. What happens in the salons is told to subscribers by `hooks`.

mod analytics;
mod control;
mod endpoint;
pub mod faults;
mod hooks;
mod limits;
mod records;
mod refusal;
mod salons;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use url::Url;

use super::lock;
use super::network::Network;
use crate::clock::SharedClock;

pub use crate::sandbox::faults::{Kind as Fault, Often};
pub use endpoint::Endpoint;
pub use faults::{Faults, Rule};
pub use hooks::{Delivery, Event, Told};
pub use limits::{Form, Limits};

/// A `YClients` with one network. Cloning gives another handle to the same.
#[derive(Clone)]
pub struct YClients(Arc<Desk>);

/// What a salon's own people may have done to the rights of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Took the right to see reports.
    NoRight,
    /// Did not pay for the licence.
    Unpaid,
}

/// Differences that are within what clients must bear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Oddities {
    /// Empty and optional maps come as `[]`, currencies among them.
    pub lists_for_maps: bool,
    /// Charts have ISO dates instead of milliseconds.
    pub iso_charts: bool,
    /// Charts have no slugs.
    pub no_slugs: bool,
    /// Money comes as numbers instead of text.
    pub money_as_numbers: bool,
    /// Sums come with spaces and commas.
    pub spaced_sums: bool,
    /// `/groups` is closed to the user.
    pub no_groups: bool,
    /// `/companies` does not know its filter and returns everybody's.
    pub filter_ignored: bool,
    /// `change_percent` of nothing to nothing is `null` instead of 0.
    pub null_for_no_change: bool,
}

struct Desk {
    addr: SocketAddr,
    network: Network,
    clock: SharedClock,
    client: reqwest::Client,
    faults: Faults,
    limits: limits::Limiter,
    refused: Mutex<BTreeMap<i64, Refused>>,
    hidden: Mutex<BTreeSet<i64>>,
    oddities: Mutex<Oddities>,
    is_user_known: Mutex<bool>,
    calls: Vec<AtomicU64>,
    hooks: hooks::Hooks,
    version: watch::Sender<u64>,
}

impl YClients {
    /// The partner's token it knows.
    pub const PARTNER: &str = "sandbox-partner-token";
    /// The user's token it knows.
    pub const USER: &str = "sandbox-user-token-0123456789";
    /// Another chain the user sees; it comes first in the lists.
    pub const OTHER_CHAIN: i64 = 900_001;

    /// Starts the server on `addr` (port 0 for any free one) with the numbers of `network`; the limits and the delays
    /// of webhooks go by `clock`. It serves until the runtime ends.
    ///
    /// Errors: the address is taken, or the process has no TLS provider installed.
    pub async fn start(addr: SocketAddr, network: Network, clock: SharedClock) -> io::Result<YClients> {
        let listener = TcpListener::bind(addr).await?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(hooks::PATIENCE)
            .build()
            .map_err(io::Error::other)?;
        let desk = YClients(Arc::new(Desk {
            addr: listener.local_addr()?,
            network,
            clock,
            client,
            faults: Faults::default(),
            limits: limits::Limiter::default(),
            refused: Mutex::default(),
            hidden: Mutex::default(),
            oddities: Mutex::default(),
            is_user_known: Mutex::new(true),
            calls: Endpoint::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            hooks: hooks::Hooks::default(),
            version: watch::Sender::new(0),
        }));
        let runtime = Handle::current();
        server::serve(listener, &desk, &runtime);
        runtime.spawn(desk.clone().deliver_hooks());
        Ok(desk)
    }

    /// The API's address, the value for `YCLIENTS_API_URL`: `http://127.0.0.1:PORT/api/v1`.
    pub fn url(&self) -> Url {
        Url::parse(&format!("http://{}/api/v1", self.0.addr)).expect("a socket address makes a valid URL")
    }

    /// The control API, to be nested where the page wants it; this server also serves it under `/sandbox`.
    pub fn router(&self) -> axum::Router {
        control::router(self.clone())
    }

    /// Whose numbers it tells.
    pub fn network(&self) -> &Network {
        &self.0.network
    }

    /// The switches for what goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Sets the limits on calls; [`Limits::default`] has those of the real service.
    pub fn set_limits(&self, limits: Limits) {
        self.0.limits.set(limits);
    }

    /// Sets how the answers differ.
    pub fn set_oddities(&self, oddities: Oddities) {
        *lock(&self.0.oddities) = oddities;
    }

    /// Closes a salon to the user, or opens it again with `None`.
    pub fn refuse(&self, salon: i64, why: Option<Refused>) {
        let mut refused = lock(&self.0.refused);
        match why {
            Some(why) => drop(refused.insert(salon, why)),
            None => drop(refused.remove(&salon)),
        }
    }

    /// Takes a salon out of every list, as if it had never been; or puts it back.
    pub fn hide(&self, salon: i64, is_hidden: bool) {
        let mut hidden = lock(&self.0.hidden);
        if is_hidden {
            hidden.insert(salon);
        } else {
            hidden.remove(&salon);
        }
    }

    /// The user changes the password: their token is not known any more. `true` makes it known again.
    pub fn know_user(&self, is_known: bool) {
        *lock(&self.0.is_user_known) = is_known;
    }

    /// How often `endpoint` was called, refusals and faults included.
    pub fn calls(&self, endpoint: Endpoint) -> u64 {
        self.0.calls[endpoint as usize].load(Ordering::Relaxed)
    }

    /// How many calls were refused because there were too many.
    pub fn refused_by_limits(&self) -> u64 {
        self.0.limits.refused()
    }

    /// Waits until `is_so` holds; it is looked at after every call and every delivery.
    pub async fn wait_for(&self, mut is_so: impl FnMut(&YClients) -> bool) {
        let mut version = self.0.version.subscribe();
        while !is_so(self) {
            // The sender lives in `self`, so waiting cannot fail.
            let _ = version.changed().await;
        }
    }

    fn touch(&self) {
        self.0.version.send_modify(|version| *version = version.wrapping_add(1));
    }

    fn oddities(&self) -> Oddities {
        *lock(&self.0.oddities)
    }
}
