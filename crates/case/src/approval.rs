//! Approving a plan with an SSH key that a person already has (requirement R6).
//!
//! The signature is what `ssh-keygen -Y sign` makes (OpenSSH's PROTOCOL.sshsig), over a text
//! that names the case and the plan's hash, so that it says nothing about any other plan.

use ssh_key::{PublicKey, SshSig};

use crate::{CaseId, PlanHash};

/// The namespace that signatures are made for, so that none made for another purpose counts.
pub const NAMESPACE: &str = "plan@relatch";

/// A signature that does not count.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// Not an SSH public key.
    #[error("the approver's public key cannot be read")]
    Key(#[source] ssh_key::Error),
    /// Not an SSH signature.
    #[error("this is no SSH signature: make one with ssh-keygen -Y sign -n {NAMESPACE}")]
    Format(#[source] ssh_key::Error),
    /// Made by another key, for another plan, or in another namespace.
    #[error("the signature is not of this key over this plan")]
    Wrong(#[source] ssh_key::Error),
}

/// What is signed, to the byte.
pub fn message(case: &CaseId, plan: &PlanHash) -> String {
    format!("relatch plan approval\ncase {case}\nplan {plan}\n")
}

/// Checks an armored signature over the approval of a plan.
pub fn verify(
    case: &CaseId,
    plan: &PlanHash,
    signature: &str,
    key: &str,
) -> Result<(), ApprovalError> {
    let key = PublicKey::from_openssh(key).map_err(ApprovalError::Key)?;
    let signature: SshSig = signature.parse().map_err(ApprovalError::Format)?;
    key.verify(NAMESPACE, message(case, plan).as_bytes(), &signature)
        .map_err(ApprovalError::Wrong)
}
