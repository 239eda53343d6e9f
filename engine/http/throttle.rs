//! How fast a service may be called.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;

/// The quotas of a service; a call takes from all of them.
#[derive(Clone, Debug)]
pub struct Throttle {
    name: &'static str,
    quotas: Vec<Quota>,
}

impl Throttle {
    /// Quotas kept in this process. `name` tells budgets apart; without quotas everybody goes at once.
    pub fn new(name: &'static str, quotas: &[Quota]) -> Throttle {
        Throttle { name, quotas: quotas.to_vec() }
    }
}

/// A quota that keeps to `count` calls in **any** `span`, as services that count in a sliding window want it.
///
/// A plain `Quota::per_second(5)` lets five calls go at once and the sixth a fifth of a second later, six within a
/// second. Here the burst is taken off the rate: `burst + rate × span = count`.
pub fn sliding(count: NonZeroU32, span: Duration) -> Quota {
    let burst = NonZeroU32::new(count.get() / 40).unwrap_or(NonZeroU32::MIN);
    let steady = (count.get() - burst.get()).max(1);
    let quota = Quota::with_period(span / steady).expect("a span of time is longer than nothing");
    quota.allow_burst(burst)
}
