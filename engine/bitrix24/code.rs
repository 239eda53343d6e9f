//! What the portal's error codes mean. The code decides first and the HTTP status only where the code says nothing:
//! statuses differ between the documentation and living portals, and descriptions are in the portal's language.

/// Why a portal refused a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many calls a second from this address.
    TooFast,
    /// The method has used up its running time for these ten minutes.
    MethodSpent,
    /// The portal's support has blocked our calls.
    Blocked,
    /// The portal broke down on the way: it may or may not be done.
    Broken,
    /// The webhook's key is wrong, revoked or out of date, or its owner is gone.
    Credentials,
    /// The webhook lacks a right.
    Scope,
    /// The portal's plan does not include the API.
    Plan,
    /// The portal is deleted or closed.
    Gone,
    /// The webhook's address is not what the portal expects.
    Address,
    /// The webhook's owner may not do this with this thing.
    Denied,
    /// Not allowed, or there is no such thing, or it is so already: old methods do not tell these apart.
    NotAllowed,
    /// There is no such thing.
    NotFound,
    /// There is no such method on this portal.
    NoMethod,
    /// What was sent makes no sense to the portal.
    Invalid,
    /// The file was not kept; most often the disk is full.
    NotSaved,
    /// The folder has another object of this name.
    NameTaken,
    /// The key of a write is not of the form the portal takes.
    KeyUnfit,
    /// The key has served for a write with other contents, which was done.
    KeyReused,
    /// Anything else.
    Other,
}

/// What REST 3.0 puts before each of its codes.
const REST_3: &str = "bitrix_rest_v3_exception_";

impl Refusal {
    /// Reads a code in any case, as it comes: words, digits or nothing.
    pub fn of(code: &str, status: u16) -> Refusal {
        let code = code.trim().to_ascii_lowercase();
        match code.strip_prefix(REST_3) {
            Some(code) => Refusal::of_rest_3(code).unwrap_or_else(|| Refusal::of_status(status)),
            None => Refusal::of_old(&code, status).unwrap_or_else(|| Refusal::of_status(status)),
        }
    }

    fn of_old(code: &str, status: u16) -> Option<Refusal> {
        let refusal = match code {
            "query_limit_exceeded" => Refusal::TooFast,
            "operation_time_limit" => Refusal::MethodSpent,
            "overload_limit" => Refusal::Blocked,
            "internal_server_error" | "error_unexpected_answer" => Refusal::Broken,
            "no_auth_found"
            | "invalid_credentials"
            | "expired_token"
            | "invalid_token"
            | "authorization_error"
            | "error_oauth"
            | "application_not_found"
            | "user_access_error"
            | "wrong_auth_type"
            | "allowed_only_intranet_user"
            | "method_confirm_waiting"
            | "method_confirm_denied" => Refusal::Credentials,
            "insufficient_scope" => Refusal::Scope,
            "payment_required" => Refusal::Plan,
            // One code for two things: without the plan no method works, without a right on a thing this one does not.
            "access_denied" if status == 403 => Refusal::Plan,
            "access_denied" | "access_denied_move" | "access_error" => Refusal::Denied,
            "portal_deleted" => Refusal::Gone,
            "invalid_request" => Refusal::Address,
            "error_method_not_found" | "error_manifest_is_not_available" => Refusal::NoMethod,
            "0" | "1048582" => Refusal::NotAllowed,
            "error_not_found" | "not_found" | "task_not_found" => Refusal::NotFound,
            "100"
            | "error_argument"
            | "invalid_arg_value"
            | "error_batch_method_not_allowed"
            | "error_batch_length_exceeded"
            | "disk_base_service_22001" => Refusal::Invalid,
            "error_could_not_save_file" => Refusal::NotSaved,
            "disk_obj_22000" => Refusal::NameTaken,
            // One code for everything a module refuses; only its words, in the portal's language, tell what.
            "error_core" => Refusal::Other,
            code if code.starts_with("disk_") => Refusal::Other,
            _ => return None,
        };
        Some(refusal)
    }

    fn of_rest_3(code: &str) -> Option<Refusal> {
        let code = code.strip_suffix("exception").unwrap_or(code);
        let refusal = match code {
            "invalididempotencykey" => Refusal::KeyUnfit,
            "idempotencykeyreused" => Refusal::KeyReused,
            "accessdenied" => Refusal::Denied,
            "insufficientscope" => Refusal::Scope,
            "entitynotfound" => Refusal::NotFound,
            "methodnotfound" => Refusal::NoMethod,
            "invalidjson"
            | "invalidfilter"
            | "invalidselect"
            | "invalidorder"
            | "invalidpagination"
            | "unknowndtoproperty"
            | "unknownfilteroperator" => Refusal::Invalid,
            code if code.starts_with("validation_") => Refusal::Invalid,
            code if code.ends_with("ratelimit") => Refusal::MethodSpent,
            _ => return None,
        };
        Some(refusal)
    }

    /// For a code nobody knows, or an answer without one.
    fn of_status(status: u16) -> Refusal {
        match status {
            300..=399 => Refusal::Address,
            401 => Refusal::Credentials,
            402 => Refusal::Plan,
            403 => Refusal::Denied,
            404 => Refusal::NotFound,
            429 => Refusal::MethodSpent,
            // A server that says it did not get the whole request in time may still have got it.
            408 | 500.. => Refusal::Broken,
            _ => Refusal::Other,
        }
    }
}
