//! How fast a service may be called.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::clock::SharedClock;
use crate::redis::Redis;

/// The quotas of a service; a call takes from all of them.
#[derive(Clone, Debug)]
pub struct Throttle {
    name: &'static str,
    quotas: Vec<Quota>,
    redis: Option<Redis>,
}

impl Throttle {
    /// Quotas kept in this process; without any everybody goes at once. `name` tells budgets apart.
    pub fn new(name: &'static str, quotas: &[Quota]) -> Throttle {
        Throttle { name, quotas: quotas.to_vec(), redis: None }
    }

    /// Quotas that all instances share through Redis; while it is away, each keeps its own.
    pub fn shared(name: &'static str, quotas: &[Quota], redis: Redis) -> Throttle {
        Throttle { redis: Some(redis), ..Throttle::new(name, quotas) }
    }

    /// What is left of the quotas, by this clock.
    pub(super) fn budget(self, clock: &SharedClock) -> Budget {
        let mut quotas = self.quotas;
        // The slowest to fill first: what is taken from the last is the freshest.
        quotas.sort_by_key(|quota| std::cmp::Reverse(quota.burst_size_replenished_in()));
        let limiter = |quota| RateLimiter::direct_with_clock(quota, Ticks(clock.clone()));
        let own = quotas.iter().copied().map(limiter).collect();
        match self.redis.filter(|_| !quotas.is_empty()) {
            None => Budget::Own(own),
            Some(redis) => Budget::Shared { redis, name: self.name, quotas, own },
        }
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

/// What is left of a service's quotas.
#[derive(Debug)]
pub(super) enum Budget {
    /// Of this process alone: one limiter a quota.
    Own(Vec<Limiter>),
    /// Of all instances.
    Shared {
        /// Where it is kept.
        redis: Redis,
        /// Under which name.
        name: &'static str,
        /// What it is made of.
        quotas: Vec<Quota>,
        /// Kept to while Redis is away.
        own: Vec<Limiter>,
    },
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Nanos>>;

impl Budget {
    /// Whether there is nothing to wait for.
    pub fn is_endless(&self) -> bool {
        match self {
            Budget::Own(limiters) => limiters.is_empty(),
            Budget::Shared { .. } => false,
        }
    }

    /// Takes one call from every quota; when one has none, tells how long to wait before the next look. `taken` counts
    /// the quotas that this caller has taken from already; it begins with 0.
    pub async fn take(&self, taken: &mut usize) -> Result<(), Duration> {
        match self {
            Budget::Own(limiters) => take(limiters, taken),
            Budget::Shared { redis, name, quotas, own } => match redis.take(name, quotas).await {
                Some(answer) => answer,
                None => take(own, taken),
            },
        }
    }
}

fn take(limiters: &[Limiter], taken: &mut usize) -> Result<(), Duration> {
    for limiter in limiters.iter().skip(*taken) {
        limiter.check().map_err(|not_until| not_until.wait_time_from(limiter.clock().now()))?;
        *taken += 1;
    }
    Ok(())
}

/// Our clock as governor reads it.
#[derive(Clone, Debug)]
pub(super) struct Ticks(SharedClock);

impl governor::clock::Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Duration::from_millis(u64::try_from(self.0.now().0).unwrap_or(0)).into()
    }
}
