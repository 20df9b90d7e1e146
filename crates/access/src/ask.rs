//! One request, as statements see it.

use crate::arn::Arn;
use crate::context::{Context, Value};
use crate::principal::{Caller, Kind};

/// Who asks for what, and what is known beside.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) caller: &'a Caller,
    /// In lower case.
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    /// The account that owns the resource, where known.
    pub(crate) resource_account: Option<&'a str>,
    pub(crate) context: &'a Context,
}

impl Ask<'_> {
    /// The part of the action before the colon.
    pub(crate) fn service(&self) -> &str {
        self.action.split(':').next().unwrap_or(self.action)
    }

    /// What is known of a key, in lower case: as given, else as it follows from the principal
    /// and the resource (IAM User Guide, "AWS global condition context keys").
    pub(crate) fn value(&self, key: &str) -> Value {
        if let Some(value) = self.context.get(key) {
            return value.clone();
        }
        if let Some(tag) = key.strip_prefix("aws:principaltag/") {
            return self.tag(tag);
        }
        match key {
            "aws:principalarn" => known(self.principal_arn()),
            "aws:principalaccount" | "kms:calleraccount" => known(Some(&self.caller.account)),
            "aws:principaltype" => self.principal_type(),
            "aws:username" => self.user_name(),
            "aws:userid" => self.user_id(),
            "aws:resourceaccount" => known(self.resource_account),
            "aws:requestedregion" => known(self.region()),
            // Requests of people and roles, not of a service.
            "aws:principalisawsservice" => known(Some("false")),
            "aws:principalservicename"
            | "aws:principalservicenameslist"
            | "aws:sourcearn"
            | "aws:sourceaccount"
            | "aws:sourceorgid"
            | "aws:sourceorgpaths" => Value::Absent,
            // Whether a service calls for the principal (`aws:ViaAWSService`, `aws:CalledVia`)
            // is up to whoever asks, so it is not known either.
            _ => Value::Unknown,
        }
    }

    fn principal_arn(&self) -> Option<&str> {
        match self.caller.kind {
            Kind::User | Kind::Session => self.caller.identity_arn.as_deref(),
            Kind::Root | Kind::Other => Some(&self.caller.arn),
        }
    }

    fn principal_type(&self) -> Value {
        known(match self.caller.kind {
            Kind::User => Some("User"),
            Kind::Session => Some("AssumedRole"),
            Kind::Root => Some("Account"),
            Kind::Other => None,
        })
    }

    fn user_name(&self) -> Value {
        match self.caller.kind {
            Kind::User => known(Some(&self.caller.name)),
            Kind::Session | Kind::Root => Value::Absent,
            Kind::Other => Value::Unknown,
        }
    }

    fn user_id(&self) -> Value {
        let id = self.caller.id.as_deref();
        match self.caller.kind {
            Kind::User => known(id),
            Kind::Root => known(Some(&self.caller.account)),
            Kind::Session => match (id, &self.caller.session_name) {
                (Some(id), Some(name)) => known(Some(&format!("{id}:{name}"))),
                _ => Value::Unknown,
            },
            Kind::Other => Value::Unknown,
        }
    }

    /// A session's own tags stand before those of its role.
    fn tag(&self, name: &str) -> Value {
        let find = |tags: &std::collections::BTreeMap<String, String>| tags.get(name).cloned();
        let own = match (self.caller.kind, &self.caller.session_tags) {
            (Kind::User, _) => None,
            (Kind::Session, Some(tags)) => find(tags),
            _ => return Value::Unknown,
        };
        match (own, &self.caller.tags) {
            (Some(value), _) => Value::Known(vec![value]),
            (None, Some(tags)) => {
                find(tags).map_or(Value::Absent, |value| Value::Known(vec![value]))
            }
            (None, None) => Value::Unknown,
        }
    }

    fn region(&self) -> Option<&str> {
        let region = Arn::parse(self.resource)?.region;
        (!region.is_empty() && !region.contains(['*', '?'])).then_some(region)
    }
}

fn known(value: Option<&str>) -> Value {
    value.map_or(Value::Unknown, |value| Value::Known(vec![value.to_owned()]))
}
