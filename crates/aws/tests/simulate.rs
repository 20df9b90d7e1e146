//! What IAM says that a principal may do: decisions and a refusal of the call itself by
//! ministack, which answers for the first resource of a request only; what no emulator here
//! answers (pages, the organization, unknown condition keys, throttling) written out.

mod support;
mod wire;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use relatch_aws::{Connection, PolicySimulator, Simulated, Simulation, Simulations};
use relatch_case::FaultKind;
use wire::{Answer, Wire, refusal};

const READ: &str = "secretsmanager:GetSecretValue";
const APP: &str = "arn:aws:iam::000000000000:user/app";
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":"secretsmanager:*","Resource":"arn:aws:secretsmanager:*:*:secret:a*"},
    {"Effect":"Deny","Action":"secretsmanager:*","Resource":"arn:aws:secretsmanager:*:*:secret:b*"}]}"#;

fn secret(name: &str) -> String {
    format!("arn:aws:secretsmanager:eu-west-1:000000000000:secret:{name}")
}

async fn ask(connection: &Connection, names: &[&str]) -> Simulations {
    let resources: BTreeSet<String> = names.iter().map(|name| secret(name)).collect();
    let simulator = PolicySimulator::new(connection);
    let answers = simulator.ask(APP, READ, &resources).await;
    assert!(answers.keys().eq(resources.iter()), "{answers:?}");
    answers
}

fn of<'a>(answers: &'a Simulations, name: &str) -> &'a Simulation {
    answers[&secret(name)].as_ref().expect("decided")
}

fn kinds(answers: &Simulations) -> BTreeSet<String> {
    let fault = |answer: &Result<Simulation, relatch_case::Fault>| {
        let fault = answer.as_ref().expect_err("not decided");
        format!("{:?}", fault.kind)
    };
    answers.values().map(fault).collect()
}

/// A result with more in it: what the organization says, or results one by one.
fn result(name: &str, decision: &str, more: &str) -> String {
    format!(
        "<member><EvalActionName>{READ}</EvalActionName><EvalResourceName>{}</EvalResourceName>\
         <EvalDecision>{decision}</EvalDecision><MatchedStatements/><MissingContextValues/>{more}\
         </member>",
        secret(name)
    )
}

fn page(results: &[String], next: Option<&str>) -> Answer {
    let more = next.map_or(String::new(), |next| format!("<Marker>{next}</Marker>"));
    Answer::Status(
        200,
        format!(
            "<SimulatePrincipalPolicyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\
             <SimulatePrincipalPolicyResult><EvaluationResults>{}</EvaluationResults>\
             <IsTruncated>{}</IsTruncated>{more}</SimulatePrincipalPolicyResult>\
             </SimulatePrincipalPolicyResponse>",
            results.concat(),
            next.is_some()
        ),
    )
}

#[tokio::test]
async fn allowed_denied_and_left_open_by_ministack() {
    let peer = support::ministack().await;
    peer.user("app", POLICY).await;
    let answers = ask(&peer.connection().await, &["a1", "a2", "b", "c"]).await;
    let decisions = ["a1", "a2", "b", "c"].map(|name| of(&answers, name).decision);
    assert_eq!(
        decisions,
        [
            Simulated::Allowed,
            Simulated::Allowed,
            Simulated::ExplicitDeny,
            Simulated::ImplicitDeny
        ]
    );
}

#[tokio::test]
async fn who_may_not_ask_is_told_so_by_ministack_and_nothing_is_decided() {
    let peer = support::ministack().await;
    let app = peer.user("app", POLICY).await;
    let answers = ask(&app, &["a", "b"]).await;
    assert_eq!(kinds(&answers), ["Denied".to_string()].into());
    let fault = answers[&secret("b")].as_ref().expect_err("not decided");
    let named = fault.detail.contains("iam:SimulatePrincipalPolicy");
    assert!(named, "{fault}");
}

#[tokio::test]
async fn a_role_is_found_by_its_name_by_moto() {
    let peer = support::moto().await;
    let connection = peer.connection().await;
    let iam = aws_sdk_iam::Client::new(&connection.write_config(""));
    let made = iam.create_role().role_name("deploy").path("/team/");
    let made = made.assume_role_policy_document("{}").send().await;
    let made = made.expect("a role").role.expect("a role").arn;
    let simulator = PolicySimulator::new(&connection);
    assert!(made.ends_with(":role/team/deploy"), "{made}");
    assert_eq!(simulator.role_arn("deploy").await, Ok(made));
    let fault = simulator.role_arn("nobody").await.expect_err("not there");
    assert_eq!(fault.kind, FaultKind::NotFound);
}

/// Pages, what the organization says and results one by one: written out.
#[tokio::test]
async fn pages_and_all_forms_of_results_on_the_wire() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let wire = Wire::by(move |_, request| {
        seen.lock().expect("lock").push(request.to_string());
        if request.contains("Marker=second") {
            let each = format!(
                "<ResourceSpecificResults><member><EvalResourceName>{}</EvalResourceName>\
                 <EvalResourceDecision>explicitDeny</EvalResourceDecision><MatchedStatements>\
                 <member><SourcePolicyId>guard</SourcePolicyId></member></MatchedStatements>\
                 <MissingContextValues><member>aws:SourceVpc</member></MissingContextValues>\
                 </member></ResourceSpecificResults>",
                secret("c")
            );
            return page(
                &[result("c", "allowed", &each), result("d", "odd", "")],
                None,
            );
        }
        if request.contains("secret%3Aa") {
            let organization = "<OrganizationsDecisionDetail><AllowedByOrganizations>false\
                </AllowedByOrganizations></OrganizationsDecisionDetail>";
            let first = [
                result("a", "allowed", ""),
                result("b", "implicitDeny", organization),
                result("not-asked", "allowed", ""),
            ];
            return page(&first, Some("second"));
        }
        page(&[], None)
    })
    .await;
    let connection = support::connection_to(&wire.endpoint).await;
    let answers = ask(&connection, &["a", "b", "c", "d"]).await;
    assert_eq!(of(&answers, "a").decision, Simulated::Allowed);
    assert_eq!(of(&answers, "b").decision, Simulated::OrganizationDeny);
    let third = of(&answers, "c");
    assert_eq!(third.decision, Simulated::ExplicitDeny);
    assert_eq!(third.policies, ["guard".to_string()].into());
    assert_eq!(third.missing, ["aws:SourceVpc".to_string()].into());
    let fault = answers[&secret("d")].as_ref().expect_err("an unknown word");
    assert_eq!(fault.kind, FaultKind::Invalid);
    let asked = asked.lock().expect("lock");
    assert_eq!(asked.len(), 3, "two pages, and once more for the one left");
    assert!(asked[0].contains("ResourceArns.member.4"), "{}", asked[0]);
    assert!(!asked[2].contains("ResourceArns.member.2"), "{}", asked[2]);
}

#[tokio::test]
async fn a_fault_on_the_wire_ends_the_asking_and_refuses_nothing() {
    let names: Vec<String> = (0..45).map(|n| format!("s{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (status, code, kind, requests) in [
        (404, "NoSuchEntity", "NotFound", 1),
        (403, "AccessDenied", "Denied", 1),
        (400, "InvalidInput", "Invalid", 3),
    ] {
        let wire = Wire::new(vec![refusal(status, code)]).await;
        let connection = support::connection_to(&wire.endpoint).await;
        let answers = ask(&connection, &names).await;
        assert_eq!(kinds(&answers), [kind.to_string()].into(), "{code}");
        assert_eq!(wire.seen(), requests, "{code}");
    }
}

#[tokio::test]
async fn throttling_on_the_wire_is_waited_out() {
    let wire = Wire::new(vec![
        refusal(400, "Throttling"),
        page(&[result("a", "allowed", "")], None),
    ])
    .await;
    let connection = support::connection_to(&wire.endpoint).await;
    let answers = ask(&connection, &["a"]).await;
    assert_eq!(of(&answers, "a").decision, Simulated::Allowed);
    assert_eq!(wire.seen(), 2);
}
