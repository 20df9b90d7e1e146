//! One record.

use crate::identity::Caller;
use crate::json::Json;
use crate::random::Dice;
use crate::text::{spoken, time};

/// What was called, and what came of it. Requests and the like are JSON already.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) at: i64,
    /// Without `.amazonaws.com`.
    pub(crate) service: &'static str,
    pub(crate) name: &'static str,
    pub(crate) region: &'static str,
    /// The account that the record is delivered to.
    pub(crate) account: String,
    pub(crate) reads: bool,
    /// Code and message.
    pub(crate) error: Option<(&'static str, String)>,
    pub(crate) request: Option<String>,
    pub(crate) response: Option<String>,
    pub(crate) additional: Option<String>,
    pub(crate) resources: Option<String>,
    pub(crate) shared: Option<String>,
}

impl Call {
    /// A call that reads and that is answered with nothing.
    pub(crate) fn new(
        at: i64,
        service: &'static str,
        name: &'static str,
        region: &'static str,
        account: &str,
    ) -> Self {
        Self {
            at,
            service,
            name,
            region,
            account: account.to_string(),
            reads: true,
            error: None,
            request: None,
            response: None,
            additional: None,
            resources: None,
            shared: None,
        }
    }

    /// The same as a write.
    pub(crate) fn writing(mut self) -> Self {
        self.reads = false;
        self
    }

    /// The same with a request.
    pub(crate) fn asking(mut self, fill: impl FnOnce(&mut Json)) -> Self {
        self.request = Some(Json::object(fill));
        self
    }

    /// The same with an answer.
    pub(crate) fn answered(mut self, fill: impl FnOnce(&mut Json)) -> Self {
        self.response = Some(Json::object(fill));
        self
    }

    /// The same refused, in the words of AWS.
    pub(crate) fn denied(mut self, caller: &Caller) -> Self {
        let code = match self.service {
            "ec2" => "Client.UnauthorizedOperation",
            "iam" | "sts" | "s3" => "AccessDenied",
            _ => "AccessDeniedException",
        };
        let message = format!(
            "User: {} is not authorized to perform: {}:{} because no identity-based policy allows the action",
            caller.arn(),
            self.service,
            self.name
        );
        self.error = Some((code, message));
        self.response = None;
        self
    }

    /// Appends the record to `out`.
    pub(crate) fn write(&self, caller: &Caller, id: &str, out: &mut Json, dice: &mut Dice) {
        let signin = self.service == "signin";
        out.0.push(b'{');
        out.text("eventVersion", "1.11");
        out.raw("userIdentity", &caller.json);
        out.text("eventTime", &time(self.at));
        out.text("eventSource", &format!("{}.amazonaws.com", self.service));
        out.text("eventName", self.name);
        out.text("awsRegion", self.region);
        out.text("sourceIPAddress", &caller.address);
        out.text("userAgent", &caller.agent);
        if let Some((code, message)) = &self.error {
            out.text("errorCode", code);
            out.text("errorMessage", message);
        }
        out.raw(
            "requestParameters",
            self.request.as_deref().unwrap_or("null"),
        );
        out.raw(
            "responseElements",
            self.response.as_deref().unwrap_or("null"),
        );
        if let Some(additional) = &self.additional {
            out.raw("additionalEventData", additional);
        }
        if !signin {
            out.text("requestID", &dice.uuid());
        }
        out.text("eventID", id);
        out.flag("readOnly", self.reads);
        if let Some(resources) = &self.resources {
            out.raw("resources", resources);
        }
        let kind = if signin {
            "AwsConsoleSignIn"
        } else {
            "AwsApiCall"
        };
        out.text("eventType", kind);
        out.flag("managementEvent", true);
        out.text("recipientAccountId", &self.account);
        if let Some(shared) = &self.shared {
            out.text("sharedEventID", shared);
        }
        out.text("eventCategory", "Management");
        if caller.console {
            out.text("sessionCredentialFromConsole", "true");
        } else if !caller.address.ends_with(".amazonaws.com") {
            out.member("tlsDetails", |json| {
                json.text("tlsVersion", "TLSv1.3");
                json.text("cipherSuite", "TLS_AES_128_GCM_SHA256");
                let host = format!("{}.{}.amazonaws.com", self.service, self.region);
                json.text("clientProvidedHostHeader", &host);
            });
        }
        out.0.push(b'}');
    }
}

/// Session credentials in an answer.
pub(crate) fn credentials(json: &mut Json, key: &str, at: i64, life: i64, dice: &mut Dice) {
    json.member("credentials", |json| {
        json.text("accessKeyId", key);
        json.text(
            "sessionToken",
            &format!("IQoJb3JpZ2luX2Vj{}", dice.letters(460)),
        );
        json.text("expiration", &spoken(at + life));
    });
}
