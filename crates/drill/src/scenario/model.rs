//! The shape of a scenario.

use std::fmt;

use serde::Serialize;

/// Who mints and kills a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IssuerKind {
    /// A service-account key of OpenAI.
    OpenAi,
    /// A workspace key of Anthropic.
    Anthropic,
    /// A static key of the self-hosted endpoint.
    Custom,
    /// An access key of an IAM user.
    AwsIam,
}

/// The kind of container a copy lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Store {
    /// A secret of Secrets Manager.
    SecretsManager,
    /// A SecureString of Parameter Store.
    ParameterStore,
    /// The environment of a function, served by its alias `live`.
    Lambda,
    /// A file below the range's directory of files.
    File,
}

/// One place: a container and the field in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The kind of container.
    pub store: Store,
    /// The region; empty for files.
    pub region: &'static str,
    /// Secret name, parameter name, function name, or path of a file.
    pub container: &'static str,
    /// Member, variable or key; empty when the container holds the bare value. Access keys
    /// take two fields: this prefix with `AWS_ACCESS_KEY_ID` and with `AWS_SECRET_ACCESS_KEY`.
    pub field: &'static str,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = match self.store {
            Store::SecretsManager => "secretsmanager",
            Store::ParameterStore => "ssm",
            Store::Lambda => "lambda",
            Store::File => "file",
        };
        write!(
            f,
            "{store}:{}:{}#{}",
            self.region, self.container, self.field
        )
    }
}

impl Place {
    /// Whether both lie in one container.
    pub fn shares_container(&self, other: &Self) -> bool {
        (self.store, self.region, self.container) == (other.store, other.region, other.container)
    }

    /// The fields that a credential of this kind takes here.
    pub fn fields(&self, kind: IssuerKind) -> Vec<String> {
        match kind {
            IssuerKind::AwsIam => vec![
                format!("{}AWS_ACCESS_KEY_ID", self.field),
                format!("{}AWS_SECRET_ACCESS_KEY", self.field),
            ],
            _ => vec![self.field.to_owned()],
        }
    }
}

/// A consumer and the index of the place it loads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consumer {
    /// Its name; functions have the function's name.
    pub name: &'static str,
    /// Index into the credential's places.
    pub place: usize,
}

/// One credential of a scenario, before it has a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its name at the issuer.
    pub name: &'static str,
    /// Who mints it.
    pub issuer: IssuerKind,
    /// Project, workspace or IAM user.
    pub group: &'static str,
    /// Where its copies lie.
    pub places: Vec<Place>,
    /// Who uses it.
    pub consumers: Vec<Consumer>,
    /// Whether the issuer says it has no credit left.
    pub out_of_quota: bool,
}

/// A whole scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// Every credential.
    pub credentials: Vec<Credential>,
    /// The IAM user whose access key was stolen; one of the credentials' groups.
    pub stolen_user: &'static str,
    /// The IAM user on which the attacker plants a second access key.
    pub planted_user: &'static str,
    /// The role the attacker goes on to.
    pub role: &'static str,
    /// Containers read with the stolen key, as places with any field.
    pub read_by_key: Vec<Place>,
    /// Containers read by the session of the role.
    pub read_by_role: Vec<Place>,
    /// Parameters of the advanced tier.
    pub advanced: Vec<&'static str>,
}

impl Scenario {
    /// Whether the attacker's first phase reads this place.
    pub fn reads(&self, place: &Place) -> bool {
        self.read_by_key
            .iter()
            .chain(&self.read_by_role)
            .any(|read| read.shares_container(place))
    }
}
