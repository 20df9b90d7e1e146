//! Text with or without structure: a JSON object is edited leaf by leaf, anything else is
//! one value.

use std::collections::BTreeMap;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use relatch_case::model::{Container, Slot};
use relatch_case::{Fault, FaultKind};
use relatch_places::formats::json;
use relatch_secret::Secret;

use crate::error::fault;

/// Every value in `text` that can be replaced: the string leaves of a JSON object, or the
/// whole where it is none (or has no string leaf).
pub(super) fn slots(text: &str) -> BTreeMap<Slot, Secret> {
    leaves(text).unwrap_or_else(|| whole(text))
}

/// The one slot of a text without structure.
pub(super) fn whole(text: &str) -> BTreeMap<Slot, Secret> {
    BTreeMap::from([(Slot::whole(), Secret::from(text))])
}

fn leaves(text: &str) -> Option<BTreeMap<Slot, Secret>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    json::slots(text).ok().filter(|slots| !slots.is_empty())
}

/// `text` with `changes` made in place and nothing else touched. Slots that are not there
/// are refused as `Invalid`.
pub(super) fn replaced(
    container: &Container,
    text: &str,
    changes: &BTreeMap<Slot, Secret>,
) -> Result<String, Fault> {
    check_slots(container, &slots(text), changes)?;
    match changes.get(&Slot::whole()) {
        Some(value) => one_value(container, as_text(container, value)?),
        None => json::replace(text, changes)
            .map(|mut new| std::mem::take(&mut *new))
            .map_err(|error| Fault::new(FaultKind::Invalid, format!("{container}: {error}"))),
    }
}

/// A text that will be read back as the one value that it is.
fn one_value(container: &Container, text: &str) -> Result<String, Fault> {
    if leaves(text).is_none() {
        return Ok(text.to_string());
    }
    Err(Fault::new(
        FaultKind::Invalid,
        format!("{container}: the new value is a JSON object and would be read as several values"),
    ))
}

/// Refuses an empty change and one of a slot that does not exist.
pub(super) fn check_slots(
    container: &Container,
    slots: &BTreeMap<Slot, Secret>,
    changes: &BTreeMap<Slot, Secret>,
) -> Result<(), Fault> {
    if changes.is_empty() {
        return Err(Fault::new(
            FaultKind::Invalid,
            format!("{container}: nothing to write"),
        ));
    }
    match changes.keys().find(|slot| !slots.contains_key(slot)) {
        None => Ok(()),
        Some(slot) => Err(Fault::new(
            FaultKind::Invalid,
            format!("{container}: there is no slot \"{}\" to replace", slot.0),
        )),
    }
}

/// The value as text, which is all that the container can hold.
pub(super) fn as_text<'v>(container: &Container, value: &'v Secret) -> Result<&'v str, Fault> {
    value.expose_str().ok_or_else(|| {
        Fault::new(
            FaultKind::Invalid,
            format!("{container}: the new value is not text"),
        )
    })
}

/// The same fault with the container named.
pub(super) fn about(container: &Container, fault: Fault) -> Fault {
    Fault::new(fault.kind, format!("{container}: {}", fault.detail))
}

/// The fault of a call that carried values. AWS's words on malformed input quote the input
/// (Lambda: "String measured: {…}"), so of those only what stands before the first quote is
/// kept.
pub(super) fn of_content<E: ProvideErrorMetadata>(
    container: &Container,
    error: SdkError<E, HttpResponse>,
) -> Fault {
    let words = quiet_words(&error);
    let fault = fault(error);
    let detail = match fault.kind {
        FaultKind::Invalid | FaultKind::Ambiguous | FaultKind::SlotsFull => words,
        _ => None,
    };
    about(
        container,
        Fault::new(fault.kind, detail.unwrap_or(fault.detail)),
    )
}

/// What a service said, as far as it cannot quote what was sent to it. `None`: it was not
/// the service that failed.
fn quiet_words<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<String> {
    let code = error.as_service_error()?.code().unwrap_or("no code");
    let message = error.message().unwrap_or_default();
    let said = message
        .split([':', '\'', '"', '{', '[', '='])
        .next()
        .unwrap_or_default();
    Some(format!("{code}: {said}"))
}

/// The fault of a container that is not as expected.
pub(super) fn moved_on(container: &Container) -> Fault {
    Fault::new(
        FaultKind::Conflict,
        format!("{container}: it was changed by somebody else and is left as it is now"),
    )
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    fn container() -> Container {
        Container {
            kind: "ssm".into(),
            region: "us-east-1".into(),
            name: "/app".into(),
        }
    }

    fn change(slot: Slot, value: &str) -> BTreeMap<Slot, Secret> {
        BTreeMap::from([(slot, Secret::from(value))])
    }

    #[test]
    fn an_object_has_its_string_leaves_and_anything_else_is_one_value() {
        let keys = |text| {
            slots(text)
                .into_keys()
                .map(|slot| slot.0)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            keys(r#"{"a":"x","n":1,"o":{"k/y":"z"},"l":["p"]}"#),
            ["a", "l/0", "o/k~1y"]
        );
        for text in [
            "plain",
            "",
            "\"quoted\"",
            "[\"list\"]",
            "{\"n\":1}",
            "{broken",
        ] {
            assert_eq!(keys(text), [""], "{text}");
        }
    }

    #[test]
    fn only_the_named_leaf_changes() {
        let text = "{ \"b\" : \"one\",\r\n\t\"a\":\"two\" }\n";
        let new = replaced(&container(), text, &change(Slot::key("b"), "q\"q")).expect("replace");
        assert_eq!(new, "{ \"b\" : \"q\\\"q\",\r\n\t\"a\":\"two\" }\n");
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for (text, changes) in [
            ("{\"a\":\"x\"}", change(Slot::key("b"), "y")),
            ("{\"a\":\"x\"}", change(Slot::whole(), "y")),
            ("plain", change(Slot::key("a"), "y")),
            ("plain", BTreeMap::new()),
        ] {
            let fault = replaced(&container(), text, &changes).expect_err("refused");
            assert_eq!(fault.kind, FaultKind::Invalid);
        }
    }

    #[test]
    fn words_that_quote_what_was_sent_are_cut_before_the_quote() {
        let said = "the variables exceeded the 4KB limit. String measured: {\"KEY\":\"canary\"}";
        let error = ErrorMetadata::builder()
            .code("InvalidParameterValueException")
            .message(said)
            .build();
        let answer = HttpResponse::new(400.try_into().expect("a status"), SdkBody::empty());
        let fault = of_content(&container(), SdkError::service_error(error, answer));
        assert_eq!(fault.kind, FaultKind::Invalid);
        assert!(fault.detail.ends_with("limit. String measured"), "{fault}");
        assert!(fault.detail.contains("InvalidParameterValue"), "{fault}");
    }

    #[test]
    fn bytes_that_are_not_text_are_refused() {
        let changes = BTreeMap::from([(Slot::whole(), Secret::new(vec![0xff]))]);
        let fault = replaced(&container(), "plain", &changes).expect_err("refused");
        assert_eq!(fault.kind, FaultKind::Invalid);
    }
}
