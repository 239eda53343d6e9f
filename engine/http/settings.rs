//! What `config.yaml` says of the layer.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;

use super::{BreakerSettings, ClientSettings, Policy, sliding};
use crate::config;

impl config::Services {
    /// How calls are repeated.
    pub fn policy(&self) -> Policy {
        Policy {
            attempts: self.retry.attempts.get(),
            first: self.retry.first_pause,
            factor: self.retry.factor.get(),
            floor: self.retry.shortest_pause,
            cap: self.retry.longest_pause,
            deadline: self.deadline,
            background_deadline: self.background_deadline,
        }
    }

    /// When a service is left alone.
    pub fn breaker(&self) -> BreakerSettings {
        BreakerSettings { failures: self.breaker.failures.get(), open_for: self.breaker.open_for }
    }

    /// What HTTP clients have in common.
    pub fn client(&self) -> ClientSettings {
        ClientSettings {
            connect_timeout: self.connect_timeout,
            extra_root: self.extra_root.clone(),
            ..ClientSettings::default()
        }
    }
}

impl config::Bitrix24Limits {
    /// A leaky bucket, just as the portal counts.
    pub fn quotas(&self) -> Vec<Quota> {
        let burst = self.burst.get().unwrap_or(NonZeroU32::MIN);
        self.per_second.get().map(|rate| Quota::per_second(rate).allow_burst(burst)).into_iter().collect()
    }
}

impl config::YclientsLimits {
    /// Two sliding windows; a call must fit into both.
    pub fn quotas(&self) -> Vec<Quota> {
        let windows = [(self.per_second, Duration::from_secs(1)), (self.per_minute, Duration::from_mins(1))];
        windows.into_iter().filter_map(|(limit, span)| Some(sliding(limit.get()?, span))).collect()
    }
}
