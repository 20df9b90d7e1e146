//! A key at its issuer, with its past.

use relatch_case::{CredentialId, IssuerId, Principal};

use super::{Ms, Text};

/// Who made a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was there before.
    Old,
    /// The tool.
    Minted(Option<CredentialId>),
    /// A person at the console, for a task.
    Handed(CredentialId),
    /// The thief.
    Thief,
    /// Somebody else of ours.
    Foreign,
}

/// What an issuer holds of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    Active,
    Disabled,
    Deleted,
}

/// One key.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) issuer: IssuerId,
    pub(crate) principal: Principal,
    pub(crate) value: Text,
    pub(crate) name: Option<String>,
    pub(crate) origin: Origin,
    pub(crate) created: Ms,
    /// Every status with the time since when.
    pub(crate) past: Vec<(Ms, Status)>,
    pub(crate) last_used: Option<Ms>,
    /// A new key is refused until then.
    pub(crate) refused_until: Ms,
    /// A key that was switched off may be accepted until then.
    pub(crate) accepted_until: Ms,
}

impl Key {
    pub(crate) fn new(
        now: Ms,
        issuer: &IssuerId,
        principal: &Principal,
        value: Text,
        name: Option<String>,
        origin: Origin,
    ) -> Self {
        Self {
            issuer: issuer.clone(),
            principal: principal.clone(),
            value,
            name,
            origin,
            created: now,
            past: vec![(now, Status::Active)],
            last_used: None,
            refused_until: 0,
            accepted_until: 0,
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.past
            .last()
            .map_or(Status::Deleted, |(_, status)| *status)
    }

    /// As it was shown at a time; `None`: not made yet.
    pub(crate) fn status_at(&self, at: Ms) -> Option<Status> {
        let then = self.past.iter().rev().find(|(since, _)| *since <= at);
        then.map(|(_, status)| *status)
    }

    pub(crate) fn is_active(&self) -> bool {
        self.status() == Status::Active
    }

    /// Whether anybody may still be let in with it.
    pub(crate) fn may_work(&self, now: Ms) -> bool {
        self.is_active() || now < self.accepted_until
    }

    pub(crate) fn become_(&mut self, now: Ms, status: Status) {
        if self.status() != status {
            self.past.push((now, status));
        }
    }

    /// Whether it was made to replace this credential's old key.
    pub(crate) fn is_new_of(&self, credential: &CredentialId) -> bool {
        match &self.origin {
            Origin::Minted(of) => of.as_ref() == Some(credential),
            Origin::Handed(of) => of == credential,
            _ => false,
        }
    }

    /// Whether the tool or a person at its request made it.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.origin, Origin::Minted(_) | Origin::Handed(_))
    }
}
