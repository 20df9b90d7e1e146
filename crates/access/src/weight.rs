//! What policies of one layer say together.

use crate::ask::Ask;
use crate::policy::Policy;
use crate::principal::Named;
use crate::truth::Truth;
use crate::verdict::{Cited, Doubt, Layer};

/// The allows and denials of one layer.
#[derive(Debug, Clone)]
pub(crate) struct Weight {
    /// The layer, and what it hangs on: cited where nothing in it allows.
    pub(crate) whole: Cited,
    pub(crate) allow: Named,
    pub(crate) deny: Truth,
    /// What allows, surely or perhaps.
    pub(crate) allows: Vec<Cited>,
    /// What surely denies.
    pub(crate) denies: Vec<Cited>,
    pub(crate) allow_doubts: Vec<Doubt>,
    pub(crate) deny_doubts: Vec<Doubt>,
}

impl Weight {
    /// Says nothing.
    pub(crate) fn silent(layer: Layer, about: &str) -> Self {
        Self {
            whole: Cited {
                layer,
                policy: about.to_owned(),
                statement: None,
            },
            allow: Named::NOT,
            deny: Truth::No,
            allows: Vec::new(),
            denies: Vec::new(),
            allow_doubts: Vec::new(),
            deny_doubts: Vec::new(),
        }
    }

    /// May say anything: it is not known.
    pub(crate) fn unknown(layer: Layer, about: &str, why: &str) -> Self {
        let mut weight = Self::silent(layer, about);
        weight.doubt(about, why);
        weight
    }

    /// What these policies say.
    pub(crate) fn of<'p>(
        layer: Layer,
        about: &str,
        policies: impl IntoIterator<Item = &'p Policy>,
        ask: &Ask<'_>,
    ) -> Self {
        let mut weight = Self::silent(layer, about);
        for policy in policies {
            weight.add(policy, ask);
        }
        weight
    }

    fn doubt(&mut self, policy: &str, why: &str) {
        let doubt = Doubt {
            cited: Cited {
                policy: policy.to_owned(),
                ..self.whole.clone()
            },
            why: why.to_owned(),
        };
        self.allow = self.allow.or(Named {
            direct: Truth::Maybe,
            role: Truth::Maybe,
            account: Truth::Maybe,
            everyone: Truth::Maybe,
        });
        self.deny = self.deny.or(Truth::Maybe);
        self.allow_doubts.push(doubt.clone());
        self.deny_doubts.push(doubt);
    }

    fn add(&mut self, policy: &Policy, ask: &Ask<'_>) {
        let statements = match &policy.statements {
            Ok(statements) => statements,
            Err(why) => return self.doubt(&policy.name, &format!("cannot be read: {why}")),
        };
        for statement in statements {
            let said = statement.says(ask);
            let truth = said.named.at_all();
            if truth == Truth::No {
                continue;
            }
            let cited = Cited {
                layer: self.whole.layer,
                policy: policy.name.clone(),
                statement: Some(statement.id.clone()),
            };
            if truth == Truth::Maybe {
                let doubts = said.whys.into_iter().map(|why| Doubt {
                    cited: cited.clone(),
                    why,
                });
                if statement.denies {
                    self.deny_doubts.extend(doubts);
                } else {
                    self.allow_doubts.extend(doubts);
                }
            }
            if statement.denies {
                self.deny = self.deny.or(truth);
                if truth == Truth::Yes {
                    self.denies.push(cited);
                }
            } else {
                self.allow = self.allow.or(said.named);
                self.allows.push(cited);
            }
        }
    }
}
