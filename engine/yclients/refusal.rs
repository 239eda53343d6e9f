//! What an answer means, by its status and by its words.

use std::time::Duration;

use super::patience::{MINUTE, is_about_limits, seconds_in};
use super::wire::{Complaint, Unreadable, short};
use super::{CompanyId, Error, Refusal};

/// The endpoint where 401 says that a right is missing, not that a token is bad.
pub(super) const CHARTS: &str = "analytics/overall/charts";

/// An answer as it came.
pub(super) struct Answer<'a> {
    pub status: u16,
    pub retry_after: Option<u64>,
    pub body: &'a [u8],
}

/// What is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Too many calls, and so long the service asked to wait.
    TooMany {
        asked: Duration,
    },
    Other(Error),
}

impl Answer<'_> {
    /// What the answer brings, or why nothing.
    pub fn read<T>(
        &self,
        endpoint: &'static str,
        company: Option<CompanyId>,
        read: fn(&[u8]) -> Result<T, Unreadable>,
    ) -> Result<T, Trouble> {
        if !(200..300).contains(&self.status) {
            return Err(self.refused(endpoint, company, self.status, Complaint::read(self.body)));
        }
        read(self.body).map_err(|unreadable| match unreadable {
            Unreadable::Broken(reason) => Trouble::Other(Error::Lost { endpoint, reason }),
            Unreadable::Wrong { path, reason } => Trouble::Other(Error::Malformed { endpoint, path, reason }),
            Unreadable::Failure(complaint) => {
                let status = complaint.code.filter(|code| (300..600).contains(code)).unwrap_or(self.status);
                self.refused(endpoint, company, status, complaint)
            }
        })
    }

    fn refused(
        &self,
        endpoint: &'static str,
        company: Option<CompanyId>,
        status: u16,
        complaint: Complaint,
    ) -> Trouble {
        let refusal = match status {
            429 => return self.too_many(&complaint),
            408 | 500.. => return Trouble::Other(Error::Unavailable { endpoint, status }),
            // A page instead of JSON is that of a guard before the service, and means the rate of calls.
            403 if !complaint.is_json => return Trouble::TooMany { asked: MINUTE },
            ..=299 if is_about_limits(&complaint.message) => return self.too_many(&complaint),
            ..=299 => Refusal::Unclear,
            300..=399 => Refusal::Moved,
            401 if endpoint == CHARTS => Refusal::Right,
            401 => Refusal::Token,
            402 => Refusal::Licence,
            403 if is_about_licence(&complaint.message) => Refusal::Licence,
            403 => Refusal::Right,
            404 => Refusal::NotFound,
            400..=499 => Refusal::Invalid,
        };
        let message = match complaint {
            Complaint { message, .. } if !message.is_empty() => message,
            // A page in HTML tells people nothing.
            _ if self.body.trim_ascii_start().starts_with(b"<") => "without a reason".to_owned(),
            _ => short(&String::from_utf8_lossy(self.body)),
        };
        Trouble::Other(Error::Refused { endpoint, company, refusal, status, message })
    }

    fn too_many(&self, complaint: &Complaint) -> Trouble {
        let asked = self.retry_after.max(seconds_in(&complaint.message)).unwrap_or(0);
        Trouble::TooMany { asked: Duration::from_secs(asked) }
    }
}

/// The status is the same as for a missing right, and another person mends it.
fn is_about_licence(message: &str) -> bool {
    let message = message.to_lowercase();
    message.contains("лицензи") || message.contains("license") || message.contains("licence")
}
