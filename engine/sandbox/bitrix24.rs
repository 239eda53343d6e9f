//! The desk's Bitrix24: a portal whose REST is as strict and as odd as the real one, the people of the office who work
//! on its board, and switches for what goes wrong on the way.
//!
//! [`Bitrix24`] is the portal itself; what people do is in [`people`], what is seen of it in [`view`], what it is like in
//! [`conduct`]. A call comes in at `server`, is read by `params` and done by `call` and its neighbours: `tasks` and `list`,
//! `comments`, `disk`, `users`, `batch`, and `rest3` for the third generation. What happened goes out through [`events`].

mod batch;
mod call;
mod comments;
pub mod conduct;
mod control;
mod disk;
pub mod events;
pub mod faults;
mod filter;
mod keys;
pub mod limits;
mod list;
pub mod method;
pub mod office;
mod params;
pub mod people;
mod refusal;
mod render;
mod rest3;
mod server;
mod tasks;
mod users;
pub mod view;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{broadcast, watch};
use url::Url;

use crate::clock::{SharedClock, Timestamp};
use crate::sandbox::lock;

pub use crate::sandbox::faults::{Kind as Fault, Often};
pub use conduct::{Card, Charge, Conduct, NoFiles, Required, Rest3, Sees};
pub use events::{Brackets, Fate, Hook, Mail, Sent};
pub use faults::{Faults, Rule};
pub use limits::{Limits, Rate};
pub use method::{Method, Scope};
pub use office::{DESIGN, DEVELOPMENT, File, Group, MARKETING, Message, OWNER, Stage, Status, Task, User};
pub use people::Unable;
pub use view::{Call, NotSeen};

use events::Courier;
use keys::Keys;
use limits::Meter;
use office::Office;

/// How many events a slow subscriber may fall behind.
const EVENTS_KEPT: usize = 1024;
const TOKEN: &str = "sandboxtoken0123456789";

/// A portal with one incoming webhook. Cloning gives another handle to the same portal.
#[derive(Clone)]
pub struct Bitrix24(Arc<Portal>);

/// Something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// On the board: tasks, chats, files.
    Board,
    /// Among switches and faults.
    State,
}

/// No lock is held across an await, and no two at once but the office's with another.
struct Portal {
    addr: SocketAddr,
    /// Whose webhook it is.
    user: i64,
    token: String,
    clock: SharedClock,
    runtime: Handle,
    client: reqwest::Client,
    office: Mutex<Office>,
    conduct: Mutex<Conduct>,
    meter: Mutex<Meter>,
    keys: Mutex<Keys>,
    courier: Mutex<Courier>,
    /// Wakes the courier.
    mail: watch::Sender<u64>,
    faults: Faults,
    calls: Vec<AtomicU64>,
    log: Mutex<VecDeque<Call>>,
    numbers: AtomicU64,
    events: broadcast::Sender<Event>,
    version: watch::Sender<u64>,
}

impl Bitrix24 {
    /// Starts the portal on `addr` (port 0 for any free one); dates, limits and events go by `clock`.
    ///
    /// It serves until the runtime ends. Errors: the address is taken, or the process has no TLS provider installed.
    pub async fn start(addr: SocketAddr, clock: SharedClock) -> io::Result<Bitrix24> {
        let listener = TcpListener::bind(addr).await?;
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let sandbox = Bitrix24(Arc::new(Portal {
            addr: listener.local_addr()?,
            user: OWNER,
            token: TOKEN.to_owned(),
            runtime: Handle::current(),
            client: client.build().map_err(io::Error::other)?,
            office: Mutex::new(Office::furnish(clock.now())),
            clock,
            conduct: Mutex::default(),
            meter: Mutex::default(),
            keys: Mutex::default(),
            courier: Mutex::default(),
            mail: watch::Sender::new(0),
            faults: Faults::default(),
            calls: Method::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            log: Mutex::default(),
            numbers: AtomicU64::new(rand::random_range(1 << 40..1 << 41)),
            events: broadcast::Sender::new(EVENTS_KEPT),
            version: watch::Sender::new(0),
        }));
        server::serve(listener, &sandbox);
        sandbox.0.runtime.spawn(sandbox.clone().carry());
        Ok(sandbox)
    }

    /// The incoming webhook: `http://127.0.0.1:PORT/rest/USER/TOKEN/`, the value for `BITRIX_WEBHOOK_URL`.
    pub fn url(&self) -> Url {
        let path = format!("rest/{}/{}/", self.0.user, self.0.token);
        self.address().join(&path).expect("a relative path joins")
    }

    /// Where the server listens: `http://127.0.0.1:PORT/`.
    pub fn address(&self) -> Url {
        Url::parse(&format!("http://{}", self.0.addr)).expect("a socket address makes a valid URL")
    }

    /// The control API with its event stream, to be nested under a path of the page; this server has it at `/sandbox`.
    pub fn router(&self) -> axum::Router {
        control::router(self.clone())
    }

    /// The switches for what goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// What the portal is like at the moment.
    pub fn conduct(&self) -> Conduct {
        lock(&self.0.conduct).clone()
    }

    /// Changes what the portal is like.
    pub fn change(&self, change: impl FnOnce(&mut Conduct)) {
        change(&mut lock(&self.0.conduct));
        self.announce(Event::State);
    }

    /// Sets the limits and forgets what was counted; [`Limits::default`] switches them off.
    pub fn set_limits(&self, limits: Limits) {
        *lock(&self.0.meter) = Meter::new(limits);
    }

    /// Sets up the outgoing webhook, or takes it away. Events that wait are sent to the new one.
    pub fn set_hook(&self, hook: Option<Hook>) {
        lock(&self.0.courier).hook = hook;
    }

    /// Changes how events travel from now on.
    pub fn set_mail(&self, mail: Mail) {
        lock(&self.0.courier).mail = mail;
        self.announce(Event::State);
    }

    /// Starts the dice of faults and of events anew, so that a run can be repeated.
    pub fn seed(&self, seed: u64) {
        self.0.faults.seed(seed);
        lock(&self.0.courier).seed(seed);
    }

    /// How often `method` was called, faults and batches included.
    pub fn calls(&self, method: Method) -> u64 {
        self.0.calls[method as usize].load(Ordering::Relaxed)
    }

    /// Events from now on. A subscriber that falls behind by 1,024 is told that it missed some.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// A number that was not given out before.
    fn next_number(&self) -> u64 {
        self.0.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Lets [`Bitrix24::wait_for`] look again.
    fn touch(&self) {
        self.0.version.send_modify(|version| *version = version.wrapping_add(1));
    }

    fn announce(&self, event: Event) {
        self.touch();
        // Nobody listens most of the time, and that is no failure.
        let _ = self.0.events.send(event);
    }
}
