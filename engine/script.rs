//! What a script may call and for how long; how the scripts that are live change.
//!
//! A flow is a pure function of its journal: [`run`](run()) goes over the journal from the top and ends at the first
//! step that is not in it. [`Set`] is all the scripts of one version, [`Scripts`] keeps the live one.

mod check;
mod coverage;
mod diagnostic;
pub mod docs;
mod formula;
mod header;
pub mod host;
mod live;
mod run;
mod set;
pub(crate) mod value;
pub mod watch;

pub use coverage::{Coverage, Covered, Share, Trail};
pub use diagnostic::Finding;
pub(crate) use diagnostic::unparsable;
pub use header::{Access, Header, Standing, Trigger, Versions};
pub use live::{OpenError, Outcome, Refusal, Scripts};
pub use run::{Divergence, End, Pending, Ran, Site, Step, Work, fits, run, run_apart, thrown, thrown_in};
pub(crate) use set::boxed;
pub use set::{Files, Flow, Limits, RHAI_VERSION, Set, hash, read, read_scenarios};
