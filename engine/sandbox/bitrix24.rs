//! The desk's Bitrix24: a portal whose REST is as strict and as odd as the real one, the people of the office who work
//! on its board, and switches for what goes wrong on the way.

pub mod faults;
pub mod method;
mod refusal;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use url::Url;

use crate::clock::SharedClock;

pub use crate::sandbox::faults::{Kind as Fault, Often};
pub use faults::{Faults, Rule};
pub use method::Method;

/// A portal with one incoming webhook. Cloning gives another handle to the same portal.
#[derive(Clone)]
pub struct Bitrix24(Arc<Portal>);

struct Portal {
    faults: Faults,
}

impl Bitrix24 {
    /// Starts the portal on `addr` (port 0 for any free one); dates, limits and events go by `clock`.
    ///
    /// It serves until the runtime ends. Errors: the address is taken, or the process has no TLS provider installed.
    pub async fn start(_addr: SocketAddr, _clock: SharedClock) -> io::Result<Bitrix24> {
        unimplemented!()
    }

    /// The incoming webhook: `http://127.0.0.1:PORT/rest/USER/TOKEN/`, the value for `BITRIX_WEBHOOK_URL`.
    pub fn url(&self) -> Url {
        unimplemented!()
    }

    /// The switches for what goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// How often `method` was called, faults and batches included.
    pub fn calls(&self, _method: Method) -> u64 {
        unimplemented!()
    }
}
