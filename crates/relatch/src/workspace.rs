//! The folder that holds the fingerprint key and the cases.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rand::TryRngCore;
use rand::rngs::OsRng;
use relatch_case::signature::CaseKey;
use relatch_case::{CaseId, Fact};
use relatch_executor::{Ledger, Vault};
use relatch_secret::{CaseIdentity, Custody, FingerprintKey, Protection, Secret, Unlock};
use zeroize::Zeroizing;

use crate::error::{CommandError, Kind, OfKind};
use crate::journals::Journals;

/// A workspace on disk.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    folder: PathBuf,
    journals: Journals,
}

/// What a new case is opened with.
#[derive(Debug)]
pub(crate) struct NewCase {
    pub(crate) id: CaseId,
    pub(crate) title: String,
    pub(crate) account: Option<String>,
    pub(crate) regions: Vec<String>,
    pub(crate) protection: Protection,
}

/// An existing case, its journal read and its chain checked.
#[derive(Debug, Clone)]
pub(crate) struct OpenCase {
    pub(crate) id: CaseId,
    pub(crate) folder: PathBuf,
    pub(crate) ledger: Arc<Ledger>,
}

impl Workspace {
    /// A workspace with its journals in files.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            journals: Journals::Files,
        }
    }

    /// The same with its journals elsewhere.
    pub(crate) fn with_journals(self, journals: Journals) -> Self {
        Self { journals, ..self }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the workspace if there is none.
    pub(crate) fn create(&self) -> Result<FingerprintKey, CommandError> {
        private_folder(&self.folder)?;
        private_folder(&self.cases())?;
        self.fingerprints()
    }

    /// The key under which values are fingerprinted.
    pub(crate) fn fingerprints(&self) -> Result<FingerprintKey, CommandError> {
        Ok(FingerprintKey::load_or_create(
            &self.folder.join("fingerprint.key"),
        )?)
    }

    /// Where the journal of a case is, in words.
    pub(crate) fn journal_place(&self, case: &CaseId) -> String {
        self.journals.place(&self.cases().join(case.as_str()))
    }

    /// The ids of the cases that have a journal, sorted.
    pub(crate) fn case_ids(&self) -> Result<Vec<CaseId>, CommandError> {
        self.journals.case_ids(&self.cases())
    }

    /// Opens the case of that id, or the one open case there is.
    pub(crate) fn open(&self, id: Option<&CaseId>, by: &str) -> Result<OpenCase, CommandError> {
        if let Some(id) = id {
            return self.read(id, by);
        }
        let mut open = Vec::new();
        for id in self.case_ids()? {
            let case = self.read(&id, by)?;
            if case.ledger.with(|state| state.closed.is_none()) {
                open.push(case);
            }
        }
        match open.len() {
            1 => open.pop().ok_or("no case").kind(Kind::Failed),
            0 => Err(CommandError::new(
                Kind::Usage,
                format!(
                    "there is no open case in {}",
                    self.journals.place(&self.folder)
                ),
            )
            .hint("open one: relatch case open --title \"what happened\" --account 123456789012")),
            _ => {
                let ids: Vec<&str> = open.iter().map(|case| case.id.as_str()).collect();
                Err(CommandError::new(Kind::Usage, "several cases are open")
                    .hint(format!("name one with --case: {}", ids.join(", "))))
            }
        }
    }

    /// Opens a new case: identity, custody, case key, then the journal with its first fact.
    pub(crate) fn open_new(
        &self,
        new: &NewCase,
        unlock: &Unlock<'_>,
        by: &str,
        now: Timestamp,
    ) -> Result<OpenCase, CommandError> {
        self.create()?;
        let folder = self.cases().join(new.id.as_str());
        let exists = || CommandError::new(Kind::Usage, format!("case {} exists already", new.id));
        if self.case_ids()?.contains(&new.id) {
            return Err(exists());
        }
        // Its journal may be elsewhere; writing over its key would lose what it sealed.
        if folder.join(KEY).exists() {
            let folder = folder.display();
            return Err(exists().hint(format!(
                "{folder} has its key, though no journal is where [journal] says: name another --id"
            )));
        }
        private_folder(&folder)?;
        let identity = match &new.protection {
            Protection::Command(argv) => CaseIdentity::from_command(argv)?,
            Protection::IdentityFile(path) if path.exists() => CaseIdentity::read_file(path)?,
            _ => CaseIdentity::generate(),
        };
        identity.store(&folder, &new.protection, unlock)?;
        let recipient = identity.recipient();
        Custody::create(&folder.join(CUSTODY), &recipient)?;
        let mut seed = Zeroizing::new([0u8; 32]);
        OsRng
            .try_fill_bytes(seed.as_mut_slice())
            .kind(Kind::Failed)?;
        CaseIdentity::seal_file(&recipient, &folder.join(KEY), &Secret::new(seed.to_vec()))?;
        let ledger = Ledger::open(self.journals.open(&new.id, &folder)?, by)?;
        let fact = Fact::CaseOpened {
            id: new.id.clone(),
            title: new.title.clone(),
            account: new.account.clone(),
            regions: new.regions.clone(),
            public_key: CaseKey::from_seed(&seed).public(),
            recipient,
            protection: new.protection.clone(),
        };
        ledger.record(now, vec![fact])?;
        Ok(OpenCase {
            id: new.id.clone(),
            folder,
            ledger: Arc::new(ledger),
        })
    }

    fn read(&self, id: &CaseId, by: &str) -> Result<OpenCase, CommandError> {
        let folder = self.cases().join(id.as_str());
        if !self.case_ids()?.contains(id) {
            return Err(
                CommandError::new(Kind::Usage, format!("there is no case {id}"))
                    .hint("relatch case list"),
            );
        }
        let ledger = Ledger::open(self.journals.open_existing(id, &folder)?, by)?;
        Ok(OpenCase {
            id: id.clone(),
            folder,
            ledger: Arc::new(ledger),
        })
    }

    fn cases(&self) -> PathBuf {
        self.folder.join("cases")
    }
}

impl OpenCase {
    /// Unlocks the case identity.
    pub(crate) fn unlock(&self, unlock: &Unlock<'_>) -> Result<CaseIdentity, CommandError> {
        self.must_be_here()?;
        let (protection, recipient) = self
            .ledger
            .with(|state| {
                state
                    .case
                    .as_ref()
                    .map(|case| (case.protection.clone(), case.recipient.clone()))
            })
            .ok_or("the journal has no first fact")
            .kind(Kind::Failed)?;
        Ok(CaseIdentity::unlock(
            &self.folder,
            &protection,
            unlock,
            &recipient,
        )?)
    }

    /// A journal can be shared; custody and the case key stay where the case was opened.
    fn must_be_here(&self) -> Result<(), CommandError> {
        if self.folder.join(KEY).exists() {
            return Ok(());
        }
        let words = format!(
            "the custody of case {} is not in this workspace ({})",
            self.id,
            self.folder.display()
        );
        Err(CommandError::new(Kind::Usage, words)
            .hint("run this where the case was opened, or bring that folder here"))
    }

    /// Whether unlocking asks for a passphrase.
    pub(crate) fn needs_passphrase(&self) -> bool {
        self.ledger.with(|state| {
            state
                .case
                .as_ref()
                .is_some_and(|case| case.protection == Protection::Passphrase)
        })
    }

    /// Sealed values, for taking in only.
    pub(crate) fn custody(&self) -> Result<Custody, CommandError> {
        self.must_be_here()?;
        Ok(Custody::load(&self.folder.join(CUSTODY))?)
    }

    /// Sealed values, open.
    pub(crate) fn vault(&self, identity: &CaseIdentity) -> Result<Vault, CommandError> {
        Ok(Vault::new(self.custody()?.open(identity)?))
    }

    /// The key that signs certificates.
    pub(crate) fn key(&self, identity: &CaseIdentity) -> Result<CaseKey, CommandError> {
        let seed = identity.open_file(&self.folder.join(KEY))?;
        let seed: [u8; 32] = seed
            .expose()
            .try_into()
            .map_err(|_| "the case key is damaged")
            .kind(Kind::Failed)?;
        Ok(CaseKey::from_seed(&Zeroizing::new(seed)))
    }
}

const CUSTODY: &str = "custody";
const KEY: &str = "case.key.age";

fn private_folder(path: &Path) -> Result<(), CommandError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| {
            CommandError::new(
                Kind::Failed,
                format!("cannot make {}: {error}", path.display()),
            )
        })
}
