//! Sealed storage of values between minting and certificate.
//!
//! Values are sealed to a key pair of their own (the custody key), whose private half is
//! sealed to the case identity. Sealing needs only public halves, so a run can mint while the
//! identity stays locked; opening needs the identity; shredding destroys the custody key and
//! with it every value, wherever copies of the sealed files went.

use std::io;
use std::path::{Path, PathBuf};

use crate::atomic::destroy;
use crate::{CaseIdentity, IdentityError, Secret, write_private};

/// Custody that failed. Nothing of a value is ever in it.
#[derive(Debug, thiserror::Error)]
pub enum CustodyError {
    /// A sealed file could not be read or written.
    #[error("cannot use custody file {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A sealed file does not open with this custody key.
    #[error("custody file {} does not open: it is damaged or belongs to another case", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Custody was shredded: its key is gone on purpose.
    #[error("custody of this case was shredded")]
    Shredded,
    /// A name that cannot be a file name.
    #[error("{0:?} is no name for a sealed value")]
    BadName(String),
    /// The identity failed.
    #[error("cannot seal to the case identity")]
    Identity(#[from] IdentityError),
}

/// Custody that can take values in.
#[derive(Debug, Clone)]
pub struct Custody {
    folder: PathBuf,
    recipient: String,
}

/// Custody that can also give values back: the identity was unlocked.
#[derive(Debug, Clone)]
pub struct OpenCustody {
    custody: Custody,
    key: CaseIdentity,
}

impl Custody {
    /// Makes custody in `folder`, its key sealed to the case identity's public half.
    pub fn create(folder: &Path, identity_recipient: &str) -> Result<Self, CustodyError> {
        let key = CaseIdentity::generate();
        let sealed = CaseIdentity::seal_to(identity_recipient, key.to_text().expose())?;
        write(&folder.join(KEY), &sealed)?;
        let recipient = key.recipient();
        write(&folder.join(RECIPIENT), recipient.as_bytes())?;
        Ok(Self {
            folder: folder.to_path_buf(),
            recipient,
        })
    }

    /// Opens existing custody for sealing.
    pub fn load(folder: &Path) -> Result<Self, CustodyError> {
        let recipient = String::from_utf8(read(&folder.join(RECIPIENT))?).map_err(|_| {
            CustodyError::Damaged {
                path: folder.join(RECIPIENT),
            }
        })?;
        Ok(Self {
            folder: folder.to_path_buf(),
            recipient: recipient.trim().to_string(),
        })
    }

    /// Seals a value under `name`; it is on disk, synced, when this returns. A name that is
    /// already taken is written over.
    pub fn seal(&self, name: &str, value: &Secret) -> Result<(), CustodyError> {
        if !self.folder.join(KEY).exists() {
            return Err(CustodyError::Shredded);
        }
        let path = self.path(name)?;
        let sealed = CaseIdentity::seal_to(&self.recipient, value.expose())?;
        write(&path, &sealed)
    }

    /// Whether a value of that name is held.
    pub fn holds(&self, name: &str) -> bool {
        self.path(name).is_ok_and(|path| path.exists())
    }

    /// Unlocks custody with the case identity.
    pub fn open(&self, identity: &CaseIdentity) -> Result<OpenCustody, CustodyError> {
        let path = self.folder.join(KEY);
        if !path.exists() {
            return Err(CustodyError::Shredded);
        }
        let text = identity
            .open(&read(&path)?)
            .ok_or_else(|| CustodyError::Damaged { path: path.clone() })?;
        let key = CaseIdentity::parse(&text, "the custody key")?;
        Ok(OpenCustody {
            custody: self.clone(),
            key,
        })
    }

    /// Destroys one sealed value; absent is fine.
    pub fn discard(&self, name: &str) -> Result<(), CustodyError> {
        let path = self.path(name)?;
        destroy(&path).map_err(|source| CustodyError::Io { path, source })
    }

    /// Destroys the custody key, then every sealed value. Doing it twice is fine.
    pub fn shred(&self) -> Result<(), CustodyError> {
        let key = self.folder.join(KEY);
        destroy(&key).map_err(|source| CustodyError::Io { path: key, source })?;
        let io_error = |source| CustodyError::Io {
            path: self.folder.clone(),
            source,
        };
        for entry in std::fs::read_dir(&self.folder).map_err(io_error)? {
            let path = entry.map_err(io_error)?.path();
            if path.extension().is_some_and(|e| e == "age") {
                destroy(&path).map_err(|source| CustodyError::Io { path, source })?;
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> Result<PathBuf, CustodyError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.starts_with('.') || name == "key" || !name.chars().all(plain) {
            return Err(CustodyError::BadName(name.to_string()));
        }
        Ok(self.folder.join(format!("{name}.age")))
    }
}

impl OpenCustody {
    /// The sealing half.
    pub fn custody(&self) -> &Custody {
        &self.custody
    }

    /// Gives a sealed value back, or `None` when none of that name is held.
    pub fn take(&self, name: &str) -> Result<Option<Secret>, CustodyError> {
        let path = self.custody.path(name)?;
        if !path.exists() {
            return Ok(None);
        }
        self.key
            .open(&read(&path)?)
            .map(Some)
            .ok_or(CustodyError::Damaged { path })
    }
}

const KEY: &str = "key.age";
const RECIPIENT: &str = "recipient.txt";

fn read(path: &Path) -> Result<Vec<u8>, CustodyError> {
    std::fs::read(path).map_err(|source| CustodyError::Io {
        path: path.to_path_buf(),
        source,
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CustodyError> {
    write_private(path, bytes).map_err(|source| CustodyError::Io {
        path: path.to_path_buf(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_comes_back_and_no_byte_of_it_is_on_disk() {
        let folder = tempfile::tempdir().expect("temp dir");
        let identity = CaseIdentity::generate();
        let custody = Custody::create(folder.path(), &identity.recipient()).expect("create");
        custody
            .seal("new-1", &Secret::from("canary-value"))
            .expect("seal");
        for entry in std::fs::read_dir(folder.path()).expect("list") {
            let bytes = std::fs::read(entry.expect("entry").path()).expect("read");
            assert!(!bytes.windows(6).any(|w| w == b"canary"));
        }
        let open = Custody::load(folder.path())
            .expect("load")
            .open(&identity)
            .expect("open");
        let value = open.take("new-1").expect("take").expect("held");
        assert_eq!(value.expose(), b"canary-value");
        assert!(open.take("other").expect("take").is_none());
    }

    #[test]
    fn shredding_is_final_even_for_a_saved_copy() {
        let folder = tempfile::tempdir().expect("temp dir");
        let identity = CaseIdentity::generate();
        let custody = Custody::create(folder.path(), &identity.recipient()).expect("create");
        custody.seal("a", &Secret::from("v")).expect("seal");
        let copy = std::fs::read(folder.path().join("a.age")).expect("copy");
        custody.shred().expect("shred");
        custody.shred().expect("twice");
        std::fs::write(folder.path().join("a.age"), copy).expect("restore");
        assert!(matches!(
            custody.open(&identity),
            Err(CustodyError::Shredded)
        ));
        assert!(matches!(
            custody.seal("b", &Secret::from("v")),
            Err(CustodyError::Shredded)
        ));
    }

    #[test]
    fn a_name_cannot_leave_the_folder() {
        let folder = tempfile::tempdir().expect("temp dir");
        let identity = CaseIdentity::generate();
        let custody = Custody::create(folder.path(), &identity.recipient()).expect("create");
        for name in ["../x", "a/b", "", ".hidden", "key"] {
            assert!(matches!(
                custody.seal(name, &Secret::from("v")),
                Err(CustodyError::BadName(_))
            ));
        }
    }
}
