//! Faults as the page switches and shows them.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Endpoint, Kind, Often, Rule};

/// A wish for a fault, as JSON: `{"method":"*","kind":"429","times":3,"retry_after":2}`, or `chance` for `times`.
#[derive(Deserialize)]
pub(in crate::sandbox) struct Switch {
    /// An endpoint's name, or `*`.
    #[serde(default = "any")]
    method: String,
    kind: String,
    times: Option<u32>,
    chance: Option<f64>,
    retry_after: Option<u64>,
    /// For the slow ones, in milliseconds.
    ms: Option<u64>,
}

impl Switch {
    /// The rule that is wished for. The error says what there is to choose from.
    pub fn rule<E: Endpoint>(&self) -> Result<Rule<E>, String> {
        let endpoint = match self.method.as_str() {
            "*" => None,
            name => Some(E::parse(name).ok_or_else(|| format!("there is no method `{name}`"))?),
        };
        let often = self.chance.map_or(Often::Times(self.times.unwrap_or(1)), Often::Chance);
        Ok(Rule { endpoint, kind: self.kind()?, often })
    }

    fn kind(&self) -> Result<Kind, String> {
        let pause = Duration::from_millis(self.ms.unwrap_or(3000));
        let kinds = [
            Kind::TooManyRequests { retry_after: self.retry_after.unwrap_or(1) },
            Kind::Unavailable,
            Kind::ServerError,
            Kind::BadGatewayHtml,
            Kind::Slow(pause),
            Kind::SlowAfterAccept(pause),
            Kind::Late(pause),
            Kind::Reset,
            Kind::ResetAfterAccept,
            Kind::ServerErrorAfterAccept,
            Kind::BadGatewayAfterAccept,
            Kind::CutJson,
            Kind::WrongTypes,
            Kind::EmptyPage,
            Kind::EmptyBody,
        ];
        kinds.into_iter().find(|kind| kind.name() == self.kind).ok_or_else(|| {
            let names = kinds.map(Kind::name).join(", ");
            format!("there is no fault `{}`; there are: {names}", self.kind)
        })
    }
}

/// A rule in force, in the words of [`Switch`].
pub(in crate::sandbox) fn rule_json<E: Endpoint>(rule: &Rule<E>) -> Value {
    let mut json = json!({"method": rule.endpoint.map_or("*", E::name), "kind": rule.kind.name()});
    match rule.often {
        Often::Times(times) => json["times"] = times.into(),
        Often::Chance(chance) => json["chance"] = chance.into(),
    }
    match rule.kind {
        Kind::TooManyRequests { retry_after } => json["retry_after"] = retry_after.into(),
        Kind::Canned { status, .. } => json["status"] = status.into(),
        Kind::Slow(pause) | Kind::SlowAfterAccept(pause) | Kind::Late(pause) => {
            json["ms"] = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX).into();
        }
        Kind::Unavailable
        | Kind::ServerError
        | Kind::BadGatewayHtml
        | Kind::Reset
        | Kind::ResetAfterAccept
        | Kind::ServerErrorAfterAccept
        | Kind::BadGatewayAfterAccept
        | Kind::CutJson
        | Kind::WrongTypes
        | Kind::EmptyPage
        | Kind::EmptyBody => {}
    }
    json
}

fn any() -> String {
    "*".to_owned()
}
