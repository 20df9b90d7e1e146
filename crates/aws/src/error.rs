//! From the SDK's errors to faults: above all, whether anything may have happened.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{DispatchFailure, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use relatch_case::{Fault, FaultKind};

/// What a failed call that changes something means. A lost, late or server-side answer is
/// [`FaultKind::Ambiguous`]; only a definite refusal says that nothing happened.
pub fn fault<E: ProvideErrorMetadata>(error: SdkError<E, HttpResponse>) -> Fault {
    match &error {
        SdkError::ConstructionFailure(_) => Fault::new(
            FaultKind::Invalid,
            "the request could not be made: check region and credentials",
        ),
        SdkError::DispatchFailure(failure) => dispatch(failure),
        SdkError::TimeoutError(_) => Fault::new(FaultKind::Ambiguous, "no answer in time"),
        SdkError::ResponseError(response) => {
            let status = response.raw().status().as_u16();
            let words = format!("HTTP {status}, but the answer was cut or unreadable");
            Fault::new(kind_of_answer(None, status), words)
        }
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let (code, message) = (service.err().code(), service.err().message());
            let words = match code {
                Some(code) => format!("{code}: {}", message.unwrap_or("no reason given")),
                None => format!("HTTP {status}, without a reason that can be read"),
            };
            Fault::new(kind_of_answer(code, status), words)
        }
        _ => Fault::new(FaultKind::Ambiguous, "an unknown failure"),
    }
}

/// What a refusal means, by its code and HTTP status. A server error never says that nothing
/// happened, whatever its code, except for "slow down".
fn kind_of_answer(code: Option<&str>, status: u16) -> FaultKind {
    let kind = code.map_or(FaultKind::Ambiguous, kind_of_code);
    match (kind, status) {
        (FaultKind::Throttled, _) => kind,
        (_, 500..) => FaultKind::Ambiguous,
        // A code of no known name, or none: a proxy on the way, or something new.
        (FaultKind::Ambiguous, 401 | 403) => FaultKind::Denied,
        (FaultKind::Ambiguous, 429) => FaultKind::Throttled,
        _ => kind,
    }
}

/// What a failed read means: a read changes nothing, so what is ambiguous for a change is
/// only "not reached" here.
pub fn fault_of_read<E: ProvideErrorMetadata>(error: SdkError<E, HttpResponse>) -> Fault {
    let fault = fault(error);
    match fault.kind {
        FaultKind::Ambiguous => Fault {
            kind: FaultKind::Unreachable,
            ..fault
        },
        _ => fault,
    }
}

/// What failures say that came before the request was sent: the connection did not come
/// about, for want of a name, a listener, a handshake or time.
const NEVER_SENT: [&str; 2] = ["client error (Connect)", "HTTP connect timeout"];

/// Whether credentials could not be found, the connection was never made, or it broke on the
/// way.
fn dispatch(failure: &DispatchFailure) -> Fault {
    let words = failure
        .as_connector_error()
        .map_or_else(String::new, |error| chain(error));
    if failure.is_other() && words.contains("credential") {
        return Fault::new(FaultKind::Denied, format!("no credentials: {words}"));
    }
    let never_sent = NEVER_SENT.iter().any(|sign| words.contains(sign));
    let kind = if never_sent {
        FaultKind::Unreachable
    } else {
        FaultKind::Ambiguous
    };
    Fault::new(kind, words)
}

/// The kind of a service's error code. Codes are AWS's own; the list is of those that the
/// calls in this crate can meet. An unknown code of a client error is `Invalid` only if it
/// says so by its name; all else is taken as the worse case.
pub fn kind_of_code(code: &str) -> FaultKind {
    // Query services end some codes with their XML shape's name, JSON services prefix a namespace.
    let code = code.rsplit('#').next().unwrap_or(code);
    let has = |words: &[&str]| words.iter().any(|word| code.contains(word));
    match code {
        "LimitExceeded" | "LimitExceededException" => FaultKind::SlotsFull,
        "RequestTimeout" | "RequestTimeoutException" => FaultKind::Ambiguous,
        _ if has(&[
            "Throttl",
            "TooManyRequests",
            "RequestLimitExceeded",
            "SlowDown",
            "PriorRequestNotComplete",
        ]) =>
        {
            FaultKind::Throttled
        }
        _ if has(&[
            "AccessDenied",
            "UnauthorizedOperation",
            "NotAuthorized",
            "InvalidClientTokenId",
            "UnrecognizedClient",
            "ExpiredToken",
            "SignatureDoesNotMatch",
            "InvalidSignature",
            "RequestExpired",
            "RequestTimeTooSkewed",
            "OptInRequired",
            "AuthFailure",
            "InvalidAccessKeyId",
            "IncompleteSignature",
        ]) =>
        {
            FaultKind::Denied
        }
        _ if has(&[
            "NoSuchEntity",
            "NotFound",
            "NoSuchBucket",
            "NoSuchKey",
            "PolicyNotAttached",
            "TargetNotFound",
        ]) =>
        {
            FaultKind::NotFound
        }
        _ if has(&[
            "PreconditionFailed",
            "ResourceConflict",
            "Conflict",
            "ConcurrentModification",
            "EntityAlreadyExists",
            "DuplicatePolicy",
            "ResourceExists",
            "EntityTemporarilyUnmodifiable",
            "PolicyInUse",
            "PolicyChangesInProgress",
        ]) =>
        {
            FaultKind::Conflict
        }
        _ if has(&[
            "Validation",
            "InvalidParameter",
            "InvalidRequest",
            "InvalidInput",
            "Malformed",
            "InvalidArgument",
            "MissingParameter",
            "ConstraintViolation",
            "InvalidKeyId",
            "UnsupportedParameter",
            "PolicyNotAttachable",
            "DecryptionFailure",
            "EncryptionFailure",
            "PolicyTypeNotEnabled",
            "PolicyTypeNotAvailable",
            "OrganizationsNotInUse",
            "UnsupportedAPIEndpoint",
        ]) =>
        {
            FaultKind::Invalid
        }
        _ => FaultKind::Ambiguous,
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_whether_anything_happened() {
        for (code, kind) in [
            ("AccessDenied", FaultKind::Denied),
            ("AccessDeniedException", FaultKind::Denied),
            ("InvalidClientTokenId", FaultKind::Denied),
            ("NoSuchEntity", FaultKind::NotFound),
            ("ParameterNotFound", FaultKind::NotFound),
            ("LimitExceeded", FaultKind::SlotsFull),
            ("ThrottlingException", FaultKind::Throttled),
            ("TooManyRequestsException", FaultKind::Throttled),
            ("PreconditionFailedException", FaultKind::Conflict),
            ("ValidationException", FaultKind::Invalid),
            ("com.amazonaws#InvalidRequestException", FaultKind::Invalid),
            ("InternalFailure", FaultKind::Ambiguous),
            ("ServiceUnavailable", FaultKind::Ambiguous),
            ("SomethingNew", FaultKind::Ambiguous),
            ("PolicyTypeNotEnabledException", FaultKind::Invalid),
            ("PolicyInUseException", FaultKind::Conflict),
        ] {
            assert_eq!(kind_of_code(code), kind, "{code}");
        }
    }

    #[test]
    fn the_status_counts_where_the_code_says_too_little_or_too_much() {
        for (code, status, kind) in [
            (Some("AccessDenied"), 500, FaultKind::Ambiguous),
            (Some("LimitExceeded"), 503, FaultKind::Ambiguous),
            (Some("SlowDown"), 503, FaultKind::Throttled),
            (Some("SomethingNew"), 400, FaultKind::Ambiguous),
            (Some("SomethingNew"), 403, FaultKind::Denied),
            (None, 403, FaultKind::Denied),
            (None, 429, FaultKind::Throttled),
            (None, 200, FaultKind::Ambiguous),
            (None, 404, FaultKind::Ambiguous),
        ] {
            assert_eq!(kind_of_answer(code, status), kind, "{code:?} {status}");
        }
    }
}
