//! The services that the range serves, and how each of them speaks.

/// How a service puts requests and errors on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Form-encoded request, XML answer.
    Query,
    /// JSON with an `x-amz-target` header.
    Json,
    /// Paths and JSON.
    RestJson,
    /// Paths and XML, as S3 does.
    RestXml,
}

/// A service behind the gatekeeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    Iam,
    Sts,
    SecretsManager,
    Ssm,
    Lambda,
    Organizations,
    S3,
    CloudTrail,
}

impl Service {
    /// The service that a credential scope names.
    pub(crate) fn from_scope(name: &str) -> Option<Self> {
        Some(match name {
            "iam" => Self::Iam,
            "sts" => Self::Sts,
            "secretsmanager" => Self::SecretsManager,
            "ssm" => Self::Ssm,
            "lambda" => Self::Lambda,
            "organizations" => Self::Organizations,
            "s3" => Self::S3,
            "cloudtrail" => Self::CloudTrail,
            _ => return None,
        })
    }

    /// The name in scopes, hosts, policies and event sources.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::SecretsManager => "secretsmanager",
            Self::Ssm => "ssm",
            Self::Lambda => "lambda",
            Self::Organizations => "organizations",
            Self::S3 => "s3",
            Self::CloudTrail => "cloudtrail",
        }
    }

    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Iam | Self::Sts => Protocol::Query,
            Self::Lambda => Protocol::RestJson,
            Self::S3 => Protocol::RestXml,
            Self::SecretsManager | Self::Ssm | Self::Organizations | Self::CloudTrail => {
                Protocol::Json
            }
        }
    }

    /// Whether the service has one state for all regions.
    pub(crate) fn is_global(self) -> bool {
        matches!(self, Self::Iam | Self::Organizations | Self::S3 | Self::Sts)
    }
}
