//! What a suite found.

/// Where an adapter does not hold to its contract. All of them are collected, so that one run
/// shows everything.
#[derive(Debug, Default)]
#[must_use = "findings that nobody looks at find nothing"]
pub struct Findings {
    breaches: Vec<String>,
    checked: usize,
}

impl Findings {
    /// Notes a breach, described by `what`, unless `holds`.
    pub fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        self.checked += 1;
        if !holds {
            self.breaches.push(what());
        }
    }

    /// Takes over what another run found.
    pub fn extend(&mut self, other: Self) {
        self.breaches.extend(other.breaches);
        self.checked += other.checked;
    }

    /// Every breach, in words.
    pub fn breaches(&self) -> &[String] {
        &self.breaches
    }

    /// How many checks were made.
    pub fn checked(&self) -> usize {
        self.checked
    }

    /// Panics with every breach, if there is one, or if nothing was checked at all.
    pub fn assert_none(&self) {
        assert!(self.checked > 0, "nothing was checked");
        assert!(
            self.breaches.is_empty(),
            "{} of {} checks failed:\n- {}",
            self.breaches.len(),
            self.checked,
            self.breaches.join("\n- ")
        );
    }
}
