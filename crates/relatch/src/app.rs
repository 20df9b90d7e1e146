//! What every command has at hand.

use std::path::PathBuf;

use jiff::Timestamp;
use relatch_case::CaseId;
use relatch_secret::{CaseIdentity, Secret, Unlock};

use crate::config::{Config, ValueFrom};
use crate::error::{CommandError, Kind, OfKind};
use crate::output::Printer;
use crate::workspace::{OpenCase, Workspace};

/// Settings that hold for the whole run.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) printer: Printer,
    pub(crate) workspace: Workspace,
    pub(crate) config: Config,
    pub(crate) case: Option<CaseId>,
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Who records facts.
    pub(crate) by: String,
}

impl App {
    /// Now, by the machine's clock.
    #[expect(clippy::unused_self, reason = "the run is what has a clock")]
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// The case named, or the one open case.
    pub(crate) fn open_case(&self) -> Result<OpenCase, CommandError> {
        self.workspace.open(self.case.as_ref(), &self.by)
    }

    /// Unlocks the identity of a case, asking for the passphrase if it needs one.
    pub(crate) fn unlock(&self, case: &OpenCase) -> Result<CaseIdentity, CommandError> {
        if !case.needs_passphrase() {
            return case.unlock(&Unlock::Unattended);
        }
        let passphrase = self.passphrase("Passphrase of the case: ")?;
        case.unlock(&Unlock::Passphrase(&passphrase))
    }

    /// A passphrase, from the file given or from the person at the terminal.
    pub(crate) fn passphrase(&self, prompt: &str) -> Result<Secret, CommandError> {
        if let Some(path) = &self.passphrase_file {
            return ValueFrom::File(path.clone()).fetch();
        }
        self.ask_hidden(prompt)
    }

    /// Asks for a value without showing it.
    pub(crate) fn ask_hidden(&self, prompt: &str) -> Result<Secret, CommandError> {
        if !self.printer.can_ask() {
            return Err(CommandError::new(
                Kind::Usage,
                "a passphrase is needed and nobody can be asked",
            )
            .hint(
                "give --passphrase-file FILE, or protect the case by an identity file or a command",
            ));
        }
        let text = rpassword::prompt_password(prompt).kind(Kind::Failed)?;
        Ok(Secret::from(text))
    }

    /// Asks a yes-or-no question; `yes` answers it beforehand.
    pub(crate) fn confirm(&self, question: &str, yes: bool) -> Result<(), CommandError> {
        if yes {
            return Ok(());
        }
        if !self.printer.can_ask() {
            return Err(
                CommandError::new(Kind::Refused, format!("{question}: not confirmed"))
                    .hint("say --yes to confirm without being asked"),
            );
        }
        self.printer.note(&format!("{question} Type yes to go on:"));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        if answer.trim() == "yes" {
            return Ok(());
        }
        Err(CommandError::new(
            Kind::Refused,
            "not confirmed: nothing was done",
        ))
    }

    /// Asks for a word to be typed, where a yes would be too easy.
    pub(crate) fn confirm_by_typing(
        &self,
        question: &str,
        word: &str,
        yes: bool,
    ) -> Result<(), CommandError> {
        if yes {
            return Ok(());
        }
        if !self.printer.can_ask() {
            return Err(
                CommandError::new(Kind::Refused, format!("{question} Not confirmed"))
                    .hint("say --yes to confirm without being asked"),
            );
        }
        self.printer
            .note(&format!("{question} Type {word} to go on:"));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        if answer.trim() == word {
            return Ok(());
        }
        Err(CommandError::new(
            Kind::Refused,
            "not confirmed: nothing was done",
        ))
    }
}

/// Who is at work: the account's name on this machine and the machine's.
pub(crate) fn who() -> String {
    let user = std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .unwrap_or_default();
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let name = |text: &str, other: &str| {
        let text = relatch_secret::redact::printable_text(text.trim());
        if text.is_empty() {
            other.to_string()
        } else {
            text
        }
    };
    format!("{}@{}", name(&user, "unknown"), name(&host, "localhost"))
}
