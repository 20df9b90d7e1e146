//! Approvals by signature, made here with `ssh-keygen` or taken in from elsewhere.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use relatch_case::approval::{ApprovalError, NAMESPACE, message, verify};
use relatch_case::policy::Approver;
use relatch_case::state::PlanInForce;
use relatch_case::{Fact, PlanHash};
use ssh_key::{HashAlg, PublicKey, SshSig};

use super::approve::{Approval, case_id, in_force, refuse_twice, say};
use crate::app::App;
use crate::error::{CommandError, Kind, OfKind};
use crate::workspace::OpenCase;

/// Longest signature file that is read: real ones have about a thousand bytes.
const MOST_BYTES: u64 = 64 * 1024;

/// Signs with a key of whoever runs the command, and records the approval.
pub(super) fn sign(
    app: &App,
    case: &OpenCase,
    hash: &str,
    key: &Path,
    name: Option<&str>,
) -> Result<(), CommandError> {
    let plan = in_force(case, Some(hash))?;
    must_ask_for_signatures(&plan)?;
    let text = message(case_id(&plan), &plan.hash);
    let signature = run_ssh_keygen(key, &text)?;
    accept(app, case, &plan, &signature, name)
}

/// Records a signature that was made elsewhere.
pub(super) fn take(
    app: &App,
    case: &OpenCase,
    hash: Option<&str>,
    file: &Path,
    name: &str,
) -> Result<(), CommandError> {
    let plan = in_force(case, hash)?;
    must_ask_for_signatures(&plan)?;
    let wrong = |why: String| CommandError::new(Kind::Usage, format!("{}: {why}", file.display()));
    let size = std::fs::metadata(file).map_err(|error| wrong(error.to_string()))?;
    if size.len() > MOST_BYTES {
        return Err(wrong("too long for a signature".to_string()));
    }
    let signature = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    accept(app, case, &plan, &signature, Some(name))
}

fn must_ask_for_signatures(plan: &PlanInForce) -> Result<(), CommandError> {
    if !plan.plan.policy.approvers.is_empty() {
        return Ok(());
    }
    Err(CommandError::new(
        Kind::Usage,
        "this plan names no approvers: a signature would prove nothing",
    )
    .hint(format!(
        "set approval.allowed_signers in relatch.toml and plan again, or approve by name: relatch \
         plan approve {}",
        plan.hash.short()
    )))
}

fn accept(
    app: &App,
    case: &OpenCase,
    plan: &PlanInForce,
    signature: &str,
    name: Option<&str>,
) -> Result<(), CommandError> {
    let by = signer(case, plan, signature, name)?;
    refuse_twice(&Approval::of(plan), &by)?;
    let fact = Fact::PlanSigned {
        hash: plan.hash.clone(),
        by: by.clone(),
        signature: signature.trim().to_string() + "\n",
    };
    case.ledger.record(app.now(), vec![fact])?;
    say(app, case, &by)
}

/// Whose signature over this plan it is, or why it does not count.
fn signer(
    case: &OpenCase,
    plan: &PlanInForce,
    signature: &str,
    name: Option<&str>,
) -> Result<String, CommandError> {
    let refused = |words: String| CommandError::new(Kind::Refused, words);
    let found: SshSig = signature
        .parse()
        .map_err(ApprovalError::Format)
        .kind(Kind::Refused)?;
    if found.namespace() != NAMESPACE {
        return Err(refused(format!(
            "the signature was made for another purpose: its namespace is {}, not {NAMESPACE}",
            relatch_secret::redact::outside(found.namespace())
        ))
        .hint(format!("ssh-keygen -Y sign -n {NAMESPACE} -f KEYFILE")));
    }
    let approvers = &plan.plan.policy.approvers;
    let print = found.public_key().fingerprint(HashAlg::Sha256);
    let of_key = approvers.iter().find(|approver| {
        PublicKey::from_openssh(&approver.key).is_ok_and(|key| key.key_data() == found.public_key())
    });
    let Some(approver) = of_key else {
        let known = name.filter(|name| approvers.iter().any(|a| a.name == *name));
        return Err(match known {
            Some(name) => refused(format!(
                "the signature is of key {print}, not one of {name}'s"
            )),
            None => refused(format!(
                "the signature is of key {print}, and none who may approve this plan has it"
            )),
        }
        .hint(format!("who may approve: {}", names(approvers))));
    };
    if let Some(name) = name.filter(|name| *name != approver.name) {
        let is_approver = approvers.iter().any(|a| a.name == name);
        let words = if is_approver {
            format!("the signature is {}'s, not {name}'s", approver.name)
        } else {
            format!("{name} is no approver of this plan")
        };
        return Err(refused(words).hint(format!("who may approve: {}", names(approvers))));
    }
    match verify(case_id(plan), &plan.hash, signature, &approver.key) {
        Ok(()) => Ok(approver.name.clone()),
        Err(error) => Err(match other_plan(case, plan, signature, approver)? {
            Some(other) => refused(format!(
                "the signature of {} approves plan {}, and the plan in force is {}: every change \
                 of a plan voids its approvals",
                approver.name,
                other.short(),
                plan.hash.short()
            ))
            .hint("relatch plan show, then sign that one"),
            None => CommandError::new(Kind::Refused, error)
                .hint("what is to be signed, to the byte: relatch plan approve --print-message"),
        }),
    }
}

/// The earlier plan of this case that a signature approves, if it is one.
fn other_plan(
    case: &OpenCase,
    plan: &PlanInForce,
    signature: &str,
    approver: &Approver,
) -> Result<Option<PlanHash>, CommandError> {
    let mut found = None;
    case.ledger.for_each(&mut |record| {
        if let Fact::PlanRecorded { hash, .. } = &record.fact
            && verify(case_id(plan), hash, signature, &approver.key).is_ok()
        {
            found = Some(hash.clone());
        }
    })?;
    Ok(found)
}

fn names(approvers: &[Approver]) -> String {
    let mut names: Vec<&str> = approvers.iter().map(|a| a.name.as_str()).collect();
    names.dedup();
    names.join(", ")
}

/// Has `ssh-keygen` sign, which knows agents, hardware keys and passphrases; it asks the
/// terminal for those by itself. The message goes to its standard input.
fn run_ssh_keygen(key: &Path, text: &str) -> Result<String, CommandError> {
    if !key.exists() {
        return Err(CommandError::new(
            Kind::Usage,
            format!("there is no key file {}", key.display()),
        ));
    }
    let cannot = |error: std::io::Error| {
        CommandError::new(Kind::Failed, format!("cannot run ssh-keygen: {error}")).hint(
            "sign elsewhere: relatch plan approve --print-message, then --signature FILE --as NAME",
        )
    };
    let mut child = Command::new("ssh-keygen")
        .args(["-Y", "sign", "-q", "-n", NAMESPACE, "-f"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(cannot)?;
    if let Some(mut input) = child.stdin.take() {
        // One that ends early says why by itself.
        let _ = input.write_all(text.as_bytes());
    }
    let output = child.wait_with_output().map_err(cannot)?;
    if !output.status.success() {
        return Err(CommandError::new(
            Kind::Failed,
            format!("ssh-keygen did not sign with {}", key.display()),
        )
        .hint("what it says stands above"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
