//! What can be called.

use crate::sandbox::faults;

/// An endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/groups`
    Groups,
    /// `/companies`
    Companies,
    /// `/company/{id}/`
    Company,
    /// `/company/{id}/analytics/overall/`
    Overall,
    /// `/company/{id}/analytics/overall/charts/{name}/`
    Charts,
    /// `/records/{id}`
    Records,
    /// Everything else.
    Unknown,
}

impl Endpoint {
    /// All of them, in the order of their numbers.
    pub const ALL: [Endpoint; 7] = [
        Endpoint::Groups,
        Endpoint::Companies,
        Endpoint::Company,
        Endpoint::Overall,
        Endpoint::Charts,
        Endpoint::Records,
        Endpoint::Unknown,
    ];

    /// The endpoint of a path under `/api/v1`, and what stands in the path in place of numbers and names. A slash at the
    /// end makes no difference.
    pub(super) fn of(path: &str) -> (Endpoint, Vec<String>) {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match parts.as_slice() {
            ["groups"] => (Endpoint::Groups, Vec::new()),
            ["companies"] => (Endpoint::Companies, Vec::new()),
            ["company", id] => (Endpoint::Company, vec![(*id).to_owned()]),
            ["company", id, "analytics", "overall"] => (Endpoint::Overall, vec![(*id).to_owned()]),
            ["company", id, "analytics", "overall", "charts", name] => {
                (Endpoint::Charts, vec![(*id).to_owned(), (*name).to_owned()])
            }
            ["records", id] => (Endpoint::Records, vec![(*id).to_owned()]),
            _ => (Endpoint::Unknown, Vec::new()),
        }
    }
}

impl faults::Endpoint for Endpoint {
    fn name(self) -> &'static str {
        match self {
            Endpoint::Groups => "groups",
            Endpoint::Companies => "companies",
            Endpoint::Company => "company",
            Endpoint::Overall => "analytics/overall",
            Endpoint::Charts => "analytics/overall/charts",
            Endpoint::Records => "records",
            Endpoint::Unknown => "unknown",
        }
    }

    fn parse(name: &str) -> Option<Endpoint> {
        Endpoint::ALL.into_iter().find(|endpoint| faults::Endpoint::name(*endpoint) == name)
    }
}
