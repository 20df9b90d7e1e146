//! One question and its answer.

use std::collections::BTreeMap;

use crate::arn::{Arn, is_account};
use crate::ask::Ask;
use crate::context::Context;
use crate::parse::{self, Shape};
use crate::policy::Policy;
use crate::principal::{Caller, Kind};
use crate::verdict::{Answer, Cited, Doubt, Layer, Verdict};
use crate::world::{Identity, World};

/// What is known of a session, beside its ARN.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// The policies passed when it was made: names and JSON texts. None: nothing narrows it.
    pub policies: Vec<(String, String)>,
    /// The tags passed when it was made; `None`: not known.
    pub tags: Option<BTreeMap<String, String>>,
}

/// May the principal do this?
#[derive(Debug, Clone)]
pub struct Query<'a> {
    /// The ARN of a user, a role (a session of it with any name), a session, or an account's root.
    pub principal: &'a str,
    /// Of a session; [`Session::default`] otherwise.
    pub session: &'a Session,
    /// `service:Name`, without wildcards.
    pub action: &'a str,
    /// The ARN, without wildcards; `*` where the action takes no resource.
    pub resource: &'a str,
    /// The account that owns the resource, where its ARN does not tell (buckets).
    pub resource_account: Option<&'a str>,
    /// What is known of the request.
    pub context: &'a Context,
}

/// A question that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The principal is not an ARN of a user, role, session or root.
    #[error("{0:?} is not the ARN of a principal")]
    Principal(String),
    /// The action is not `service:Name`, or has wildcards.
    #[error("{0:?} is not the name of an action")]
    Action(String),
    /// The resource is neither an ARN nor `*`.
    #[error("{0:?} is neither the ARN of a resource nor *")]
    Resource(String),
    /// The account has not twelve digits.
    #[error("{0:?} is not an account")]
    Account(String),
}

/// Who asks, with all that is known, for many questions.
pub(crate) struct Asker<'w> {
    pub(crate) caller: Caller,
    identity: Option<&'w Identity>,
    session: Vec<Policy>,
}

impl World {
    /// Decides one question.
    pub fn decide(&self, query: &Query<'_>) -> Result<Answer, QueryError> {
        let asker = self.asker(query.principal, query.session)?;
        let action = action(query.action)?;
        if query.resource != "*"
            && (Arn::parse(query.resource).is_none() || query.resource.contains(['*', '?']))
        {
            return Err(QueryError::Resource(query.resource.to_owned()));
        }
        if let Some(account) = query.resource_account
            && !is_account(account)
        {
            return Err(QueryError::Account(account.to_owned()));
        }
        Ok(self.ask(
            &asker,
            &action,
            query.resource,
            query.resource_account,
            query.context,
        ))
    }

    pub(crate) fn asker(&self, arn: &str, session: &Session) -> Result<Asker<'_>, QueryError> {
        let caller = Caller::parse(arn).ok_or_else(|| QueryError::Principal(arn.to_owned()))?;
        let (mut caller, identity) = self.know(caller);
        caller.session_tags = session.tags.as_ref().map(|tags| {
            let lower = |(k, v): (&String, &String)| (k.to_ascii_lowercase(), v.clone());
            tags.iter().map(lower).collect()
        });
        let read = |(name, text): &(String, String)| {
            parse::policy_text(name.clone(), text, Shape::Identity)
        };
        Ok(Asker {
            caller,
            identity,
            session: session.policies.iter().map(read).collect(),
        })
    }

    /// `action` in lower case; all is checked.
    pub(crate) fn ask(
        &self,
        asker: &Asker<'_>,
        action: &str,
        resource: &str,
        resource_account: Option<&str>,
        context: &Context,
    ) -> Answer {
        let caller = &asker.caller;
        if caller.kind == Kind::Root && action == "sts:assumerole" {
            return root_assumes_nothing(caller);
        }
        let stated = Arn::parse(resource).map(|arn| arn.account);
        let owner = match (resource, stated) {
            ("*", _) => Some(caller.account.as_str()),
            (_, Some(account)) if is_account(account) => Some(account),
            _ => resource_account,
        };
        let ask = |owner| Ask {
            caller,
            action,
            resource,
            resource_account: owner,
            context,
        };
        let answer = |same: bool| {
            let layers = self.layers(&ask(owner), asker.identity, &asker.session, same);
            layers.answer()
        };
        match owner {
            Some(owner) => answer(owner == caller.account),
            None => either(answer(true), answer(false), resource),
        }
    }
}

/// The account that owns the resource is not known: decided only if both answers agree.
fn either(same: Answer, other: Answer, resource: &str) -> Answer {
    if std::mem::discriminant(&same.verdict) == std::mem::discriminant(&other.verdict) {
        return same;
    }
    let doubt = Doubt {
        cited: Cited {
            layer: Layer::Resource,
            policy: resource.to_owned(),
            statement: None,
        },
        why: "the account that owns it is not known".to_owned(),
    };
    let mut because = vec![doubt];
    for answer in [&same, &other] {
        if let Verdict::Undecidable { because: more } = &answer.verdict {
            because.extend(more.iter().cloned());
        }
    }
    because.dedup();
    Answer {
        verdict: Verdict::Undecidable { because },
        statements: same.statements,
    }
}

/// STS refuses an account's root user (STS API Reference, "AssumeRole").
fn root_assumes_nothing(caller: &Caller) -> Answer {
    let by = vec![Cited {
        layer: Layer::Identity,
        policy: caller.arn.clone(),
        statement: None,
    }];
    Answer {
        verdict: Verdict::Denied {
            by,
            explicit: false,
        },
        statements: Vec::new(),
    }
}

/// Checks an action's name, and puts it in lower case.
fn action(name: &str) -> Result<String, QueryError> {
    let fault = || QueryError::Action(name.to_owned());
    let (service, verb) = name.split_once(':').ok_or_else(fault)?;
    let plain = |part: &str| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !part.is_empty() && part.bytes().all(fits)
    };
    if plain(service) && plain(verb) {
        Ok(name.to_ascii_lowercase())
    } else {
        Err(fault())
    }
}
