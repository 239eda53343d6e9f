//! The portal: what it offers, how it fails, what is on its board in the end.

use std::collections::HashMap;
use std::time::Duration;

use borodach::sandbox::bitrix24::{Bitrix24, Fault, Method, Often, Rest3, Rule};

use super::Portal;

/// Longer than the bot waits for an answer.
const SLOW: Duration = Duration::from_millis(1_500);
/// A call that comes out after the bot has given it up.
const LATE: Duration = Duration::from_millis(1_200);

/// How a call fails, and the share among failures.
const WEIGHTS: [(Fault, f64); 14] = [
    (Fault::ResetAfterAccept, 0.2),
    (Fault::Reset, 0.15),
    (Fault::BadGatewayAfterAccept, 0.15),
    (Fault::BadGatewayHtml, 0.1),
    (Fault::ServerErrorAfterAccept, 0.1),
    (Fault::ServerError, 0.1),
    (Fault::CutJson, 0.05),
    (Fault::WrongTypes, 0.03),
    (Fault::EmptyBody, 0.03),
    (Fault::Slow(SLOW), 0.02),
    (Fault::SlowAfterAccept(SLOW), 0.03),
    (Fault::Late(LATE), 0.02),
    (Fault::Unavailable, 0.01),
    (Fault::Canned { status: 200, body: "null" }, 0.01),
];

/// Makes it the portal asked for.
pub fn furnish(bitrix24: &Bitrix24, portal: Portal) {
    bitrix24.change(|conduct| {
        conduct.rest3 = if portal == Portal::Keys { Rest3::WithKeys } else { Rest3::Absent };
        conduct.filters_by_xml_id = portal != Portal::Blind;
    });
}

/// Lets this share of calls fail.
pub fn spoil(bitrix24: &Bitrix24, share: f64) {
    // A rule is asked only when those before it did not strike: its own dice make up for that.
    let mut left = 1.0;
    for (kind, weight) in WEIGHTS {
        let chance = share * weight;
        bitrix24.faults().add(Rule { endpoint: None, kind, often: Often::Chance(chance / left) });
        left -= chance;
    }
}

/// The ids of the tasks on the board by what was asked for.
pub fn count(bitrix24: &Bitrix24) -> HashMap<String, Vec<i64>> {
    let mut count: HashMap<String, Vec<i64>> = HashMap::new();
    for task in bitrix24.tasks() {
        count.entry(task.title).or_default().push(task.id);
    }
    count
}

/// Calls of all methods.
pub fn calls(bitrix24: &Bitrix24) -> u64 {
    Method::ALL.iter().map(|&method| bitrix24.calls(method)).sum()
}
