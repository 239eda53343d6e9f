//! What a portal tells of its own accord, and who is believed.

use borodach::bitrix24::TaskId;
use borodach::bitrix24::event::{Error, Event, What, parse};
use borodach::clock::Timestamp;
use proptest::prelude::*;
use secrecy::SecretString;

const TOKEN: &str = "51856fefc120afa4b628cc82d3935cce";

fn token() -> SecretString {
    SecretString::from(TOKEN)
}

/// A body as an outgoing webhook was seen to send it.
fn body(event: &str, data: &str) -> String {
    format!(
        "event={event}&event_handler_id=404&{data}\
         &data[IS_ACCESSIBLE_BEFORE]=undefined&data[IS_ACCESSIBLE_AFTER]=undefined&ts=1790000000\
         &auth[domain]=portal.example&auth[client_endpoint]=https%3A%2F%2Fportal.example%2Frest%2F\
         &auth[server_endpoint]=https%3A%2F%2Foauth.bitrix.info%2Frest%2F\
         &auth[member_id]=a223c6b3710f85df22e9377d6c4f7553&auth[application_token]={TOKEN}"
    )
}

#[track_caller]
fn check(event: &str, data: &str, what: What) {
    let raw = body(event, data);
    let encoded = raw.replace('[', "%5B").replace(']', "%5D");
    for body in [raw, encoded] {
        let read = parse(body.as_bytes(), Some(&token())).unwrap_or_else(|error| panic!("{error}: {body}"));
        assert_eq!(read.what, what, "{body}");
        assert_eq!(read.task, TaskId(3711), "{body}");
        assert_eq!(read.sent_at, Timestamp(1_790_000_000_000), "{body}");
    }
}

#[test]
fn each_kind_names_its_task_in_its_own_place_raw_or_encoded() {
    check("ONTASKADD", "data[FIELDS_BEFORE]=undefined&data[FIELDS_AFTER][ID]=3711", What::Added);
    check("ONTASKUPDATE", "data[FIELDS_BEFORE][ID]=3711&data[FIELDS_AFTER][ID]=3711", What::Updated);
    check("ONTASKDELETE", "data[FIELDS_BEFORE][ID]=3711&data[FIELDS_AFTER]=undefined", What::Deleted);
    check("OnTaskUpdate", "data[FIELDS_AFTER][ID]=3711", What::Updated);
    check(
        "ONTASKCOMMENTADD",
        "data[FIELDS_BEFORE]=undefined&data[FIELDS_AFTER][ID]=3141&data[FIELDS_AFTER][TASK_ID]=3711",
        What::Commented { comment: Some(3141) },
    );
}

#[test]
fn a_comment_on_the_new_card_has_the_id_zero_and_a_message() {
    let new = "data[FIELDS_AFTER][ID]=0&data[FIELDS_AFTER][MESSAGE_ID]=77&data[FIELDS_AFTER][TASK_ID]=3711";
    check("ONTASKCOMMENTADD", new, What::Commented { comment: Some(77) });
    let bare = "data[FIELDS_AFTER][ID]=0&data[FIELDS_AFTER][TASK_ID]=3711";
    check("ONTASKCOMMENTADD", bare, What::Commented { comment: None });
}

#[test]
fn nobody_is_believed_without_the_right_token() {
    let good = body("ONTASKADD", "data[FIELDS_AFTER][ID]=1");
    assert!(parse(good.as_bytes(), Some(&token())).is_ok());
    assert_eq!(parse(good.as_bytes(), None), Err(Error::NoToken));
    assert_eq!(parse(good.as_bytes(), Some(&SecretString::from(""))), Err(Error::NoToken));
    for claimed in ["", "51856fefc120afa4b628cc82d3935ccf", "5", "undefined", &format!("{TOKEN}0")] {
        let forged = good.replace(TOKEN, claimed);
        assert_eq!(parse(forged.as_bytes(), Some(&token())), Err(Error::Forged), "{claimed}");
    }
    assert_eq!(parse(b"", Some(&token())), Err(Error::Forged));
    // PHP takes the last of two fields of one name, and so the first cannot be slipped in before a forged one.
    let twice = good.replace("&auth[domain]", "&auth[application_token]=forged&auth[domain]");
    assert!(parse(twice.as_bytes(), Some(&token())).is_ok());
}

#[test]
fn an_event_that_names_no_task_is_refused_by_the_field() {
    let refused = |event: &str, data: &str| parse(body(event, data).as_bytes(), Some(&token())).unwrap_err();
    let after = Error::Incomplete { field: "data[FIELDS_AFTER][ID]" };
    for data in
        ["a=b", "data[FIELDS_AFTER]=undefined", "data[FIELDS_AFTER][ID]=-4", "data[FIELDS_AFTER][ID]=1e3"]
    {
        assert_eq!(refused("ONTASKADD", data), after, "{data}");
    }
    assert_eq!(
        refused("ONTASKDELETE", "data[FIELDS_AFTER][ID]=5"),
        Error::Incomplete { field: "data[FIELDS_BEFORE][ID]" }
    );
    assert_eq!(
        refused("ONCRMDEALADD", "data[FIELDS][ID]=5"),
        Error::Unknown { kind: "ONCRMDEALADD".to_owned() }
    );
}

#[test]
fn the_same_event_twice_has_one_key_and_other_events_have_others() {
    let key = |event: &str, data: &str, ts: &str| {
        let body = body(event, data).replace("1790000000", ts);
        let Event { dedupe_key, .. } = parse(body.as_bytes(), Some(&token())).expect("an event");
        dedupe_key
    };
    let one = key("ONTASKUPDATE", "data[FIELDS_AFTER][ID]=1", "1790000000");
    assert_eq!(one, key("OnTaskUpdate", "data[FIELDS_AFTER][ID]=1&x=y", "1790000000"));
    let comment = "data[FIELDS_AFTER][TASK_ID]=1&data[FIELDS_AFTER][ID]=";
    let others = [
        key("ONTASKUPDATE", "data[FIELDS_AFTER][ID]=2", "1790000000"),
        key("ONTASKUPDATE", "data[FIELDS_AFTER][ID]=1", "1790000001"),
        key("ONTASKADD", "data[FIELDS_AFTER][ID]=1", "1790000000"),
        key("ONTASKCOMMENTADD", &format!("{comment}5"), "1790000000"),
        key("ONTASKCOMMENTADD", &format!("{comment}6"), "1790000000"),
    ];
    for (place, other) in others.iter().enumerate() {
        assert_ne!(other, &one);
        assert!(!others[..place].contains(other), "{other}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn no_body_makes_the_parser_panic(
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        at in 0..600_usize,
        id in any::<i64>(),
    ) {
        let _ = parse(&noise, Some(&token()));
        let mut real = body("ONTASKCOMMENTADD", &format!("data[FIELDS_AFTER][TASK_ID]={id}")).into_bytes();
        let at = at.min(real.len());
        real.splice(at..at, noise.iter().copied());
        let _ = parse(&real, Some(&token()));
        let huge = body("ONTASKADD", "data[FIELDS_AFTER][ID]=1").replace("1790000000", &id.to_string());
        let _ = parse(huge.as_bytes(), Some(&token()));
    }
}
