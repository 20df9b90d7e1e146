//! Where the journals of cases are: files of the workspace, or a database for a team.

use std::path::Path;

use relatch_case::postgres::{PostgresConfig, PostgresJournal};
use relatch_case::sqlite::SqliteJournal;
use relatch_case::{CaseId, Journal};

use crate::config::{JournalConfig, ValueFrom};
use crate::error::{CommandError, Kind, OfKind};

/// A journal's file in its case's folder.
const FILE: &str = "journal.db";

/// Where journals are kept. Custody stays in the workspace whatever is chosen.
#[derive(Debug, Clone)]
pub(crate) enum Journals {
    /// A SQLite file in each case's folder.
    Files,
    /// A PostgreSQL database.
    Postgres {
        /// Where it is; holds no password.
        config: Box<PostgresConfig>,
        /// Where the password comes from, asked for when it is needed.
        password: Option<ValueFrom>,
    },
}

impl Journals {
    /// As configured. Refuses an address with a password in it.
    pub(crate) fn configured(config: &JournalConfig) -> Result<Self, CommandError> {
        let Some(address) = &config.postgres else {
            return match config.password {
                None => Ok(Self::Files),
                Some(_) => Err(CommandError::new(
                    Kind::Usage,
                    "journal.password is set and journal.postgres is not",
                )),
            };
        };
        if has_password(address) {
            return Err(CommandError::new(
                Kind::Usage,
                "journal.postgres holds a password: a configuration holds no values",
            )
            .hint("leave it out there, and say where it comes from: journal.password = { env = \"NAME\" }"));
        }
        Ok(Self::Postgres {
            config: Box::new(PostgresConfig::parse(address).kind(Kind::Usage)?),
            password: config.password.clone(),
        })
    }

    /// The cases that have a journal, sorted; `folder` is that of the cases.
    pub(crate) fn case_ids(&self, folder: &Path) -> Result<Vec<CaseId>, CommandError> {
        match self {
            Self::Files => in_files(folder),
            Self::Postgres { config, password } => {
                Ok(PostgresJournal::cases(with(config, password.as_ref())?)?)
            }
        }
    }

    /// Opens the journal of a case that has one.
    pub(crate) fn open_existing(
        &self,
        case: &CaseId,
        folder: &Path,
    ) -> Result<Box<dyn Journal>, CommandError> {
        match self {
            Self::Files => Ok(Box::new(SqliteJournal::open_existing(&folder.join(FILE))?)),
            Self::Postgres { .. } => self.open(case, folder),
        }
    }

    /// Opens a case's journal, making it if there is none.
    pub(crate) fn open(
        &self,
        case: &CaseId,
        folder: &Path,
    ) -> Result<Box<dyn Journal>, CommandError> {
        Ok(match self {
            Self::Files => Box::new(SqliteJournal::open(&folder.join(FILE))?),
            Self::Postgres { config, password } => Box::new(PostgresJournal::open(
                with(config, password.as_ref())?,
                case,
            )?),
        })
    }

    /// Where they are, in words.
    pub(crate) fn place(&self, folder: &Path) -> String {
        match self {
            Self::Files => folder.display().to_string(),
            Self::Postgres { config, .. } => config.address(),
        }
    }
}

fn with(
    config: &PostgresConfig,
    password: Option<&ValueFrom>,
) -> Result<PostgresConfig, CommandError> {
    match password {
        None => Ok(config.clone()),
        Some(from) => Ok(config.clone().with_password(&from.fetch()?)),
    }
}

fn in_files(folder: &Path) -> Result<Vec<CaseId>, CommandError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut ids = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.path().join(FILE).exists()
            && let Some(name) = entry.file_name().to_str()
        {
            ids.push(CaseId::from(name));
        }
    }
    ids.sort();
    Ok(ids)
}

/// Whether an address of either form has a password in it.
fn has_password(address: &str) -> bool {
    let user = address
        .split_once("://")
        .and_then(|(_, rest)| rest.rsplit_once('@'))
        .map(|(user, _)| user);
    user.is_some_and(|user| user.contains(':')) || address.to_lowercase().contains("password")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(address: &str) -> Result<Journals, CommandError> {
        Journals::configured(&JournalConfig {
            postgres: Some(address.to_string()),
            password: None,
        })
    }

    #[test]
    fn a_password_in_the_address_is_refused_and_not_repeated() {
        for address in [
            "postgresql://me:hunter2@db:5432/relatch",
            "postgresql://db/relatch?password=hunter2",
            "host=db user=me password=hunter2",
            "postgresql://me:hun/ter2@db",
            "hunter2 \u{0}",
        ] {
            let error = configured(address).expect_err(address);
            assert!(!error.lines().join("\n").contains("hunter2"), "{address}");
        }
        assert!(configured("postgresql://me@db:5432/relatch").is_ok());
        assert!(configured("host=/run/postgresql user=me dbname=relatch").is_ok());
    }
}
