//! Every code a portal refuses with, and what may be done then.

use std::time::Duration;

use borodach::bitrix24::{Error, TaskId};
use borodach::http::{Kind, Scope, Verdict};

use super::Scripted;

const AGAIN_IN_A_SECOND: Verdict = Verdict::WaitFor(Duration::from_secs(1), Scope::Service);
const METHOD_RESTS: Verdict = Verdict::WaitFor(Duration::from_mins(1), Scope::Endpoint);

/// What a call ends with when the portal refuses with this status and code.
async fn refusal(status: u16, code: &str) -> Error {
    let portal = Scripted::start().await;
    portal.refuses(status, format!(r#"{{"error":"{code}","error_description":"Отказано<br>"}}"#));
    portal.client().task(TaskId(1)).await.expect_err("the portal has refused")
}

#[track_caller]
fn check(error: &Error, what: &str, verdict: Verdict, kind: Kind) {
    assert_eq!(error.verdict(), verdict, "{what}: {error}");
    assert_eq!(error.kind(), kind, "{what}: {error}");
}

#[tokio::test]
async fn every_code_of_the_old_api_has_its_verdict() {
    use Kind::{Denied, Invalid, Limit, NotFound, Rejected, Unavailable};
    use Verdict::{AskPerson, GiveUp, LookFirst};
    let table = [
        (503, "QUERY_LIMIT_EXCEEDED", AGAIN_IN_A_SECOND, Limit),
        (429, "OPERATION_TIME_LIMIT", METHOD_RESTS, Limit),
        (503, "OVERLOAD_LIMIT", AskPerson, Unavailable),
        (500, "INTERNAL_SERVER_ERROR", LookFirst, Unavailable),
        (500, "ERROR_UNEXPECTED_ANSWER", LookFirst, Unavailable),
        (400, "INVALID_REQUEST", AskPerson, Unavailable),
        (401, "NO_AUTH_FOUND", AskPerson, Denied),
        (403, "INVALID_CREDENTIALS", AskPerson, Denied),
        (401, "INVALID_CREDENTIALS", AskPerson, Denied),
        (403, "insufficient_scope", AskPerson, Denied),
        (401, "insufficient_scope", AskPerson, Denied),
        (401, "expired_token", AskPerson, Denied),
        (401, "invalid_token", AskPerson, Denied),
        (401, "authorization_error", AskPerson, Denied),
        (401, "ERROR_OAUTH", AskPerson, Denied),
        (401, "APPLICATION_NOT_FOUND", AskPerson, Denied),
        (401, "PAYMENT_REQUIRED", AskPerson, Denied),
        (401, "METHOD_CONFIRM_WAITING", AskPerson, Denied),
        (403, "ACCESS_DENIED", AskPerson, Denied),
        (400, "ACCESS_DENIED", GiveUp, Denied),
        (403, "user_access_error", AskPerson, Denied),
        (403, "WRONG_AUTH_TYPE", AskPerson, Denied),
        (403, "ALLOWED_ONLY_INTRANET_USER", AskPerson, Denied),
        (403, "METHOD_CONFIRM_DENIED", AskPerson, Denied),
        (404, "ERROR_METHOD_NOT_FOUND", GiveUp, Rejected),
        (400, "ERROR_METHOD_NOT_FOUND", GiveUp, Rejected),
        (404, "ERROR_MANIFEST_IS_NOT_AVAILABLE", GiveUp, Rejected),
        (405, "ERROR_BATCH_METHOD_NOT_ALLOWED", GiveUp, Invalid),
        (400, "ERROR_BATCH_LENGTH_EXCEEDED", GiveUp, Invalid),
        (500, "PORTAL_DELETED", AskPerson, Unavailable),
        (410, "PORTAL_DELETED", AskPerson, Unavailable),
        (400, "0", GiveUp, Rejected),
        (400, "100", GiveUp, Invalid),
        (400, "1048582", GiveUp, Rejected),
        (400, "ERROR_CORE", GiveUp, Rejected),
        (400, "ERROR_ARGUMENT", GiveUp, Invalid),
        (400, "ERROR_NOT_FOUND", GiveUp, NotFound),
        (400, "NOT_FOUND", GiveUp, NotFound),
        (400, "TASK_NOT_FOUND", GiveUp, NotFound),
        (400, "ACCESS_DENIED_MOVE", GiveUp, Denied),
        (400, "ACCESS_ERROR", GiveUp, Denied),
        (400, "INVALID_ARG_VALUE", GiveUp, Invalid),
        (400, "DISK_BASE_SERVICE_22001", GiveUp, Invalid),
        (400, "DISK_OBJ_22000", GiveUp, Rejected),
        (400, "DISK_WHATEVER_1", GiveUp, Rejected),
        (400, "", GiveUp, Rejected),
        (400, "ERROR_COULD_NOT_SAVE_FILE", AskPerson, Rejected),
    ];
    for (status, code, verdict, kind) in table {
        check(&refusal(status, code).await, &format!("{status} {code}"), verdict, kind);
        // The portal's own spelling of a code is not a contract.
        check(&refusal(status, &code.to_ascii_lowercase()).await, &format!("{status} {code}"), verdict, kind);
    }
}

#[tokio::test]
async fn every_code_of_rest_3_has_its_verdict() {
    use Kind::{Denied, Invalid, Limit, NotFound, Rejected};
    use Verdict::{AskPerson, GiveUp};
    let table = [
        (400, "VALIDATION_REQUESTVALIDATION", GiveUp, Invalid),
        (400, "VALIDATION_DTOVALIDATION", GiveUp, Invalid),
        (400, "INVALIDJSON", GiveUp, Invalid),
        (400, "INVALIDFILTER", GiveUp, Invalid),
        (400, "INVALIDSELECT", GiveUp, Invalid),
        (400, "INVALIDORDER", GiveUp, Invalid),
        (400, "INVALIDPAGINATION", GiveUp, Invalid),
        (400, "UNKNOWNDTOPROPERTY", GiveUp, Invalid),
        (400, "UNKNOWNFILTEROPERATOR", GiveUp, Invalid),
        (400, "ENTITYNOTFOUND", GiveUp, NotFound),
        (400, "METHODNOTFOUND", GiveUp, Rejected),
        (400, "INVALIDIDEMPOTENCYKEY", GiveUp, Invalid),
        (403, "ACCESSDENIED", GiveUp, Denied),
        (401, "ACCESSDENIED", GiveUp, Denied),
        (403, "INSUFFICIENTSCOPE", AskPerson, Denied),
        (401, "INSUFFICIENTSCOPE", AskPerson, Denied),
        (422, "IDEMPOTENCYKEYREUSED", AskPerson, Rejected),
        (429, "RATELIMIT", METHOD_RESTS, Limit),
        (429, "SOMETHING_RATELIMIT", METHOD_RESTS, Limit),
    ];
    for (status, code, verdict, kind) in table {
        let portal = Scripted::start().await;
        portal.refuses(
            status,
            format!(
                r#"{{"error":{{"code":"BITRIX_REST_V3_EXCEPTION_{code}EXCEPTION","message":"Отказано",
                    "validation":[{{"field":"xmlId","message":"не подходит"}}]}}}}"#
            ),
        );
        let error = portal.client().task(TaskId(1)).await.expect_err("the portal has refused");
        check(&error, code, verdict, kind);
        if kind != Limit {
            assert!(error.to_string().contains("`xmlId`: не подходит"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_code_nobody_knows_goes_by_the_class_of_its_status() {
    use Verdict::{AskPerson, GiveUp, LookFirst};
    let table = [
        (400, GiveUp),
        (401, AskPerson),
        (402, AskPerson),
        (403, GiveUp),
        (404, GiveUp),
        (408, LookFirst),
        (418, GiveUp),
        (429, METHOD_RESTS),
        (500, LookFirst),
        (503, LookFirst),
        (599, LookFirst),
    ];
    for (status, verdict) in table {
        assert_eq!(refusal(status, "SOMETHING_NEW").await.verdict(), verdict, "{status}");
    }
}

#[tokio::test]
async fn a_gateways_refusal_goes_by_its_status_and_its_success_is_in_doubt() {
    use Verdict::{AskPerson, GiveUp, LookFirst};
    let page = "<html><body>Blocked</body></html>";
    let table = [
        (200, page, LookFirst),
        (200, "", LookFirst),
        (200, "[1,2]", LookFirst),
        (200, "\"ok\"", LookFirst),
        (403, page, GiveUp),
        (403, "", GiveUp),
        (401, page, AskPerson),
        (429, page, METHOD_RESTS),
        (500, "", LookFirst),
        (502, page, LookFirst),
        (503, page, LookFirst),
        (504, "", LookFirst),
        (400, r#"{"message":"who are you"}"#, GiveUp),
        (502, r#"{"message":"upstream"}"#, LookFirst),
    ];
    for (status, body, verdict) in table {
        let portal = Scripted::start().await;
        portal.refuses(status, body);
        let error = portal.client().task(TaskId(1)).await.expect_err("this is no task");
        assert_eq!(error.verdict(), verdict, "{status} {body}: {error}");
    }
}

#[tokio::test]
async fn nothing_that_fails_tells_the_webhooks_key() {
    let bodies = [
        (
            400,
            format!(r#"{{"error":"ERROR_CORE","error_description":"bad call /rest/7/{}/x"}}"#, super::TOKEN),
        ),
        (400, format!(r#"{{"error":"{}","error_description":""}}"#, super::TOKEN)),
        (200, format!(r#"{{"result":{{"task":{{"id":"{}"}}}}}}"#, super::TOKEN)),
        (200, format!(r#"{{"result":{{"task":{{"id":1,"title":"x","status":{{"{}":1}}}}}}}}"#, super::TOKEN)),
        (502, super::TOKEN.to_owned()),
    ];
    for (status, body) in bodies {
        let portal = Scripted::start().await;
        portal.refuses(status, &body);
        let error = portal.client().task(TaskId(1)).await.expect_err("this is no task");
        let told = format!("{error} {error:?}");
        assert!(!told.contains(super::TOKEN), "{told}");
    }
    let nobody = super::client(
        &format!("http://127.0.0.1:1/rest/7/{}/", super::TOKEN),
        borodach::clock::ManualClock::new(super::NOON),
        1,
        |_| {},
    );
    let error = nobody.task(TaskId(1)).await.expect_err("nobody is there");
    assert_eq!(error.verdict(), Verdict::Again);
    let told = format!("{error} {error:?}");
    assert!(!told.contains(super::TOKEN), "{told}");
}
