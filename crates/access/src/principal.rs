//! Who asks, and whether a `Principal` element means them.
//!
//! Facts: IAM User Guide, "AWS JSON policy elements: Principal" and "… NotPrincipal".

use std::collections::BTreeMap;

use crate::arn::{Arn, is_account, last};
use crate::truth::Truth;

/// What kind of principal asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    /// A session of a role; a role's own ARN is read as a session of unknown name.
    Session,
    Root,
    /// Anything else with an account, such as a federated user.
    Other,
}

/// The principal of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) arn: String,
    pub(crate) kind: Kind,
    pub(crate) account: String,
    /// The user's or the role's name, without its path.
    pub(crate) name: String,
    /// The user's or the role's ARN; of a session only once the role was found.
    pub(crate) identity_arn: Option<String>,
    /// The unique id (`AIDA…`, `AROA…`).
    pub(crate) id: Option<String>,
    pub(crate) session_name: Option<String>,
    /// The identity's tags; `None`: not known.
    pub(crate) tags: Option<BTreeMap<String, String>>,
    /// The session's tags; `None`: not known.
    pub(crate) session_tags: Option<BTreeMap<String, String>>,
}

impl Caller {
    /// `None`: not the ARN of a principal with an account.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let arn = Arn::parse(text)?;
        if !is_account(arn.account) || text.contains(['*', '?']) {
            return None;
        }
        let (kind, name, session_name) = match (arn.service, arn.resource.split_once('/')) {
            ("iam", None) if arn.resource == "root" => (Kind::Root, "root", None),
            ("iam", Some(("user", path))) => (Kind::User, last(path), None),
            ("iam", Some(("role", path))) => (Kind::Session, last(path), None),
            ("sts", Some(("assumed-role", rest))) => {
                let (role, session) = rest.split_once('/')?;
                (Kind::Session, role, Some(session.to_owned()))
            }
            ("sts" | "iam", Some((_, path))) => (Kind::Other, last(path), None),
            _ => return None,
        };
        let names_identity = arn.service == "iam" && kind != Kind::Other;
        Some(Self {
            arn: text.to_owned(),
            kind,
            account: arn.account.to_owned(),
            name: name.to_owned(),
            identity_arn: names_identity.then(|| text.to_owned()),
            id: None,
            session_name,
            tags: None,
            session_tags: None,
        })
    }

    /// Service-linked roles are outside the organization's policies.
    pub(crate) fn is_service_linked(&self) -> bool {
        self.kind == Kind::Session
            && self
                .identity_arn
                .as_ref()
                .is_some_and(|arn| arn.contains(":role/aws-service-role/"))
    }
}

/// How a statement names the principal; each form grants something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named {
    /// The user or the session itself.
    pub(crate) direct: Truth,
    /// The role that the session is of.
    pub(crate) role: Truth,
    /// The account: a delegation to its identity policies.
    pub(crate) account: Truth,
    /// Everyone.
    pub(crate) everyone: Truth,
}

impl Named {
    pub(crate) const NOT: Self = Self {
        direct: Truth::No,
        role: Truth::No,
        account: Truth::No,
        everyone: Truth::No,
    };

    pub(crate) fn at_all(self) -> Truth {
        Truth::any([self.direct, self.role, self.account, self.everyone])
    }

    /// Each form, but only as far as `also` holds.
    pub(crate) fn and(self, also: Truth) -> Self {
        Self {
            direct: self.direct.and(also),
            role: self.role.and(also),
            account: self.account.and(also),
            everyone: self.everyone.and(also),
        }
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            direct: self.direct.or(other.direct),
            role: self.role.or(other.role),
            account: self.account.or(other.account),
            everyone: self.everyone.or(other.everyone),
        }
    }

    fn everyone(truth: Truth) -> Self {
        Self {
            everyone: truth,
            ..Self::NOT
        }
    }
}

/// A `Principal` or `NotPrincipal` element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Principals {
    pub(crate) aws: Vec<String>,
    /// S3's ids of accounts, which nothing here translates.
    pub(crate) canonical: bool,
}

impl Principals {
    pub(crate) fn name(&self, caller: &Caller) -> Named {
        let canonical = Named {
            account: if self.canonical {
                Truth::Maybe
            } else {
                Truth::No
            },
            ..Named::NOT
        };
        self.aws
            .iter()
            .map(|text| one(text, caller))
            .fold(canonical, Named::or)
    }

    /// Whom a `NotPrincipal` leaves: by the guide a denial spares a session only if it lists
    /// the session, the role and the account, so what lists a part is not decided.
    pub(crate) fn spare(&self, caller: &Caller, denies: bool) -> Named {
        let listed = self.name(caller);
        let left = match listed.at_all() {
            Truth::No => Truth::Yes,
            Truth::Yes if !denies || listed.everyone == Truth::Yes => Truth::No,
            Truth::Yes if listed.direct == Truth::Yes && listed.account == Truth::Yes => Truth::No,
            Truth::Yes | Truth::Maybe => Truth::Maybe,
        };
        Named::everyone(left)
    }
}

fn one(text: &str, caller: &Caller) -> Named {
    if text == "*" {
        return Named::everyone(Truth::Yes);
    }
    if is_account(text) {
        return account(text == caller.account, caller);
    }
    let Some(arn) = Arn::parse(text) else {
        return unique_id(text, caller);
    };
    if arn.resource == "root" && arn.service == "iam" {
        return account(arn.account == caller.account, caller);
    }
    if text == caller.arn && caller.session_name.is_some() || is_identity(text, caller) {
        return itself(caller, Truth::Yes, arn.service == "sts");
    }
    if could_be(text, &arn, caller) {
        return itself(caller, Truth::Maybe, arn.service == "sts");
    }
    Named::NOT
}

fn is_identity(text: &str, caller: &Caller) -> bool {
    caller.identity_arn.as_deref() == Some(text)
        || (caller.kind == Kind::Other && caller.arn == text)
}

/// A session whose name is not known, a role whose path is not known, or a name with
/// wildcards, which the guide does not allow and services refuse.
fn could_be(text: &str, arn: &Arn<'_>, caller: &Caller) -> bool {
    if text.contains(['*', '?']) {
        return arn.account == caller.account || arn.account.contains(['*', '?']);
    }
    if arn.account != caller.account {
        return false;
    }
    if caller.kind != Kind::Session {
        return false;
    }
    match arn.resource.split_once('/') {
        Some(("assumed-role", rest)) => {
            let of = rest.split('/').next();
            caller.session_name.is_none() && of == Some(caller.name.as_str())
        }
        Some(("role", path)) => caller.identity_arn.is_none() && last(path) == caller.name,
        _ => false,
    }
}

fn account(same: bool, caller: &Caller) -> Named {
    let same = Truth::from(same);
    let direct = if caller.kind == Kind::Root {
        same
    } else {
        Truth::No
    };
    Named {
        account: same,
        direct,
        ..Named::NOT
    }
}

/// Policies show the unique id once the identity was deleted; an id may also be written.
fn unique_id(text: &str, caller: &Caller) -> Named {
    let truth = match &caller.id {
        Some(id) => Truth::from(id == text),
        None => Truth::Maybe,
    };
    itself(caller, truth, false)
}

fn itself(caller: &Caller, truth: Truth, session: bool) -> Named {
    if caller.kind == Kind::Session && !session {
        return Named {
            role: truth,
            ..Named::NOT
        };
    }
    Named {
        direct: truth,
        ..Named::NOT
    }
}
