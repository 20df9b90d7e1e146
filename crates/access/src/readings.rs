//! What one principal could read, place by place, and which roles it could become.

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::decide::{QueryError, Session};
use crate::reach::{BlindSpot, Hop, Limits, check};
use crate::search::{Search, Start};
use crate::verdict::{Cited, Verdict};
use crate::ways::Place;
use crate::world::World;

/// What a principal could do with one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The place's ARN.
    pub place: String,
    /// Allowed: yes. Undecidable: counts as yes. Denied: neither itself nor by a role.
    pub verdict: Verdict,
    /// The call that gives the value; of a denial, the one that was asked for.
    pub action: String,
    /// The roles on the way; none: directly.
    pub via: Vec<Hop>,
    /// The statements that decide: those that allow the call and the decryption, or those that
    /// deny it to the principal itself.
    pub statements: Vec<Cited>,
}

/// A role that the principal could become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The role's ARN.
    pub role: String,
    /// How it is come by, this role last.
    pub hops: Vec<Hop>,
    /// Whether the whole chain holds. Never [`Verdict::Denied`].
    pub verdict: Verdict,
}

/// All that one principal could read and become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readings {
    /// The principal, as asked.
    pub principal: String,
    /// One for each place, in the order of the question.
    pub readings: Vec<Reading>,
    /// Roles, the nearest first among those that are sure, then among the others.
    pub chains: Vec<Chain>,
    /// What this does not cover.
    pub blind_spots: Vec<BlindSpot>,
}

impl World {
    /// What a user, a role, or a session with its policies could read, and what it could become.
    /// `context` is what is known of its own requests.
    ///
    /// # Errors
    /// When the principal or a place is not named by a whole ARN.
    pub fn readings(
        &self,
        principal: &str,
        session: &Session,
        places: &[Place],
        context: &Context,
        limits: Limits,
    ) -> Result<Readings, QueryError> {
        check(places)?;
        let mut search = Search::new(self, places, context, limits);
        let asker = self.asker(principal, session)?;
        let start = search.start(&asker, context);
        let readings = places.iter().map(|place| search.reading(&start, place));
        let readings = readings.collect();
        search.blind.extend(self.blind(&[principal], places));
        Ok(Readings {
            principal: principal.to_owned(),
            readings,
            chains: chains(&start),
            blind_spots: search.blind.into_iter().collect(),
        })
    }
}

impl Search<'_> {
    fn reading(&mut self, start: &Start<'_>, place: &Place) -> Reading {
        if let Some(best) = self.best(start, place) {
            return Reading {
                place: place.arn.clone(),
                verdict: best.verdict,
                action: best.action,
                via: best.via,
                statements: best.statements,
            };
        }
        let (action, answer) = self.refusal(start, place);
        Reading {
            place: place.arn.clone(),
            verdict: answer.verdict,
            action: action.to_owned(),
            via: Vec::new(),
            statements: answer.statements,
        }
    }
}

fn chains(start: &Start<'_>) -> Vec<Chain> {
    let chain = |visit: &crate::search::Visit| {
        Some(Chain {
            role: visit.role.clone()?,
            hops: visit.via.clone(),
            verdict: visit.verdict(),
        })
    };
    start.visited.iter().filter_map(chain).collect()
}
