//! Where a test puts a bug between the engine and the model, to see it caught.

use std::sync::Arc;

use relatch_case::{Journal, Plan};
use relatch_executor::Sealed;
use relatch_issuers::Issuer;
use relatch_places::{Roller, Store};

type Around<T> = Arc<dyn Fn(T) -> T + Send + Sync>;
type Wrap<T> = Option<Around<T>>;

/// What stands between the engine and the model.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Around each process's journal.
    pub journal: Wrap<Box<dyn Journal>>,
    /// Around each process's issuers.
    pub issuer: Wrap<Arc<dyn Issuer>>,
    /// Around each process's store.
    pub store: Wrap<Arc<dyn Store>>,
    /// Around each process's roller.
    pub roller: Wrap<Arc<dyn Roller>>,
    /// Around each process's custody.
    pub custody: Wrap<Arc<dyn Sealed>>,
    /// Changes a plan before it is recorded.
    pub plan: Wrap<Plan>,
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hooks")
    }
}

pub(crate) fn through<T>(hook: Option<&Around<T>>, inner: T) -> T {
    match hook {
        Some(wrap) => wrap(inner),
        None => inner,
    }
}

/// Custody behind a pointer.
pub(crate) struct Shared(pub(crate) Arc<dyn Sealed>);

impl Sealed for Shared {
    fn seal(
        &self,
        values: &[(String, relatch_secret::Secret)],
    ) -> Result<(), relatch_secret::CustodyError> {
        self.0.seal(values)
    }

    fn take(
        &self,
        name: &str,
    ) -> Result<Option<relatch_secret::Secret>, relatch_secret::CustodyError> {
        self.0.take(name)
    }

    fn discard(&self, name: &str) -> Result<(), relatch_secret::CustodyError> {
        self.0.discard(name)
    }
}
