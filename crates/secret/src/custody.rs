//! Sealed storage of values between minting and certificate.
//!
//! Values are sealed to a key pair of their own (the custody key), whose private half is
//! sealed to the case identity. Sealing needs only public halves, so a run can mint while the
//! identity stays locked; opening needs the identity; shredding destroys the custody key and
//! with it every value, wherever copies of the sealed files went.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::atomic::destroy;
use crate::sealed::SealedValues;
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
    /// The file of sealed values could not be read or written.
    #[error("cannot use custody file {}", path.display())]
    Values {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A sealed value does not open with this custody key.
    #[error("the sealed value {name} in {} does not open: it is damaged or belongs to another case", path.display())]
    DamagedValue {
        /// What it is called.
        name: String,
        /// The file.
        path: PathBuf,
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
    /// The identity failed.
    #[error("cannot seal to the case identity")]
    Identity(#[from] IdentityError),
}

/// Custody that can take values in.
#[derive(Debug, Clone)]
pub struct Custody {
    folder: PathBuf,
    recipient: String,
    values: Arc<SealedValues>,
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
        let values = SealedValues::create(folder.join(VALUES))?;
        Ok(Self {
            folder: folder.to_path_buf(),
            recipient,
            values: Arc::new(values),
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
            values: Arc::new(SealedValues::at(folder.join(VALUES))),
        })
    }

    /// Seals values under their names, all of them or none; they are on disk, synced, when this
    /// returns. A name that is already taken is written over.
    pub fn seal(&self, values: &[(String, Secret)]) -> Result<(), CustodyError> {
        if self.is_shredded() {
            return Err(CustodyError::Shredded);
        }
        let seal = |(name, value): &(String, Secret)| {
            CaseIdentity::seal_to(&self.recipient, value.expose())
                .map(|sealed| (name.clone(), sealed))
        };
        let sealed: Vec<_> = values.iter().map(seal).collect::<Result<_, _>>()?;
        self.values.put(&sealed)
    }

    /// Unlocks custody with the case identity.
    pub fn open(&self, identity: &CaseIdentity) -> Result<OpenCustody, CustodyError> {
        if self.is_shredded() {
            return Err(CustodyError::Shredded);
        }
        let path = self.folder.join(KEY);
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
        self.values.remove(name)
    }

    /// Destroys the custody key, then every sealed value. Doing it twice is fine.
    pub fn shred(&self) -> Result<(), CustodyError> {
        let path = self.folder.join(KEY);
        destroy(&path).map_err(|source| CustodyError::Io { path, source })?;
        self.values.destroy()
    }

    fn is_shredded(&self) -> bool {
        !self.folder.join(KEY).exists()
    }
}

impl OpenCustody {
    /// The sealing half.
    pub fn custody(&self) -> &Custody {
        &self.custody
    }

    /// Gives a sealed value back, or `None` when none of that name is held.
    pub fn take(&self, name: &str) -> Result<Option<Secret>, CustodyError> {
        let Some(sealed) = self.custody.values.get(name)? else {
            return Ok(None);
        };
        let damaged = || CustodyError::DamagedValue {
            name: name.to_string(),
            path: self.custody.folder.join(VALUES),
        };
        self.key.open(&sealed).map(Some).ok_or_else(damaged)
    }
}

const KEY: &str = "key.age";
const RECIPIENT: &str = "recipient.txt";
const VALUES: &str = "values.db";

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

    fn all_bytes(folder: &Path) -> Vec<u8> {
        let entries = std::fs::read_dir(folder).expect("list");
        let read = |entry: io::Result<std::fs::DirEntry>| {
            std::fs::read(entry.expect("entry").path()).expect("read")
        };
        entries.flat_map(read).collect()
    }

    fn holds(haystack: &[u8], needle: &[u8]) -> bool {
        haystack.windows(needle.len()).any(|part| part == needle)
    }

    fn one(name: &str, value: &str) -> [(String, Secret); 1] {
        [(name.to_string(), Secret::from(value))]
    }

    #[test]
    fn a_sealed_value_comes_back_and_no_byte_of_it_is_on_disk() {
        let folder = tempfile::tempdir().expect("temp dir");
        let identity = CaseIdentity::generate();
        let custody = Custody::create(folder.path(), &identity.recipient()).expect("create");
        let values = ["a", "b"].map(|name| (name.into(), Secret::from(format!("canary-{name}"))));
        custody.seal(&values).expect("seal");
        assert!(!holds(&all_bytes(folder.path()), b"canary"));
        let open = Custody::load(folder.path())
            .expect("load")
            .open(&identity)
            .expect("open");
        let value = open.take("b").expect("take").expect("held");
        assert_eq!(value.expose(), b"canary-b");
        assert!(open.take("other").expect("take").is_none());
        custody.seal(&one("b", "again")).expect("seal");
        let value = open.take("b").expect("take").expect("held");
        assert_eq!(value.expose(), b"again");
    }

    #[cfg(unix)]
    #[test]
    fn its_files_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().expect("temp dir");
        let identity = CaseIdentity::generate();
        let custody = Custody::create(folder.path(), &identity.recipient()).expect("create");
        custody.seal(&one("a", "v")).expect("seal");
        let mut files = 0;
        for entry in std::fs::read_dir(folder.path()).expect("list") {
            let entry = entry.expect("entry");
            let mode = entry.metadata().expect("metadata").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{:?}", entry.path());
            files += 1;
        }
        assert!(files > 3, "the log is beside the file");
    }

    #[test]
    fn what_is_discarded_is_no_longer_on_disk() {
        let folder = tempfile::tempdir().expect("temp dir");
        let identity = CaseIdentity::generate();
        let custody = Custody::create(folder.path(), &identity.recipient()).expect("create");
        custody.seal(&one("a", "v")).expect("seal");
        let sealed = custody.values.get("a").expect("get").expect("held");
        assert!(holds(&all_bytes(folder.path()), &sealed));
        custody.discard("a").expect("discard");
        custody.discard("a").expect("twice");
        assert!(!holds(&all_bytes(folder.path()), &sealed));
        assert_eq!(custody.values.get("a").expect("get"), None);
    }

    #[test]
    fn shredding_is_final_even_for_a_saved_copy() {
        let folder = tempfile::tempdir().expect("temp dir");
        let identity = CaseIdentity::generate();
        let custody = Custody::create(folder.path(), &identity.recipient()).expect("create");
        custody.seal(&one("a", "v")).expect("seal");
        let copy = std::fs::read(folder.path().join(VALUES)).expect("copy");
        custody.shred().expect("shred");
        custody.shred().expect("twice");
        let left = std::fs::read_dir(folder.path()).expect("list").count();
        assert_eq!(left, 1, "the public half");
        std::fs::write(folder.path().join(VALUES), copy).expect("restore");
        assert!(matches!(
            custody.open(&identity),
            Err(CustodyError::Shredded)
        ));
        assert!(matches!(
            custody.seal(&one("b", "v")),
            Err(CustodyError::Shredded)
        ));
    }

    #[test]
    fn a_file_that_is_gone_or_damaged_is_an_error_and_not_an_empty_one() {
        let folder = tempfile::tempdir().expect("temp dir");
        let identity = CaseIdentity::generate();
        let made = Custody::create(folder.path(), &identity.recipient()).expect("create");
        made.seal(&one("a", "v")).expect("seal");
        drop(made);
        let reopened = || {
            let custody = Custody::load(folder.path()).expect("load");
            custody.open(&identity).expect("open").take("a")
        };
        assert!(reopened().expect("take").is_some());
        let values = folder.path().join(VALUES);
        std::fs::write(
            &values,
            b"not a database, but long enough to be read as a header",
        )
        .expect("write");
        assert!(matches!(reopened(), Err(CustodyError::Values { .. })));
        std::fs::remove_file(&values).expect("removed");
        assert!(matches!(reopened(), Err(CustodyError::Values { .. })));
    }
}
