//! Turns a parsed record into a row of the log.

use sha2::{Digest, Sha256};

use crate::facts;
use crate::log::{EventId, Flags, IdentityKind, Row, Sym, Texts, join_id};
use crate::record::{Identity, Record, parse_time};

/// Builds the row of a record. `bytes` are the record's own; they stand in for a missing id.
pub(crate) fn row(record: &Record<'_>, bytes: &[u8], texts: &mut Texts) -> Row {
    let identity = record.identity();
    let session = identity.session();
    let arn = texts.put(identity.arn.get());
    let issuer = session
        .session_issuer
        .as_ref()
        .map(|issuer| issuer.arn.get())
        .unwrap_or_default();
    let made = session
        .attributes
        .as_ref()
        .and_then(|attributes| parse_time(attributes.creation_date.get()))
        .unwrap_or_default();
    Row {
        id: event_id(record, bytes, texts),
        shared: join_id(record.shared_event_id.get()),
        time: record.time(),
        made: made.div_euclid(1000),
        kind: identity_kind(&identity),
        arn,
        principal: texts.put(identity.principal_id.get()),
        user: texts.put(user_name(&identity)),
        account: texts.put(account(&identity)),
        recipient: texts.put(record.recipient_account_id.get()),
        key: texts.put(identity.access_key_id.get()),
        issuer: texts.put(issuer),
        source_identity: texts.put(session.source_identity.get()),
        invoked_by: texts.put(invoked_by(record, &identity)),
        address: texts.put(record.source_address.get()),
        agent: texts.put(record.user_agent.get()),
        source: texts.put(record.event_source.get()),
        name: texts.put(record.event_name.get()),
        region: texts.put(record.aws_region.get()),
        error: texts.put(error(record)),
        flags: flags(record),
        facts: facts::facts(record, texts),
    }
}

fn event_id(record: &Record<'_>, bytes: &[u8], texts: &mut Texts) -> EventId {
    match record.event_id.get() {
        "" => {
            let hash = hex::encode(Sha256::digest(bytes));
            EventId::Other(texts.put(&format!("no-id-{}", &hash[..32])))
        }
        id => EventId::new(id, texts),
    }
}

fn identity_kind(identity: &Identity<'_>) -> IdentityKind {
    match identity.kind.get() {
        "IAMUser" => IdentityKind::User,
        "AssumedRole" | "FederatedUser" => IdentityKind::Session,
        "Root" => IdentityKind::Root,
        "AWSService" => IdentityKind::Service,
        "" if identity.arn.get().contains(":assumed-role/") => IdentityKind::Session,
        "" if identity.arn.get().contains(":user/") => IdentityKind::User,
        "" if !identity.invoked_by.get().is_empty() => IdentityKind::Service,
        _ => IdentityKind::Other,
    }
}

/// The plain user name, from the field or the last part of the ARN.
fn user_name<'t>(identity: &'t Identity<'_>) -> &'t str {
    let named = identity.user_name.get();
    let arn = identity.arn.get();
    if named.is_empty() && arn.contains(":user/") {
        arn.rsplit('/').next().unwrap_or_default()
    } else {
        named
    }
}

fn account<'t>(identity: &'t Identity<'_>) -> &'t str {
    let named = identity.account_id.get();
    if named.is_empty() {
        identity.arn.get().split(':').nth(4).unwrap_or_default()
    } else {
        named
    }
}

/// Who called on the identity's behalf: told by `invokedBy`, or by an address that is a service.
fn invoked_by<'t>(record: &'t Record<'_>, identity: &'t Identity<'_>) -> &'t str {
    let named = identity.invoked_by.get();
    let address = record.source_address.get();
    if named.is_empty() && (address.ends_with(".amazonaws.com") || address == "AWS Internal") {
        address
    } else {
        named
    }
}

/// The error code; a failed console login and a bare error message count as errors too.
fn error<'t>(record: &'t Record<'_>) -> &'t str {
    match (record.error_code.get(), record.error_message.get()) {
        ("", "") if record.event_name.get() == "ConsoleLogin" => {
            let failed = record
                .response_elements
                .is_some_and(|raw| raw.get().contains("Failure"));
            if failed { "Failure" } else { "" }
        }
        ("", "") => "",
        ("", _) => "Failure",
        (code, _) => code,
    }
}

fn flags(record: &Record<'_>) -> Flags {
    let bearer = record
        .additional_event_data
        .is_some_and(|raw| raw.get().contains("callWithBearerToken"))
        || record
            .request_parameters
            .is_some_and(|raw| raw.get().contains("callWithBearerToken"));
    Flags {
        read_only: record.read_only.get() == "true",
        data: record.event_category.get() == "Data"
            || record.management_event.get() == "false"
            || is_object_call(record),
        bearer,
        insight: record.event_category.get() == "Insight",
    }
}

/// Old records do not tell their category; calls on single objects are always data events.
fn is_object_call(record: &Record<'_>) -> bool {
    record.event_source.get() == "s3.amazonaws.com"
        && matches!(
            record.event_name.get(),
            "GetObject"
                | "PutObject"
                | "DeleteObject"
                | "HeadObject"
                | "ListObjects"
                | "ListObjectsV2"
                | "CopyObject"
                | "DeleteObjects"
        )
}

/// Whether a text is an address a caller could have, not the name of a service.
pub(crate) fn is_caller_address(texts: &Texts, address: Sym) -> bool {
    let text = texts.get(address);
    !text.is_empty() && !text.ends_with(".amazonaws.com") && text != "AWS Internal"
}
