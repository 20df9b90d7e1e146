//! Whether a statement speaks to a request.

use crate::ask::Ask;
use crate::pattern::{self, Filled, Pattern};
use crate::policy::{Only, Statement};
use crate::principal::Named;
use crate::truth::Truth;

/// How far a statement speaks to a request, and what keeps that from being decided.
pub(crate) struct Said {
    pub(crate) named: Named,
    pub(crate) whys: Vec<String>,
}

impl Statement {
    pub(crate) fn says(&self, ask: &Ask<'_>) -> Said {
        let nothing = Said {
            named: Named::NOT,
            whys: Vec::new(),
        };
        if !self.acts(ask) {
            return nothing;
        }
        let mut whys = Vec::new();
        let resource = self.concerns(ask, &mut whys);
        let who = self.means(ask);
        if resource == Truth::No || who.at_all() == Truth::No {
            return nothing;
        }
        if who.at_all() == Truth::Maybe {
            whys.push("whether the principal is meant is not known".to_owned());
        }
        let mut holds = resource;
        for condition in &self.conditions {
            let (truth, why) = condition.holds(ask);
            holds = holds.and(truth);
            whys.extend(why);
        }
        Said {
            named: who.and(holds),
            whys,
        }
    }

    fn acts(&self, ask: &Ask<'_>) -> bool {
        let any = |list: &[Pattern]| list.iter().any(|p| p.matches_action(ask.action));
        match &self.actions {
            Only::In(list) => any(list),
            Only::NotIn(list) => !any(list),
        }
    }

    fn concerns(&self, ask: &Ask<'_>, whys: &mut Vec<String>) -> Truth {
        let mut any = |list: &[Pattern], absent: Truth| {
            Truth::any(list.iter().map(|pattern| match pattern.fill(ask) {
                Filled::Known(pieces) => {
                    let truth = pattern::matches_resource(&pieces, ask.resource);
                    if truth == Truth::Maybe {
                        whys.push("a wildcard of its Resource reaches over a colon".to_owned());
                    }
                    truth
                }
                Filled::Absent => absent,
                Filled::Unknown(key) => {
                    whys.push(format!("${{{key}}} in its Resource is not known"));
                    Truth::Maybe
                }
            }))
        };
        match &self.resources {
            None => Truth::Yes,
            Some(Only::In(list)) => any(list, Truth::No),
            Some(Only::NotIn(list)) => !any(list, Truth::Maybe),
        }
    }

    fn means(&self, ask: &Ask<'_>) -> Named {
        match &self.principals {
            None => Named {
                direct: Truth::Yes,
                ..Named::NOT
            },
            Some(Only::In(listed)) => listed.name(ask.caller),
            Some(Only::NotIn(listed)) => listed.spare(ask.caller, self.denies),
        }
    }
}
