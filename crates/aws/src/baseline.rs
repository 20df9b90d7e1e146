//! What is needed to put a Lambda alias back, as recorded before a roll.

use std::collections::HashMap;

use aws_sdk_lambda::operation::get_alias::GetAliasOutput;
use aws_sdk_lambda::types::AliasRoutingConfiguration;
use relatch_case::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::places::function::LATEST;

/// Where traffic went before a roll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Baseline {
    /// To `$LATEST`, without an alias or through one: a roll changes nothing, and there is
    /// nothing to put back.
    Latest,
    /// To the version behind an alias, and shares of it to others.
    Alias {
        /// The version.
        version: String,
        /// The other versions' shares, in order.
        shares: Vec<Share>,
    },
}

/// The share of an alias's traffic that goes to another version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Share {
    /// The version.
    pub(crate) version: String,
    /// The share between 0 and 1 as text: recorded facts hold no floats.
    pub(crate) weight: String,
}

impl Baseline {
    /// The baseline of an alias as it is.
    pub(crate) fn of_alias(alias: &GetAliasOutput) -> Result<Self, Fault> {
        let version = alias.function_version.clone().ok_or_else(|| {
            Fault::new(
                FaultKind::Invalid,
                "Lambda does not say which version the alias points to",
            )
        })?;
        if version == LATEST {
            return Ok(Self::Latest);
        }
        Ok(Self::Alias {
            version,
            shares: Share::of_routing(alias.routing_config.as_ref()),
        })
    }

    /// As JSON, for the journal.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Latest => json!({ "points_to": LATEST }),
            Self::Alias { version, shares } => {
                let shares: serde_json::Map<_, _> = shares
                    .iter()
                    .map(|s| (s.version.clone(), json!(s.weight)))
                    .collect();
                json!({ "points_to": version, "shares": shares })
            }
        }
    }

    /// Back from JSON.
    pub(crate) fn from_json(value: &Value) -> Result<Self, Fault> {
        let damaged = || Fault::new(FaultKind::Local, "the recorded baseline is damaged");
        let version = value
            .get("points_to")
            .and_then(Value::as_str)
            .ok_or_else(damaged)?;
        if version == LATEST {
            return Ok(Self::Latest);
        }
        let mut shares = Vec::new();
        for (other, weight) in value
            .get("shares")
            .and_then(Value::as_object)
            .ok_or_else(damaged)?
        {
            let weight = weight.as_str().ok_or_else(damaged)?.to_string();
            shares.push(Share {
                version: other.clone(),
                weight,
            });
        }
        shares.sort();
        Ok(Self::Alias {
            version: version.to_string(),
            shares,
        })
    }
}

impl Share {
    /// The shares in an alias's routing, in order.
    pub(crate) fn of_routing(routing: Option<&AliasRoutingConfiguration>) -> Vec<Self> {
        let weights = routing.and_then(|routing| routing.additional_version_weights.as_ref());
        let mut shares: Vec<_> = weights
            .into_iter()
            .flatten()
            .map(|(version, weight)| Self {
                version: version.clone(),
                weight: weight.to_string(),
            })
            .collect();
        shares.sort();
        shares
    }

    /// The routing of these shares; none sends everything to the one version.
    pub(crate) fn routing(shares: &[Self]) -> Result<AliasRoutingConfiguration, Fault> {
        let mut weights = HashMap::new();
        for share in shares {
            let weight: f64 = share.weight.parse().map_err(|_| {
                Fault::new(
                    FaultKind::Local,
                    "the recorded share of traffic is no number",
                )
            })?;
            weights.insert(share.version.clone(), weight);
        }
        Ok(AliasRoutingConfiguration::builder()
            .set_additional_version_weights(Some(weights))
            .build())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_survives_the_journal() {
        let share = |version: &str, weight: &str| Share {
            version: version.into(),
            weight: weight.into(),
        };
        for baseline in [
            Baseline::Latest,
            Baseline::Alias {
                version: "7".into(),
                shares: Vec::new(),
            },
            Baseline::Alias {
                version: "7".into(),
                shares: vec![share("10", "0.1"), share("9", "0.25")],
            },
        ] {
            let back = Baseline::from_json(&baseline.to_json()).expect("readable");
            assert_eq!(back, baseline);
        }
    }

    #[test]
    fn shares_keep_their_exact_weight() {
        let shares = vec![Share {
            version: "9".into(),
            weight: "0.1".into(),
        }];
        let routing = Share::routing(&shares).expect("numbers");
        assert_eq!(Share::of_routing(Some(&routing)), shares);
    }

    #[test]
    fn a_damaged_baseline_is_refused() {
        for value in [
            json!({}),
            json!({"points_to": 3}),
            json!({"points_to": "3"}),
        ] {
            assert_eq!(
                Baseline::from_json(&value).expect_err("refused").kind,
                FaultKind::Local
            );
        }
    }
}
