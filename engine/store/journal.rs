//! The steps of a conversation, in order, with their answers.

use super::Json;
use super::conversation::ConversationId;
use crate::clock::Timestamp;

/// The place of a step in its conversation, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct StepNo(pub u32);

/// A step: what a flow asked of the world, and the answer.
///
/// A row without an answer is an **intent**: the step is about to be done. The same step with an answer
/// completes it; a step that has its answer is never written again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whose step it is.
    pub conversation: ConversationId,
    /// Its place.
    pub step: StepNo,
    /// The host function, such as `bitrix24::add_task`.
    pub name: String,
    /// Where in the script it was asked: file and line.
    pub site: String,
    /// What was asked, for writes.
    pub request: Option<Json>,
    /// What came back; none while it is only intended.
    pub answer: Option<Json>,
    /// When the answer, or the intent, was recorded.
    pub recorded_at: Timestamp,
}
