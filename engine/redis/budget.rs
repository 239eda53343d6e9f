//! A budget of calls that several instances share, counted at Redis with Redis's own clock.
//!
//! GCRA, as governor has it in the process: a quota keeps one instant, when it would be full again if nothing more
//! were taken. Taking moves it on by the interval of one call; it may be ahead of now by as much as the burst allows.

use std::sync::LazyLock;
use std::time::Duration;

use governor::Quota;
use redis::{Script, ScriptInvocation};

/// One script over all quotas: nothing is taken from one when another is empty. Times are whole microseconds, which
/// Lua's numbers hold exactly until the year 2255. An instant further ahead than a used up quota can be is of a clock
/// that was set back, or of a slower quota before a change of settings; it is cut, or callers would wait for hours.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local wait, full_at = 0, {}
        for i, key in ipairs(KEYS) do
            local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
            local known = tonumber(redis.call('GET', key) or 0)
            known = math.min(math.max(known, now), now + interval * burst)
            full_at[i] = known + interval
            wait = math.max(wait, full_at[i] - interval * burst - now)
        end
        if wait > 0 then return wait end
        for i, key in ipairs(KEYS) do
            local life = math.ceil((full_at[i] - now) / 1000)
            redis.call('SET', key, string.format('%.0f', full_at[i]), 'PX', life)
        end
        return 0
        ",
    )
});

/// The script for these quotas, each with its key; it answers with the microseconds to wait, 0 when it has taken.
pub(super) fn take(keys: impl Iterator<Item = String>, quotas: &[Quota]) -> ScriptInvocation<'static> {
    let mut take = TAKE.prepare_invoke();
    for (key, quota) in keys.zip(quotas) {
        take.key(key).arg(micros(quota.replenish_interval())).arg(quota.burst_size().get());
    }
    take
}

/// Rounded up: a budget may be a little smaller than asked for, never larger.
fn micros(interval: Duration) -> u64 {
    u64::try_from(interval.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX)
}
