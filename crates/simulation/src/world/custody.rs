//! Custody of the model.

use std::io;
use std::path::PathBuf;

use relatch_executor::Sealed;
use relatch_secret::{CustodyError, Secret};

use super::Port;
use crate::dice::Kind;

/// Custody as one process has it.
#[derive(Clone)]
pub(crate) struct ModelCustody(pub(crate) Port);

impl ModelCustody {
    fn may_fail(&self, what: &str) -> Result<(), CustodyError> {
        let failed = || CustodyError::Io {
            path: PathBuf::from("custody"),
            source: io::Error::other("no space left"),
        };
        let mut inner = self.0.model.lock();
        if inner.dice.strike(Kind::CustodyFails, what).is_some() {
            inner.tell("fault", || format!("custody fails: {what}"));
            return Err(failed());
        }
        if self.0.process.is_dead() {
            return Err(failed());
        }
        Ok(())
    }
}

impl Sealed for ModelCustody {
    fn seal(&self, values: &[(String, Secret)]) -> Result<(), CustodyError> {
        self.may_fail("seal")?;
        let mut inner = self.0.model.lock();
        let values = values.iter();
        let values = values.map(|(name, value)| (name.clone(), value.expose().to_vec()));
        inner.custody.extend(values);
        Ok(())
    }

    fn take(&self, name: &str) -> Result<Option<Secret>, CustodyError> {
        self.may_fail("take")?;
        let inner = self.0.model.lock();
        Ok(inner
            .custody
            .get(name)
            .map(|value| Secret::new(value.clone())))
    }

    fn discard(&self, name: &str) -> Result<(), CustodyError> {
        self.0.model.lock().custody.remove(name);
        Ok(())
    }
}
