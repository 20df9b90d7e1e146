//! What IAM itself says that a user or a role may do: `iam:SimulatePrincipalPolicy`.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::Client;
use aws_sdk_iam::types::{
    EvaluationResult, OrganizationsDecisionDetail, PolicyEvaluationDecisionType as Evaluated,
    ResourceSpecificResult, Statement,
};
use relatch_case::{Fault, FaultKind};

use crate::connection::Connection;
use crate::error::fault_of_read;

/// How many resources one request names. AWS documents no limit, and refuses long lists.
const BATCH: usize = 20;

/// What IAM decided. In this order the first counts where one answer has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Simulated {
    /// The principal's policies allow it.
    Allowed,
    /// None of them allows it; a policy of the resource still may.
    ImplicitDeny,
    /// A statement denies it.
    ExplicitDeny,
    /// The organization's policies do not let it through.
    OrganizationDeny,
}

/// A decision, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Simulation {
    /// What was decided.
    pub decision: Simulated,
    /// The policies whose statements decide, in IAM's own words for them.
    pub policies: BTreeSet<String>,
    /// Condition keys in the policies of which the simulation knows no value. While there are
    /// any, a real request may be decided otherwise.
    pub missing: BTreeSet<String>,
}

/// By resource: what was decided, or why it is not known. Never without one that was asked about.
pub type Simulations = BTreeMap<String, Result<Simulation, Fault>>;

/// Asks IAM what principals may do, as their policies stand now. It sees identity policies,
/// boundaries and the organization's policies; not those of resources, sessions and KMS keys
/// (IAM API Reference, `SimulatePrincipalPolicy`).
///
/// Invariant: what failed is never taken for a refusal.
#[derive(Debug)]
pub struct PolicySimulator {
    client: Client,
}

impl PolicySimulator {
    /// Behind a connection, whose account has to be that of the principals.
    pub fn new(connection: &Connection) -> Self {
        Self {
            client: Client::new(&connection.read_config("")),
        }
    }

    /// Whether a user or role, by its ARN, may make a call on each of the resources.
    ///
    /// A principal that is not there is [`FaultKind::NotFound`], a call that is not granted to
    /// us [`FaultKind::Denied`]; what was not asked any more because of it has the same fault.
    pub async fn ask(
        &self,
        principal: &str,
        action: &str,
        resources: &BTreeSet<String>,
    ) -> Simulations {
        let mut answers = Simulations::new();
        let mut ended: Option<Fault> = None;
        let all: Vec<&String> = resources.iter().collect();
        for batch in all.chunks(BATCH) {
            let fault = match ended.clone() {
                Some(fault) => fault,
                None => match self.batch(principal, action, batch, &mut answers).await {
                    Ok(()) => Fault::new(FaultKind::Invalid, "IAM's answer leaves it out"),
                    Err(fault) => fault,
                },
            };
            for resource in batch {
                let answer = answers.entry((*resource).clone());
                let answer = answer.or_insert_with(|| Err(fault.clone()));
                // What is wrong with one batch may be right in the next.
                if answer.is_err() && fault.kind != FaultKind::Invalid {
                    ended = Some(fault.clone());
                }
            }
        }
        answers
    }

    /// The ARN of a role of the connection's account, by its name: with its path, of which the
    /// ARN of a session tells nothing.
    pub async fn role_arn(&self, name: &str) -> Result<String, Fault> {
        let answer = self.client.get_role().role_name(name).send().await;
        let answer = answer.map_err(|error| of("iam:GetRole", fault_of_read(error)))?;
        let role = answer.role.map(|role| role.arn);
        role.ok_or_else(|| Fault::new(FaultKind::Invalid, "iam:GetRole: an answer without a role"))
    }

    /// Asks again for what an answer leaves out, as long as each answer brings something.
    async fn batch(
        &self,
        principal: &str,
        action: &str,
        batch: &[&String],
        answers: &mut Simulations,
    ) -> Result<(), Fault> {
        let mut left: Vec<String> = batch.iter().map(ToString::to_string).collect();
        loop {
            let before = left.len();
            self.pages(principal, action, &left, answers).await?;
            left.retain(|resource| !answers.contains_key(resource));
            if left.is_empty() || left.len() == before {
                return Ok(());
            }
        }
    }

    async fn pages(
        &self,
        principal: &str,
        action: &str,
        resources: &[String],
        answers: &mut Simulations,
    ) -> Result<(), Fault> {
        let request = self.client.simulate_principal_policy();
        let request = request.policy_source_arn(principal).action_names(action);
        let request = request.set_resource_arns(Some(resources.to_vec()));
        let mut results = request.into_paginator().items().send();
        while let Some(result) = results.next().await {
            let result =
                result.map_err(|error| of("iam:SimulatePrincipalPolicy", fault_of_read(error)))?;
            for (resource, simulation) in simulations(&result) {
                if resources.contains(&resource) {
                    keep(answers, resource, simulation);
                }
            }
        }
        Ok(())
    }
}

/// The fault with the call that failed.
fn of(call: &str, fault: Fault) -> Fault {
    Fault::new(fault.kind, format!("{call}: {}", fault.detail))
}

fn keep(answers: &mut Simulations, resource: String, simulation: Simulation) {
    match answers.get(&resource) {
        Some(Ok(known)) if *known <= simulation => {}
        _ => {
            answers.insert(resource, Ok(simulation));
        }
    }
}

/// One result tells of its resource itself, or of several one by one.
fn simulations(result: &EvaluationResult) -> Vec<(String, Simulation)> {
    let organization = result
        .organizations_decision_detail()
        .is_none_or(OrganizationsDecisionDetail::allowed_by_organizations);
    let simulation = |evaluated: &Evaluated, statements: &[Statement], missing: &[String]| {
        let missing = missing.iter().chain(result.missing_context_values());
        Some(Simulation {
            decision: decision(evaluated, organization)?,
            policies: policies(statements),
            missing: missing.cloned().collect(),
        })
    };
    let each = result.resource_specific_results();
    if each.is_empty() {
        let whole = simulation(result.eval_decision(), result.matched_statements(), &[]);
        let resource = result.eval_resource_name().unwrap_or("*").to_owned();
        return whole.map(|whole| (resource, whole)).into_iter().collect();
    }
    let one = |one: &ResourceSpecificResult| {
        let simulation = simulation(
            one.eval_resource_decision(),
            one.matched_statements(),
            one.missing_context_values(),
        )?;
        Some((one.eval_resource_name().to_owned(), simulation))
    };
    each.iter().filter_map(one).collect()
}

/// `None`: a word that nobody here knows.
fn decision(evaluated: &Evaluated, organization: bool) -> Option<Simulated> {
    match evaluated {
        Evaluated::Allowed | Evaluated::ImplicitDeny | Evaluated::ExplicitDeny if !organization => {
            Some(Simulated::OrganizationDeny)
        }
        Evaluated::Allowed => Some(Simulated::Allowed),
        Evaluated::ImplicitDeny => Some(Simulated::ImplicitDeny),
        Evaluated::ExplicitDeny => Some(Simulated::ExplicitDeny),
        _ => None,
    }
}

fn policies(statements: &[Statement]) -> BTreeSet<String> {
    let named = statements.iter().filter_map(Statement::source_policy_id);
    named.map(ToOwned::to_owned).collect()
}
