//! The search through roles that may be assumed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::arn::Arn;
use crate::ask::Ask;
use crate::calls::{both, doubtful};
use crate::context::Context;
use crate::decide::{Asker, Session};
use crate::reach::{BlindSpot, Hop, Limits, Readable};
use crate::truth::Truth;
use crate::verdict::{Answer, Verdict};
use crate::ways::Place;
use crate::world::World;

/// Where the search has come to: a role, and the hops to it.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    /// `None`: the principal itself.
    pub(crate) role: Option<String>,
    pub(crate) via: Vec<Hop>,
}

/// A principal, and all roles that are to be had from it.
pub(crate) struct Start<'a> {
    pub(crate) asker: &'a Asker<'a>,
    pub(crate) context: &'a Context,
    pub(crate) visited: Vec<Visit>,
    /// There may be more roles: the bound on hops was met, or the input is not whole. Nothing is
    /// refused for sure then. (After the bound on questions every answer is undecidable.)
    pub(crate) cut: bool,
}

/// A call that gives a place's value to someone.
pub(crate) type Read = (&'static str, Answer);

pub(crate) struct Search<'w> {
    pub(crate) world: &'w World,
    pub(crate) places: &'w [Place],
    /// What is known of requests by sessions of roles on the way.
    pub(crate) later: Context,
    pub(crate) limits: Limits,
    pub(crate) asks: usize,
    /// For each role: the roles that its sessions may assume.
    edges: BTreeMap<String, Vec<Hop>>,
    /// For each role and place: the best call.
    pub(crate) reads: BTreeMap<(String, String), Option<Read>>,
    pub(crate) blind: BTreeSet<BlindSpot>,
}

impl Visit {
    fn to(&self, hop: Hop) -> Self {
        let role = Some(hop.role.clone());
        let mut via = self.via.clone();
        via.push(hop);
        Self { role, via }
    }

    fn is_sure(&self) -> bool {
        let allowed = |hop: &Hop| hop.answer.verdict == Verdict::Allowed;
        self.via.iter().all(allowed)
    }

    /// Whether the whole chain holds.
    pub(crate) fn verdict(&self) -> Verdict {
        let verdicts = self.via.iter().map(|hop| hop.answer.verdict.clone());
        verdicts.fold(Verdict::Allowed, both)
    }
}

impl<'w> Search<'w> {
    pub(crate) fn new(
        world: &'w World,
        places: &'w [Place],
        context: &Context,
        limits: Limits,
    ) -> Self {
        Self {
            world,
            places,
            later: context.of_session(),
            limits,
            asks: 0,
            edges: BTreeMap::new(),
            reads: BTreeMap::new(),
            blind: BTreeSet::new(),
        }
    }

    /// All roles to be had from a principal: first those whose every hop is allowed.
    pub(crate) fn start<'a>(&mut self, asker: &'a Asker<'a>, context: &'a Context) -> Start<'a> {
        let mut start = Start {
            asker,
            context,
            visited: Vec::new(),
            cut: self.world.incomplete,
        };
        let mut seen = BTreeSet::new();
        let mut sure = VecDeque::from([Visit {
            role: None,
            via: Vec::new(),
        }]);
        let mut unsure = VecDeque::new();
        while let Some(visit) = sure.pop_front().or_else(|| unsure.pop_front()) {
            let itself = visit.role.as_ref().or(asker.caller.identity_arn.as_ref());
            if itself.is_some_and(|role| !seen.insert(role.clone())) {
                continue;
            }
            let hops = match &visit.role {
                None => self.hops(asker, context),
                Some(role) => self.hops_of_role(role),
            };
            for hop in hops.into_iter().filter(|hop| !seen.contains(&hop.role)) {
                if visit.via.len() >= self.limits.hops {
                    self.beyond(&hop.role, "chains of more roles than the bound lead to it");
                    start.cut = true;
                    continue;
                }
                let next = visit.to(hop);
                if next.is_sure() {
                    &mut sure
                } else {
                    &mut unsure
                }
                .push_back(next);
            }
            start.visited.push(visit);
        }
        start
    }

    fn hops_of_role(&mut self, role: &str) -> Vec<Hop> {
        if let Some(hops) = self.edges.get(role) {
            return hops.clone();
        }
        let later = self.later.clone();
        let hops = match self.world.asker(role, &Session::default()) {
            Ok(asker) => self.hops(&asker, &later),
            Err(error) => {
                self.beyond(role, &error.to_string());
                Vec::new()
            }
        };
        self.edges.insert(role.to_owned(), hops.clone());
        hops
    }

    fn hops(&mut self, asker: &Asker<'_>, context: &Context) -> Vec<Hop> {
        let world = self.world;
        let mut hops = Vec::new();
        for role in world.roles.values() {
            if self.spent() {
                self.beyond(
                    &asker.caller.arn,
                    "the bound on questions: roles were not followed",
                );
                break;
            }
            if asker.caller.identity_arn.as_ref() == Some(&role.arn)
                || !world.trusts(asker, &role.arn, context)
            {
                continue;
            }
            let answer = world.ask(asker, ASSUME, &role.arn, None, context);
            if answer.verdict.is_readable() {
                let role = role.arn.clone();
                hops.push(Hop { role, answer });
            }
        }
        hops
    }

    /// The best way of a principal to a place: by allowed hops and calls, then the shortest.
    pub(crate) fn best(&mut self, start: &Start<'_>, place: &Place) -> Option<Readable> {
        let mut best: Option<Readable> = None;
        let mut found = 0;
        for visit in &start.visited {
            let read = match &visit.role {
                None => self.read(start.asker, start.context, place),
                Some(role) => self.read_of_role(role, place),
            };
            let Some((action, answer)) = read else {
                continue;
            };
            found += 1;
            let verdict = both(answer.verdict, visit.verdict());
            let better = best
                .as_ref()
                .is_none_or(|best| best.verdict != Verdict::Allowed && verdict == Verdict::Allowed);
            if better {
                best = Some(Readable {
                    principal: start.asker.caller.arn.clone(),
                    via: visit.via.clone(),
                    action: action.to_owned(),
                    verdict,
                    statements: answer.statements,
                    others: 0,
                });
            }
        }
        if best.is_none() && start.cut {
            return Some(beyond_bounds(start, place));
        }
        best.map(|best| Readable {
            others: found - 1,
            ..best
        })
    }

    fn beyond(&mut self, about: &str, why: &str) {
        self.blind.insert(BlindSpot {
            about: about.to_owned(),
            why: why.to_owned(),
        });
    }
}

/// No way was found, but not all were looked at.
fn beyond_bounds(start: &Start<'_>, place: &Place) -> Readable {
    let answer = doubtful(
        &place.arn,
        "not all roles could be followed: whether one leads here",
    );
    Readable {
        principal: start.asker.caller.arn.clone(),
        via: Vec::new(),
        action: place.plain_way().action.to_owned(),
        verdict: answer.verdict,
        statements: answer.statements,
        others: 0,
    }
}

const ASSUME: &str = "sts:assumerole";

impl World {
    /// Whether a role's trust policy could let the principal in: a cheap look before the whole.
    fn trusts(&self, asker: &Asker<'_>, role: &str, context: &Context) -> bool {
        let trust = self.role(role).and_then(|role| role.trust.as_deref());
        let Some(Ok(statements)) = trust.map(|trust| &trust.statements) else {
            return true;
        };
        let ask = Ask {
            caller: &asker.caller,
            action: ASSUME,
            resource: role,
            resource_account: Arn::parse(role).map(|arn| arn.account),
            context,
        };
        statements
            .iter()
            .any(|s| !s.denies && s.says(&ask).named.at_all() != Truth::No)
    }
}
