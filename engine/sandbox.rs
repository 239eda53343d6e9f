//! The services on your desk, as real HTTP servers on loopback, as strict and as moody as the real ones: what
//! `borodach demo` and the tests talk to.

pub mod bitrix24;
pub mod demo;
pub mod faults;
pub mod network;
pub mod telegram;
mod wire;
pub mod yclients;

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub use bitrix24::Bitrix24;
pub use network::Network;
pub use yclients::YClients;

/// Locks; what a panicking test left behind is still worth looking at.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(shared: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    shared.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(shared: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    shared.write().unwrap_or_else(PoisonError::into_inner)
}
