//! The control API: what the page with the phone asks and does.

use axum::Router;

use super::Sandbox;

/// Routes without the prefix `/sandbox`.
pub(super) fn router(sandbox: Sandbox) -> Router {
    Router::new().with_state(sandbox)
}
