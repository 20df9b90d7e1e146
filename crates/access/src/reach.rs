//! Who could read which place, also through roles that may be assumed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::arn::Arn;
use crate::context::Context;
use crate::decide::{QueryError, Session};
use crate::search::Search;
use crate::verdict::{Answer, Cited, Verdict};
use crate::ways::Place;
use crate::world::World;

/// How far to look. What lies beyond is named, and counts as undecidable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest chain of roles.
    pub hops: usize,
    /// The most questions to decide.
    pub asks: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hops: 16,
            asks: 5_000_000,
        }
    }
}

/// A role that is assumed on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Its ARN.
    pub role: String,
    /// Whether it may be assumed from the one before.
    pub answer: Answer,
}

/// A principal that could read a place: its best way there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readable {
    /// As asked.
    pub principal: String,
    /// The roles on the way; none: directly.
    pub via: Vec<Hop>,
    /// The call that gives the value, such as `ssm:GetParametersByPath`.
    pub action: String,
    /// Never [`Verdict::Denied`]; allowed only if every hop is.
    pub verdict: Verdict,
    /// What allows the call, and the decryption.
    pub statements: Vec<Cited>,
    /// How many other roles (or the principal itself) also lead there.
    pub others: usize,
}

/// Something that the answer does not cover.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlindSpot {
    /// An account, principal, policy or mechanism.
    pub about: String,
    /// What is not covered.
    pub why: String,
}

/// Who could read what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// By the place's ARN; each place is there, also with nobody.
    pub readable: BTreeMap<String, Vec<Readable>>,
    /// What this does not cover.
    pub blind_spots: Vec<BlindSpot>,
    /// How many questions were decided.
    pub asks: usize,
}

impl World {
    /// Which of the places each principal could read, itself or through roles. `context` is what
    /// is known of the principals' own requests; of sessions of roles further on less is known.
    pub fn reach(
        &self,
        principals: &[(&str, Session)],
        places: &[Place],
        context: &Context,
        limits: Limits,
    ) -> Result<Reach, QueryError> {
        check(places)?;
        let mut search = Search::new(self, places, context, limits);
        let nobody = |place: &Place| (place.arn.clone(), Vec::new());
        let mut readable: BTreeMap<String, Vec<Readable>> = places.iter().map(nobody).collect();
        for (arn, session) in principals {
            let asker = self.asker(arn, session)?;
            let start = search.start(&asker, context);
            for place in places {
                let best = search.best(&start, place);
                let list = readable.entry(place.arn.clone()).or_default();
                list.extend(best);
            }
        }
        let principals: Vec<&str> = principals.iter().map(|(arn, _)| *arn).collect();
        search.blind.extend(self.blind(&principals, places));
        Ok(Reach {
            readable,
            blind_spots: search.blind.into_iter().collect(),
            asks: search.asks,
        })
    }

    /// What is not followed, accounts of which something was not given, and what could not be
    /// read.
    pub(crate) fn blind(&self, principals: &[&str], places: &[Place]) -> BTreeSet<BlindSpot> {
        let account = |arn: &str| Arn::parse(arn).map(|arn| arn.account.to_owned());
        let asked = principals.iter().filter_map(|arn| account(arn));
        let roles = self.roles.keys().map(|(account, _)| account.clone());
        let from: BTreeSet<String> = asked.chain(roles).collect();
        let to: BTreeSet<String> = places
            .iter()
            .filter_map(|place| place.owner().map(str::to_owned))
            .collect();
        let missing = |account: String, which: &str| BlindSpot {
            about: account,
            why: format!("its {which} control policies were not given: decided as if it had none"),
        };
        let service = from
            .into_iter()
            .filter(|a| !self.service_control.contains_key(a));
        let resource = to
            .into_iter()
            .filter(|a| !self.resource_control.contains_key(a));
        let faults = self.faults.iter().map(|fault| BlindSpot {
            about: fault.about.clone(),
            why: fault.why.clone(),
        });
        service
            .map(|account| missing(account, "service"))
            .chain(resource.map(|account| missing(account, "resource")))
            .chain(faults)
            .chain(general())
            .collect()
    }
}

/// What policy alone does not tell, or what is not followed here.
fn general() -> impl Iterator<Item = BlindSpot> {
    [
        (
            "iam:PassRole",
            "code run under another role is not followed",
        ),
        (
            "changes of policies",
            "a principal that may change policies or trust is not followed",
        ),
        ("kms:CreateGrant", "grants on KMS keys are not read"),
        (
            "roles elsewhere",
            "roles of accounts whose details were not given are not followed",
        ),
        (
            "access to S3 by other ways",
            "access control lists and access points are not read",
        ),
        (
            "federation",
            "sign-in from outside (SAML, OIDC) is not followed",
        ),
    ]
    .into_iter()
    .map(|(about, why)| BlindSpot {
        about: about.to_owned(),
        why: why.to_owned(),
    })
}

/// Places must be named whole.
pub(crate) fn check(places: &[Place]) -> Result<(), QueryError> {
    let whole = |arn: &str| Arn::parse(arn).is_some() && !arn.contains(['*', '?']);
    match places.iter().find(|place| !whole(&place.arn)) {
        Some(place) => Err(QueryError::Resource(place.arn.clone())),
        None => Ok(()),
    }
}
