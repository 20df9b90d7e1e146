//! Who called: the fields of `userIdentity` that are looked at, in one pass. Every session has an
//! element of its own, so that there are a third as many as events.

use crate::input::record::{Identity, SessionAttributes, SessionContext, SessionIssuer};
use crate::input::scan::cursor::{Cursor, Spans};

/// What is looked at, by its place among what was found.
mod slot {
    pub(super) const KIND: usize = 0;
    pub(super) const PRINCIPAL: usize = 1;
    pub(super) const ARN: usize = 2;
    pub(super) const ACCOUNT: usize = 3;
    pub(super) const KEY: usize = 4;
    pub(super) const USER: usize = 5;
    pub(super) const INVOKED_BY: usize = 6;
    pub(super) const SOURCE_IDENTITY: usize = 7;
    pub(super) const ISSUER: usize = 8;
    pub(super) const MADE: usize = 9;
    pub(super) const COUNT: usize = 10;
}

type Found = Spans<{ slot::COUNT }>;

/// Reads a `userIdentity` element that is all of the text.
pub(crate) fn identity(raw: &str) -> Option<Identity<'_>> {
    let mut cursor = Cursor::new(raw.as_bytes());
    let mut found = Spans::none();
    let mut has_session = false;
    cursor.object(|cursor, name, first| {
        let slot = match name {
            b"type" => slot::KIND,
            b"principalId" => slot::PRINCIPAL,
            b"arn" => slot::ARN,
            b"accountId" => slot::ACCOUNT,
            b"accessKeyId" => slot::KEY,
            b"userName" => slot::USER,
            b"invokedBy" => slot::INVOKED_BY,
            b"sessionContext" => {
                let is_first = !std::mem::replace(&mut has_session, true);
                return session(cursor, &mut found).filter(|()| is_first);
            }
            _ => return cursor.value(0),
        };
        found.put(slot, cursor.span(first)?)
    })?;
    let text = |slot: usize| found.text(slot, raw);
    (cursor.at == raw.len()).then_some(())?;
    Some(Identity {
        kind: text(slot::KIND)?,
        principal_id: text(slot::PRINCIPAL)?,
        arn: text(slot::ARN)?,
        account_id: text(slot::ACCOUNT)?,
        access_key_id: text(slot::KEY)?,
        user_name: text(slot::USER)?,
        invoked_by: text(slot::INVOKED_BY)?,
        session_context: None,
        session: SessionContext {
            attributes: Some(SessionAttributes {
                creation_date: text(slot::MADE)?,
            }),
            session_issuer: Some(SessionIssuer {
                arn: text(slot::ISSUER)?,
            }),
            source_identity: text(slot::SOURCE_IDENTITY)?,
        },
    })
}

/// Reads the `sessionContext` that the position is on.
fn session(cursor: &mut Cursor<'_>, found: &mut Found) -> Option<()> {
    let (mut has_attributes, mut has_issuer) = (false, false);
    cursor.object(|cursor, name, first| match name {
        b"sourceIdentity" => found.put(slot::SOURCE_IDENTITY, cursor.span(first)?),
        b"attributes" => {
            let is_first = !std::mem::replace(&mut has_attributes, true);
            one(cursor, b"creationDate", slot::MADE, found).filter(|()| is_first)
        }
        b"sessionIssuer" => {
            let is_first = !std::mem::replace(&mut has_issuer, true);
            one(cursor, b"arn", slot::ISSUER, found).filter(|()| is_first)
        }
        _ => cursor.value(0),
    })
}

/// Reads the one value that is wanted of an object.
fn one(cursor: &mut Cursor<'_>, wanted: &[u8], slot: usize, found: &mut Found) -> Option<()> {
    cursor.object(|cursor, name, first| {
        if name == wanted {
            found.put(slot, cursor.span(first)?)
        } else {
            cursor.value(0)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a strict parser makes of the same text must be the same.
    fn agrees(text: &str) {
        let Some(scanned) = identity(text) else {
            return;
        };
        let parsed: Identity<'_> = serde_json::from_str(text).expect("what is scanned parses");
        let fields = |one: &Identity<'_>| {
            let session = one.session();
            let issuer = session.session_issuer.unwrap_or_default().arn;
            let made = session.attributes.unwrap_or_default().creation_date;
            let texts = [
                &one.kind,
                &one.principal_id,
                &one.arn,
                &one.account_id,
                &one.access_key_id,
                &one.user_name,
                &one.invoked_by,
                &session.source_identity,
                &issuer,
                &made,
            ];
            texts.map(|text| format!("{text:?}"))
        };
        assert_eq!(fields(&parsed), fields(&scanned), "{text}");
    }

    #[test]
    fn elements_are_read_whole() {
        let text = r#"{"type":"AssumedRole","arn":"arn:\u0061","accountId":111122223333,"userName":null,"sessionContext":{"sessionIssuer":{"type":"Role","arn":"r"},"attributes":{"mfaAuthenticated":"false","creationDate":"2023-07-10T14:40:00Z"},"webIdFederationData":{},"sourceIdentity":"me"}}"#;
        let one = identity(text).expect("an element");
        assert_eq!((one.kind.get(), one.arn.get()), ("AssumedRole", "arn:a"));
        assert_eq!(one.account_id.get(), "111122223333");
        let session = one.session();
        let attributes = session.attributes.expect("attributes");
        assert_eq!(attributes.creation_date.get(), "2023-07-10T14:40:00Z");
        assert_eq!(session.session_issuer.expect("an issuer").arn.get(), "r");
        assert_eq!(session.source_identity.get(), "me");
        agrees(text);
    }

    #[test]
    fn what_is_odd_is_left_to_others() {
        for text in [
            "[]",
            "{} {}",
            r#"{"arn":"a","arn":"b"}"#,
            r#"{"sessionContext":"none"}"#,
            r#"{"sessionContext":{},"sessionContext":{}}"#,
            r#"{"sessionContext":{"attributes":"none"}}"#,
            r#"{"sessionContext":{"attributes":{},"attributes":{}}}"#,
            r#"{"sessionContext":{"sessionIssuer":null}}"#,
        ] {
            assert!(identity(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_more_lenient_than_the_strict_parser(
            text in "\\{(\"(type|arn|sessionContext|x)\" ?: ?(\"[a\\\\\"é]{0,5}\"|1|true|null|\\{(\"(attributes|sessionIssuer|sourceIdentity)\":(\"a\"|1|null|[{}]|\\{(\"(arn|creationDate|y)\":(\"a\"|null|2))?\\}),?){0,2}\\})[, ]{0,2}){0,4}\\}"
        ) {
            agrees(&text);
        }
    }
}
