//! `relatch waive`: a decision with reason, owner and expiry (requirement I6).

use clap::Args;
use jiff::Timestamp;
use relatch_case::{CredentialId, Fact};

use crate::app::App;
use crate::error::{CommandError, Kind};

/// Options of `waive`.
#[derive(Debug, Args)]
pub(crate) struct WaiveArgs {
    /// The credential, as `relatch plan` names it
    credential: String,
    /// Why it is not rotated
    #[arg(long, value_name = "REASON")]
    because: String,
    /// Who answers for it
    #[arg(long)]
    owner: String,
    /// Until when, as 2026-12-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    expires: Timestamp,
}

pub(crate) fn run(app: &App, args: WaiveArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let credential = CredentialId::new(args.credential);
    let now = app.now();
    if !case
        .ledger
        .with(|state| state.credentials.contains_key(&credential))
    {
        return Err(CommandError::new(
            Kind::Usage,
            format!("no credential {credential} is known"),
        ));
    }
    if args.expires <= now {
        return Err(CommandError::new(
            Kind::Usage,
            "a waiver must expire in the future",
        ));
    }
    let fact = Fact::Waived {
        credential: credential.clone(),
        because: args.because,
        owner: args.owner,
        expires: args.expires,
    };
    case.ledger.record(now, vec![fact])?;
    app.printer
        .note(&format!("{credential} is waived until {:.0}", args.expires));
    Ok(())
}
