//! Refusals of the gatekeeper, in the wire format of each service, so that the official
//! SDKs report the codes they report against AWS.

use axum::http::{HeaderMap, HeaderValue};
use serde_json::json;
use winterbaume_core::{MockResponse, xml_escape};

use super::service::{Protocol, Service};

/// Why the gatekeeper refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request is not signed.
    MissingToken,
    /// The key is unknown, deleted or inactive.
    UnknownKey,
    /// The signature was made with another secret.
    WrongSignature,
    /// The request is too old or from the future.
    Stale,
    /// The session has expired.
    Expired,
    /// The service is unavailable; nothing was done.
    Unavailable,
    /// Something went wrong after the work was done.
    Lost,
    /// A policy says no; the text is AWS's sentence.
    Denied(String),
    /// The request breaks a limit or a rule that the emulator does not enforce.
    Invalid {
        status: u16,
        code: &'static str,
        message: String,
    },
}

impl Refusal {
    /// The code in this service's vocabulary.
    pub(crate) fn code(&self, service: Service) -> &'static str {
        let protocol = service.protocol();
        let json = matches!(protocol, Protocol::Json | Protocol::RestJson);
        match self {
            Self::MissingToken if json => "MissingAuthenticationTokenException",
            Self::MissingToken if protocol == Protocol::RestXml => "AccessDenied",
            Self::MissingToken => "MissingAuthenticationToken",
            Self::UnknownKey if json => "UnrecognizedClientException",
            Self::UnknownKey if protocol == Protocol::RestXml => "InvalidAccessKeyId",
            Self::UnknownKey => "InvalidClientTokenId",
            Self::WrongSignature if json => "InvalidSignatureException",
            Self::Stale if json => "InvalidSignatureException",
            Self::Stale if protocol == Protocol::RestXml => "RequestTimeTooSkewed",
            Self::WrongSignature | Self::Stale => "SignatureDoesNotMatch",
            Self::Expired if json => "ExpiredTokenException",
            Self::Expired => "ExpiredToken",
            Self::Unavailable => "ServiceUnavailable",
            Self::Lost => "InternalFailure",
            Self::Denied(_) if json => "AccessDeniedException",
            Self::Denied(_) => "AccessDenied",
            Self::Invalid { code, .. } => code,
        }
    }

    /// The sentence that goes with the code.
    pub(crate) fn message(&self, service: Service) -> String {
        match self {
            Self::MissingToken => "Request is missing Authentication Token".to_owned(),
            Self::UnknownKey if service == Service::S3 => {
                "The AWS Access Key Id you provided does not exist in our records.".to_owned()
            }
            Self::UnknownKey => {
                "The security token included in the request is invalid.".to_owned()
            }
            Self::WrongSignature => "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.".to_owned(),
            Self::Stale => "Signature expired: the request time is too far from the server's.".to_owned(),
            Self::Expired => "The security token included in the request is expired".to_owned(),
            Self::Unavailable => "Service is unavailable.".to_owned(),
            Self::Lost => "An internal error occurred.".to_owned(),
            Self::Denied(text) => text.clone(),
            Self::Invalid { message, .. } => message.clone(),
        }
    }

    fn status(&self, service: Service) -> u16 {
        match self {
            Self::Invalid { status, .. } => *status,
            Self::Unavailable => 503,
            Self::Lost => 500,
            _ if service.protocol() == Protocol::Json => 400,
            _ => 403,
        }
    }

    /// The whole answer.
    pub(crate) fn answer(&self, service: Service, request_id: &str) -> MockResponse {
        let (status, code) = (self.status(service), self.code(service));
        let message = self.message(service);
        let mut answer = match service.protocol() {
            Protocol::Query => {
                MockResponse::xml(status, query_error(service, code, &message, request_id))
            }
            Protocol::RestXml => MockResponse::xml(status, s3_error(code, &message, request_id)),
            Protocol::Json => {
                // Secrets Manager and its siblings spell it both ways; SDKs read both.
                let body = json!({"__type": code, "message": message, "Message": message});
                MockResponse::json(status, body.to_string())
            }
            Protocol::RestJson => {
                let body = json!({"message": message, "Message": message});
                MockResponse::rest_json(status, body.to_string())
            }
        };
        name(&mut answer.headers, code);
        answer
    }
}

fn name(headers: &mut HeaderMap, code: &'static str) {
    headers.insert("x-amzn-errortype", HeaderValue::from_static(code));
}

fn query_error(service: Service, code: &str, message: &str, request_id: &str) -> String {
    let namespace = match service {
        Service::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        _ => "https://iam.amazonaws.com/doc/2010-05-08/",
    };
    format!(
        "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
        xml_escape(message)
    )
}

fn s3_error(code: &str, message: &str, request_id: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message>\
         <RequestId>{request_id}</RequestId></Error>",
        xml_escape(message)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_its_own_word_for_a_dead_key() {
        assert_eq!(
            Refusal::UnknownKey.code(Service::Sts),
            "InvalidClientTokenId"
        );
        assert_eq!(
            Refusal::UnknownKey.code(Service::Iam),
            "InvalidClientTokenId"
        );
        assert_eq!(Refusal::UnknownKey.code(Service::S3), "InvalidAccessKeyId");
        assert_eq!(
            Refusal::UnknownKey.code(Service::Ssm),
            "UnrecognizedClientException"
        );
        assert_eq!(
            Refusal::UnknownKey.code(Service::Lambda),
            "UnrecognizedClientException"
        );
    }

    #[test]
    fn messages_are_escaped_in_xml() {
        let answer = Refusal::Denied("<a>".to_owned()).answer(Service::Sts, "r");
        assert!(String::from_utf8_lossy(&answer.body).contains("&lt;a&gt;"));
        assert_eq!(answer.status, 403);
    }
}
