//! The case identity: the age key pair to which custody is sealed, and how it is protected.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use age::secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{Secret, write_private};

/// Where the private half of a case identity is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// In the case folder, encrypted with a passphrase (age, scrypt).
    Passphrase,
    /// In a file elsewhere, in age's identity format; the case folder holds no copy.
    IdentityFile(PathBuf),
    /// Printed by a command (a password manager, a KMS client) as an age identity.
    Command(Vec<String>),
}

/// What unlocks an identity at the moment of use.
pub enum Unlock<'a> {
    /// The passphrase, asked from a person or read from a file by the caller.
    Passphrase(&'a Secret),
    /// Nothing is asked: the file or the command is enough.
    Unattended,
}

/// An identity that cannot be made, read or unlocked.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file could not be read or written.
    #[error("cannot use the identity file {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The text is not an age identity (`AGE-SECRET-KEY-1…`).
    #[error("{origin} holds no age X25519 identity")]
    NotAnIdentity {
        /// The file or command it came from.
        origin: String,
    },
    /// Wrong passphrase, or a damaged file.
    #[error("the case identity does not open: wrong passphrase, or the file is damaged")]
    WrongPassphrase,
    /// The identity is protected by a passphrase and none was given.
    #[error("the case identity is protected by a passphrase and none was given")]
    PassphraseNeeded,
    /// The command failed; its output is not shown, it may hold the identity.
    #[error("the identity command {program} failed: {status}")]
    Command {
        /// The program.
        program: String,
        /// Its exit status, or why it did not start.
        status: String,
    },
    /// The identity that opened is not the one the case was made with.
    #[error("this identity belongs to another case: expected recipient {expected}")]
    WrongIdentity {
        /// The public half that the case names.
        expected: String,
    },
    /// A sealed file that does not open.
    #[error("{} does not open with this identity: it is damaged or belongs to another case", path.display())]
    NotSealedToThis {
        /// The file.
        path: PathBuf,
    },
    /// Encryption failed.
    #[error("cannot encrypt the case identity")]
    Encrypt(#[source] age::EncryptError),
}

/// An unlocked age identity, in memory only.
#[derive(Clone)]
pub struct CaseIdentity(age::x25519::Identity);

impl fmt::Debug for CaseIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaseIdentity({})", self.recipient())
    }
}

impl CaseIdentity {
    /// Makes a new identity.
    pub fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// Reads an age identity (`AGE-SECRET-KEY-1…`, comments allowed) from text.
    pub fn parse(text: &Secret, origin: &str) -> Result<Self, IdentityError> {
        let none = || IdentityError::NotAnIdentity {
            origin: origin.to_string(),
        };
        let line = text
            .expose_str()
            .and_then(|text| {
                text.lines()
                    .map(str::trim)
                    .find(|l| l.starts_with("AGE-SECRET-KEY-"))
            })
            .ok_or_else(none)?;
        age::x25519::Identity::from_str(line)
            .map(Self)
            .map_err(|_| none())
    }

    /// The public half, `age1…`.
    pub fn recipient(&self) -> String {
        self.0.to_public().to_string()
    }

    /// The identity in age's text form, for a file that only its owner reads.
    pub fn to_text(&self) -> Secret {
        Secret::from(format!("{}\n", self.0.to_string().expose_secret()))
    }

    /// Stores the identity as `protection` says; `folder` is the case's.
    ///
    /// A named identity file is made if it is missing; a command's output must already be
    /// this identity, so nothing is stored for it.
    pub fn store(
        &self,
        folder: &Path,
        protection: &Protection,
        unlock: &Unlock<'_>,
    ) -> Result<(), IdentityError> {
        match protection {
            Protection::Passphrase => {
                let Unlock::Passphrase(passphrase) = unlock else {
                    return Err(IdentityError::PassphraseNeeded);
                };
                let recipient = age::scrypt::Recipient::new(passphrase_text(passphrase)?);
                let sealed = age::encrypt(&recipient, self.to_text().expose())
                    .map_err(IdentityError::Encrypt)?;
                write(&Self::file(folder), &sealed)
            }
            Protection::IdentityFile(path) => write(path, self.to_text().expose()),
            Protection::Command(_) => Ok(()),
        }
    }

    /// Unlocks the identity of the case in `folder` and checks that it is the one whose
    /// public half is `recipient`.
    pub fn unlock(
        folder: &Path,
        protection: &Protection,
        unlock: &Unlock<'_>,
        recipient: &str,
    ) -> Result<Self, IdentityError> {
        let identity = match protection {
            Protection::Passphrase => {
                let Unlock::Passphrase(passphrase) = unlock else {
                    return Err(IdentityError::PassphraseNeeded);
                };
                let path = Self::file(folder);
                let sealed = std::fs::read(&path).map_err(|source| IdentityError::Io {
                    path: path.clone(),
                    source,
                })?;
                let key = age::scrypt::Identity::new(passphrase_text(passphrase)?);
                let text =
                    age::decrypt(&key, &sealed).map_err(|_| IdentityError::WrongPassphrase)?;
                Self::parse(&Secret::new(text), "the case identity")?
            }
            Protection::IdentityFile(path) => Self::read_file(path)?,
            Protection::Command(argv) => Self::from_command(argv)?,
        };
        if identity.recipient() == recipient {
            Ok(identity)
        } else {
            Err(IdentityError::WrongIdentity {
                expected: recipient.to_string(),
            })
        }
    }

    /// Reads an identity file in age's format.
    pub fn read_file(path: &Path) -> Result<Self, IdentityError> {
        let text = std::fs::read(path).map_err(|source| IdentityError::Io {
            path: path.to_path_buf(),
            source,
        })?;
        Self::parse(&Secret::new(text), &path.display().to_string())
    }

    /// Runs a command that prints an identity on its standard output.
    pub fn from_command(argv: &[String]) -> Result<Self, IdentityError> {
        let (program, rest) = argv.split_first().ok_or_else(|| IdentityError::Command {
            program: String::new(),
            status: "no command was given".to_string(),
        })?;
        let failed = |status: String| IdentityError::Command {
            program: program.clone(),
            status,
        };
        let mut child = Command::new(program)
            .args(rest)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let mut text = Vec::new();
        if let Some(stdout) = child.stdout.as_mut() {
            stdout
                .read_to_end(&mut text)
                .map_err(|error| failed(error.to_string()))?;
        }
        let text = Secret::new(text);
        let status = child.wait().map_err(|error| failed(error.to_string()))?;
        if !status.success() {
            return Err(failed(status.to_string()));
        }
        Self::parse(&text, &format!("the output of {program}"))
    }

    /// Writes a value to a file, sealed to a public half.
    pub fn seal_file(recipient: &str, path: &Path, value: &Secret) -> Result<(), IdentityError> {
        write(path, &Self::seal_to(recipient, value.expose())?)
    }

    /// Reads a value from a file that was sealed to this identity.
    pub fn open_file(&self, path: &Path) -> Result<Secret, IdentityError> {
        let sealed = std::fs::read(path).map_err(|source| IdentityError::Io {
            path: path.to_path_buf(),
            source,
        })?;
        self.open(&sealed)
            .ok_or_else(|| IdentityError::NotSealedToThis {
                path: path.to_path_buf(),
            })
    }

    /// Encrypts `bytes` to a public half.
    pub(crate) fn seal_to(recipient: &str, bytes: &[u8]) -> Result<Vec<u8>, IdentityError> {
        let recipient = age::x25519::Recipient::from_str(recipient).map_err(|_| {
            IdentityError::NotAnIdentity {
                origin: recipient.to_string(),
            }
        })?;
        age::encrypt(&recipient, bytes).map_err(IdentityError::Encrypt)
    }

    /// Decrypts what was sealed to this identity.
    pub(crate) fn open(&self, sealed: &[u8]) -> Option<Secret> {
        age::decrypt(&self.0, sealed).ok().map(Secret::new)
    }

    fn file(folder: &Path) -> PathBuf {
        folder.join("identity.age")
    }
}

fn passphrase_text(passphrase: &Secret) -> Result<SecretString, IdentityError> {
    passphrase
        .expose_str()
        .filter(|text| !text.is_empty())
        .map(|text| SecretString::from(text.to_string()))
        .ok_or(IdentityError::PassphraseNeeded)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    write_private(path, bytes).map_err(|source| IdentityError::Io {
        path: path.to_path_buf(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_file_round_trips_and_a_foreign_one_is_refused() {
        let folder = tempfile::tempdir().expect("temp dir");
        let path = folder.path().join("me.txt");
        let identity = CaseIdentity::generate();
        let protection = Protection::IdentityFile(path);
        identity
            .store(folder.path(), &protection, &Unlock::Unattended)
            .expect("store");
        let recipient = identity.recipient();
        CaseIdentity::unlock(folder.path(), &protection, &Unlock::Unattended, &recipient)
            .expect("unlock");
        let other = CaseIdentity::generate().recipient();
        assert!(matches!(
            CaseIdentity::unlock(folder.path(), &protection, &Unlock::Unattended, &other),
            Err(IdentityError::WrongIdentity { .. })
        ));
    }

    #[test]
    fn a_passphrase_protects_and_a_wrong_one_is_told() {
        let folder = tempfile::tempdir().expect("temp dir");
        let identity = CaseIdentity::generate();
        let right = Secret::from("correct horse");
        identity
            .store(
                folder.path(),
                &Protection::Passphrase,
                &Unlock::Passphrase(&right),
            )
            .expect("store");
        let open = |p: &Secret| {
            CaseIdentity::unlock(
                folder.path(),
                &Protection::Passphrase,
                &Unlock::Passphrase(p),
                &identity.recipient(),
            )
        };
        open(&right).expect("unlock");
        assert!(matches!(
            open(&Secret::from("wrong")),
            Err(IdentityError::WrongPassphrase)
        ));
    }

    #[test]
    fn a_failing_command_is_named_and_its_output_is_not() {
        let argv: Vec<String> = ["sh", "-c", "echo canary; exit 3"]
            .iter()
            .map(ToString::to_string)
            .collect();
        let error = CaseIdentity::from_command(&argv)
            .expect_err("must fail")
            .to_string();
        assert!(error.contains("sh") && error.contains('3') && !error.contains("canary"));
    }
}
