//! Who called: the fields of `userIdentity` that are looked at. Every session has an element of
//! its own, so that there are a third as many as events.

use crate::input::record::{Identity, SessionAttributes, SessionContext, SessionIssuer};
use crate::input::scan::cursor::{Cursor, Spans};

/// Reads a `userIdentity` element.
pub(crate) fn identity(raw: &str) -> Option<Identity<'_>> {
    let names = [
        "type",
        "principalId",
        "arn",
        "accountId",
        "accessKeyId",
        "userName",
        "invokedBy",
        "sessionContext",
    ];
    let spans = wanted(raw, names)?;
    let field = |slot: usize| spans.text(slot, raw);
    Some(Identity {
        kind: field(0)?,
        principal_id: field(1)?,
        arn: field(2)?,
        account_id: field(3)?,
        access_key_id: field(4)?,
        user_name: field(5)?,
        invoked_by: field(6)?,
        session_context: spans.raw(7, raw),
    })
}

/// Reads the `sessionContext` of such an element.
pub(crate) fn session(raw: &str) -> Option<SessionContext<'_>> {
    let spans = wanted(raw, ["attributes", "sessionIssuer", "sourceIdentity"])?;
    let attributes = |raw| {
        let creation_date = wanted(raw, ["creationDate"])?.text(0, raw)?;
        Some(SessionAttributes { creation_date })
    };
    let issuer = |raw| {
        let arn = wanted(raw, ["arn"])?.text(0, raw)?;
        Some(SessionIssuer { arn })
    };
    Some(SessionContext {
        attributes: match spans.raw(0, raw) {
            Some(raw) => Some(attributes(raw)?),
            None => None,
        },
        session_issuer: match spans.raw(1, raw) {
            Some(raw) => Some(issuer(raw)?),
            None => None,
        },
        source_identity: spans.text(2, raw)?,
    })
}

/// Where the values of these names are in an object that is all of the text.
fn wanted<const N: usize>(raw: &str, names: [&str; N]) -> Option<Spans<N>> {
    let mut cursor = Cursor::new(raw.as_bytes());
    let mut spans = Spans::none();
    cursor.object(|cursor, name, first| {
        let slot = names.iter().position(|wanted| wanted.as_bytes() == name);
        match slot {
            Some(slot) => spans.put(slot, cursor.span(first)?),
            None => cursor.value(0),
        }
    })?;
    (cursor.at == raw.len()).then_some(spans)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a strict parser makes of the same text must be the same.
    fn agrees(text: &str) {
        if let Some(scanned) = identity(text) {
            let parsed: Identity<'_> = serde_json::from_str(text).expect("what is scanned parses");
            assert_eq!(format!("{parsed:?}"), format!("{scanned:?}"), "{text}");
        }
        if let Some(scanned) = session(text) {
            let parsed: SessionContext<'_> =
                serde_json::from_str(text).expect("what is scanned parses");
            assert_eq!(format!("{parsed:?}"), format!("{scanned:?}"), "{text}");
        }
    }

    #[test]
    fn elements_are_read_whole() {
        let text = r#"{"type":"AssumedRole","arn":"arn:\u0061","accountId":111122223333,"userName":null,"sessionContext":{"sessionIssuer":{"type":"Role","arn":"r"},"attributes":{"mfaAuthenticated":"false","creationDate":"2023-07-10T14:40:00Z"},"webIdFederationData":{}}}"#;
        let one = identity(text).expect("an element");
        assert_eq!((one.kind.get(), one.arn.get()), ("AssumedRole", "arn:a"));
        assert_eq!(one.account_id.get(), "111122223333");
        let session = session(one.session_context.expect("a session")).expect("sound");
        let attributes = session.attributes.expect("attributes");
        assert_eq!(attributes.creation_date.get(), "2023-07-10T14:40:00Z");
        assert_eq!(session.session_issuer.expect("an issuer").arn.get(), "r");
        agrees(text);
    }

    #[test]
    fn what_is_odd_is_left_to_others() {
        assert!(identity("[]").is_none());
        assert!(identity("{} {}").is_none());
        assert!(identity(r#"{"arn":"a","arn":"b"}"#).is_none());
        assert!(session(r#"{"attributes":"none"}"#).is_none());
        assert!(session(r#"{"attributes":null}"#).is_some_and(|one| one.attributes.is_none()));
    }

    proptest! {
        #[test]
        fn never_more_lenient_than_the_strict_parser(
            text in "\\{(\"(type|arn|sessionContext|attributes|sessionIssuer|x)\" ?: ?(\"[a\\\\\"é]{0,5}\"|1|true|null|\\{(\"(arn|creationDate)\":(\"a\"|1|null|[{}]))?\\})[, ]{0,2}){0,4}\\}"
        ) {
            agrees(&text);
        }
    }
}
