//! Who calls: the `userIdentity` of a record, made once a session.

use crate::json::Json;
use crate::random::Dice;
use crate::text::time;

/// The platform whose tokens builds have.
const BUILDS: &str = "arn:aws:iam::111122223333:oidc-provider/builds.example.com";

/// The kinds of callers.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    /// A user of IAM.
    User { name: String, id: String },
    /// A session of a role.
    Role {
        name: String,
        id: String,
        session: String,
    },
    /// A session of `GetFederationToken`.
    Federated {
        name: String,
        by: String,
        by_id: String,
    },
    /// Somebody of another account: no more is told than an id.
    Foreign { principal: String },
    /// A build with a token of the platform that it runs on.
    Web { subject: String },
    /// An AWS service in its own name.
    Service { host: String },
}

/// A caller with one credential, at one place, with one client.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) who: Who,
    pub(crate) account: String,
    /// Empty where a record shows none.
    pub(crate) key: String,
    /// When the session was made; a long-lived key has none.
    pub(crate) made: Option<i64>,
    pub(crate) mfa: bool,
    pub(crate) console: bool,
    pub(crate) on_behalf: Option<String>,
    pub(crate) address: String,
    pub(crate) agent: String,
    /// The finished `userIdentity`.
    pub(crate) json: String,
}

impl Caller {
    /// A caller; `made` is none for a long-lived key.
    pub(crate) fn new(who: Who, account: &str, key: &str, made: Option<i64>) -> Self {
        let mut caller = Self {
            who,
            account: account.to_string(),
            key: key.to_string(),
            made,
            mfa: false,
            console: false,
            on_behalf: None,
            address: String::new(),
            agent: String::new(),
            json: String::new(),
        };
        caller.json = caller.identity();
        caller
    }

    /// The same at a place, with a client.
    pub(crate) fn at(mut self, address: &str, agent: &str) -> Self {
        self.address = address.to_string();
        self.agent = agent.to_string();
        self
    }

    /// The same with a second factor.
    pub(crate) fn with_mfa(mut self) -> Self {
        self.mfa = true;
        self.json = self.identity();
        self
    }

    /// A service of AWS in its own name.
    pub(crate) fn service(host: &str) -> Self {
        Self::new(
            Who::Service {
                host: host.to_string(),
            },
            "",
            "",
            None,
        )
        .at(host, host)
    }

    /// The same caller behind the web console: a fresh key that nothing announces.
    pub(crate) fn in_console(&self, made: i64, agent: &str, dice: &mut Dice) -> Self {
        let mut caller = self.clone();
        caller.key = dice.id("ASIA");
        caller.made = Some(made);
        caller.console = true;
        caller.agent = agent.to_string();
        caller.json = caller.identity();
        caller
    }

    /// A service that acts for this caller: a fresh key, and the service's own address.
    pub(crate) fn through(&self, host: &str, at: i64, dice: &mut Dice) -> Self {
        let mut caller = self.clone();
        caller.key = dice.id("ASIA");
        caller.made = Some(self.made.unwrap_or(at));
        caller.on_behalf = Some(host.to_string());
        caller.console = false;
        caller.json = caller.identity();
        caller.at(host, host)
    }

    /// Its ARN; empty for services and strangers.
    pub(crate) fn arn(&self) -> String {
        let account = &self.account;
        match &self.who {
            Who::User { name, .. } => format!("arn:aws:iam::{account}:user/{name}"),
            Who::Role { name, session, .. } => {
                format!("arn:aws:sts::{account}:assumed-role/{name}/{session}")
            }
            Who::Federated { name, .. } => {
                format!("arn:aws:sts::{account}:federated-user/{name}")
            }
            Who::Foreign { .. } | Who::Web { .. } | Who::Service { .. } => String::new(),
        }
    }

    fn principal(&self) -> String {
        match &self.who {
            Who::User { id, .. } => id.clone(),
            Who::Role { id, session, .. } => format!("{id}:{session}"),
            Who::Federated { name, .. } => format!("{}:{name}", self.account),
            Who::Foreign { principal } => principal.clone(),
            Who::Web { subject } => format!("{BUILDS}:sts.amazonaws.com:{subject}"),
            Who::Service { .. } => String::new(),
        }
    }

    fn kind(&self) -> &'static str {
        match self.who {
            Who::User { .. } => "IAMUser",
            Who::Role { .. } => "AssumedRole",
            Who::Federated { .. } => "FederatedUser",
            Who::Foreign { .. } => "AWSAccount",
            Who::Web { .. } => "WebIdentityUser",
            Who::Service { .. } => "AWSService",
        }
    }

    fn identity(&self) -> String {
        Json::object(|json| {
            json.text("type", self.kind());
            if let Who::Service { host } = &self.who {
                return json.text("invokedBy", host);
            }
            json.text("principalId", &self.principal());
            if let Who::Web { subject } = &self.who {
                json.text("userName", subject);
                return json.text("identityProvider", BUILDS);
            }
            if !matches!(self.who, Who::Foreign { .. }) {
                json.text("arn", &self.arn());
            }
            json.text("accountId", &self.account);
            if !self.key.is_empty() {
                json.text("accessKeyId", &self.key);
            }
            if let Who::User { name, .. } = &self.who {
                json.text("userName", name);
            }
            if let Some(made) = self.made {
                json.member("sessionContext", |json| self.session(json, made));
            }
            if let Some(host) = &self.on_behalf {
                json.text("invokedBy", host);
            }
        })
    }

    fn session(&self, json: &mut Json, made: i64) {
        json.member("sessionIssuer", |json| match &self.who {
            Who::Role { name, id, .. } => {
                json.text("type", "Role");
                json.text("principalId", id);
                json.text("arn", &format!("arn:aws:iam::{}:role/{name}", self.account));
                json.text("accountId", &self.account);
                json.text("userName", name);
            }
            Who::Federated { by, by_id, .. } => {
                json.text("type", "IAMUser");
                json.text("principalId", by_id);
                json.text("arn", &format!("arn:aws:iam::{}:user/{by}", self.account));
                json.text("accountId", &self.account);
                json.text("userName", by);
            }
            _ => {}
        });
        json.member("webIdFederationData", |_| {});
        json.member("attributes", |json| {
            json.text("creationDate", &time(made));
            json.text("mfaAuthenticated", if self.mfa { "true" } else { "false" });
        });
    }
}
