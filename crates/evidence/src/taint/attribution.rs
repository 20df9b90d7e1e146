//! Follows the attacker from the seeds through every credential he got hold of.
//!
//! The events stay where they are; each gets a mark and, when it is the attacker's, the link
//! that led to it. Marks only ever grow, so the order of the log does not change the result.

use std::collections::VecDeque;

use relatch_shelf::List;

use crate::log::tables::{Map, Numbers, Set};
use crate::log::{Fact, IdentityKind, Log, Row, Sym, What};
use crate::taint::actors::{Credential, Index};
use crate::taint::links::{Doubt, Link, Mark};

/// Seconds between the call that makes a session and the session's own creation date.
pub(crate) const SLACK: i64 = 5;

/// Longest life of a session: 36 hours, in milliseconds (IAM user guide, GetFederationToken).
const SESSION_LIFE: i64 = 36 * 3_600_000;

/// Longest life of a console session: 12 hours, in milliseconds (IAM user guide).
const CONSOLE_LIFE: i64 = 12 * 3_600_000;

/// The spread of taint over a log.
pub(crate) struct Taint<'a> {
    pub(crate) log: &'a Log,
    pub(crate) index: &'a Index,
    marks: List<Mark>,
    why: Map<u32, (Link, Option<u32>)>,
    doubts: Map<u32, (Doubt, Option<u32>)>,
    /// Events of acquitted actors: they are never marked.
    spared: Set<u32>,
    queue: VecDeque<u32>,
    /// Events that announce a key, by key.
    announced: Numbers<Sym>,
    /// Events that ask for a role, by the role's ARN.
    asked: Numbers<Sym>,
    /// Events that set a source identity, by it.
    set_identity: Numbers<Sym>,
    /// Events that open a session, by the session's ARN.
    opened: Numbers<Sym>,
    /// Role switches in the console, by the ARN they came from.
    switched: Numbers<Sym>,
}

impl<'a> Taint<'a> {
    /// No event marked yet.
    pub(crate) fn new(log: &'a Log, index: &'a Index) -> Self {
        let facts = |what: What| {
            let rows = index.telling.iter();
            let all = rows.flat_map(|row| log.facts(*row).iter().map(|fact| (*row, fact)));
            all.filter(move |(_, fact)| fact.what == what)
        };
        let named = |what| Numbers::new(facts(what).map(|(row, fact)| (fact.name, row)));
        let opened = facts(What::Minted).filter(|(_, fact)| fact.other.some());
        Taint {
            log,
            index,
            marks: List::of(Mark::None, log.len()),
            why: Map::default(),
            doubts: Map::default(),
            spared: Set::default(),
            queue: VecDeque::new(),
            announced: named(What::Minted),
            asked: named(What::RoleAsked),
            set_identity: named(What::SourceIdentitySet),
            opened: Numbers::new(opened.map(|(row, fact)| (fact.other, row))),
            switched: named(What::SwitchedFrom),
        }
    }

    /// The mark of an event.
    pub(crate) fn mark(&self, row: u32) -> Mark {
        self.marks[row as usize]
    }

    /// The link that led to an event of the attacker's, and the event it came from.
    pub(crate) fn why(&self, row: u32) -> Option<(Link, Option<u32>)> {
        self.why.get(&row).copied()
    }

    /// The events that announce a key.
    pub(crate) fn announcers(&self, key: Sym) -> impl Iterator<Item = u32> {
        self.announced.get(key)
    }

    /// All events of the attacker's, in the order of time.
    pub(crate) fn tainted(&self) -> Vec<u32> {
        (0u32..)
            .zip(&self.marks)
            .filter(|(_, mark)| **mark == Mark::Tainted)
            .map(|(row, _)| row)
            .collect()
    }

    /// The events that the seeds, or a person, led to directly.
    pub(crate) fn tainted_seeds(&self) -> Vec<u32> {
        let mut rows: Vec<u32> = self
            .why
            .iter()
            .filter(|(_, (link, _))| matches!(link, Link::Seed | Link::Convicted))
            .map(|(row, _)| *row)
            .collect();
        rows.sort_unstable();
        rows
    }

    /// An event.
    pub(crate) fn row(&self, row: u32) -> Row<'a> {
        self.log.row(row)
    }

    /// Marks an event as the attacker's.
    pub(crate) fn taint(&mut self, row: u32, link: Link, from: Option<u32>) {
        if self.marks[row as usize] != Mark::Tainted
            && !self.row(row).flags.insight
            && !self.is_spared(row)
        {
            self.marks[row as usize] = Mark::Tainted;
            self.why.insert(row, (link, from));
            self.queue.push_back(row);
        }
    }

    /// Marks an event as perhaps the attacker's; the first reason stays.
    pub(crate) fn doubt(&mut self, row: u32, why: Doubt, from: Option<u32>) {
        if self.marks[row as usize] == Mark::None && !self.is_spared(row) {
            self.marks[row as usize] = Mark::Uncertain;
            self.doubts.insert(row, (why, from));
        }
    }

    /// Why an event is uncertain, in words, and the event that this follows from.
    pub(crate) fn why_doubted(&self, row: u32) -> (&'static str, Option<u32>) {
        let (why, from) = self.doubts.get(&row).copied().unzip();
        (why.map_or("", Doubt::words), from.flatten())
    }

    /// Keeps an event from ever being marked.
    pub(crate) fn spare(&mut self, row: u32) {
        self.spared.insert(row);
    }

    /// Whether an event belongs to an acquitted actor.
    pub(crate) fn is_spared(&self, row: u32) -> bool {
        !self.spared.is_empty() && self.spared.contains(&row)
    }

    /// Follows everything that is queued, then what services did on the attacker's behalf.
    pub(crate) fn spread(&mut self) {
        loop {
            while let Some(row) = self.queue.pop_front() {
                self.follow(row);
            }
            self.on_behalf();
            if self.queue.is_empty() {
                return;
            }
        }
    }

    fn follow(&mut self, from: u32) {
        let row = &self.row(from);
        for fact in row.facts() {
            self.follow_fact(from, row, fact);
        }
        if let Some(shared) = row.shared() {
            self.taint_all(
                self.index.by_shared.get(shared).collect(),
                Link::SharedEvent,
                from,
                |_| true,
            );
        }
        if row.error.some() {
            return;
        }
        let (source, name) = (self.log.text(row.source), self.log.text(row.name));
        if source == "signin.amazonaws.com"
            && matches!(name, "GetSigninToken" | "ConsoleLogin" | "SwitchRole")
        {
            self.console(from, row);
        }
    }

    fn follow_fact(&mut self, from: u32, row: &Row<'_>, fact: &Fact) {
        let at = row.at();
        if row.error.some() {
            return;
        }
        match fact.what {
            What::Minted => self.session(from, row, fact),
            What::KeyMade => {
                let rows = self.index.by_key(fact.name);
                self.taint_all(rows, Link::CreatedKey, from, |_| true);
            }
            What::UserMade => self.taint_all(
                self.index.by_user(row.account, fact.name),
                Link::CreatedUser,
                from,
                |row| row.at() >= at,
            ),
            What::PasswordSet => self.password(from, row, fact.name),
            What::ServiceCredentialMade => {
                self.taint_all(
                    self.index.by_user(row.account, fact.other),
                    Link::ServiceCredential,
                    from,
                    |row| row.at() >= at && row.flags.bearer,
                );
            }
            What::RoleMade => self.role(from, row, fact, false),
            What::TrustChanged => self.role(from, row, fact, true),
            What::FunctionMade | What::FunctionChanged => self.function(from, row, fact),
            What::InstanceMade => {
                let name = self.log.text(fact.name);
                self.taint_all(
                    self.index.by_session_name(self.log, name),
                    Link::CreatedInstance,
                    from,
                    |row| row.at() >= at,
                );
            }
            What::SourceIdentitySet if !row.source_identity.some() => {
                self.source_identity(from, row, fact.name);
            }
            _ => {}
        }
    }

    fn taint_all(
        &mut self,
        rows: Vec<u32>,
        link: Link,
        from: u32,
        keep: impl Fn(&Row<'_>) -> bool,
    ) {
        for row in rows {
            if row != from && keep(&self.row(row)) {
                self.taint(row, link, Some(from));
            }
        }
    }

    /// Session credentials were handed to the attacker: their use by key, and by whole ARN.
    fn session(&mut self, from: u32, row: &Row<'_>, fact: &Fact) {
        self.taint_all(self.index.by_key(fact.name), Link::SessionKey, from, |_| {
            true
        });
        if !fact.other.some() {
            return;
        }
        let rivals = self.other_makers(fact.other, from);
        for at in self.index.by_arn(fact.other) {
            let other = &self.row(at);
            let makers = || self.announced.get(other.key);
            if makers().len() > 0 && makers().all(|maker| maker != from) {
                continue;
            }
            if other.made != 0 {
                if (other.made - row.at().div_euclid(1000)).abs() <= SLACK {
                    self.taint(at, Link::Session, Some(from));
                }
            } else if !other.key.some() && (0..=SESSION_LIFE).contains(&(other.at() - row.at())) {
                // Nothing but the name of the session ties this event to it.
                if rivals {
                    self.doubt(at, Doubt::SessionName, Some(from));
                } else {
                    self.taint(at, Link::Session, Some(from));
                }
            }
        }
    }

    /// Whether someone else opened a session of the same name.
    fn other_makers(&self, session: Sym, from: u32) -> bool {
        let mut makers = self.opened.get(session);
        makers.any(|maker| maker != from && self.mark(maker) != Mark::Tainted)
    }

    /// A password the attacker set: logins with it until someone else changes it.
    fn password(&mut self, from: u32, row: &Row<'_>, user: Sym) {
        let at = row.at();
        let changes = self.index.telling.iter().filter(|other| {
            let event = &self.row(**other);
            event.at() > at
                && event.account == row.account
                && !event.error.some()
                && self.mark(**other) != Mark::Tainted
                && Credential::of(self.log, event) != Credential::of(self.log, row)
                && event
                    .facts()
                    .iter()
                    .any(|fact| fact.what == What::PasswordSet && fact.name == user)
        });
        let until = changes
            .map(|other| self.log.at(*other))
            .min()
            .unwrap_or(i64::MAX);
        let signin = self.log.find("signin.amazonaws.com");
        self.taint_all(
            self.index.by_user(row.account, user),
            Link::Password,
            from,
            |row| {
                row.at() >= at
                    && row.at() < until
                    && Some(row.source) == signin
                    && row.kind == IdentityKind::User
            },
        );
    }

    /// A role the attacker made, or opened to the outside: who takes it.
    fn role(&mut self, from: u32, row: &Row<'_>, fact: &Fact, outside: bool) {
        let (name, account) = (self.log.text(fact.name), self.log.text(row.account));
        let is_role = |arn: &str| {
            arn.contains(":role/")
                && arn.rsplit('/').next() == Some(name)
                && arn.split(':').nth(4) == Some(account)
        };
        let roles = self.asked.keys();
        let roles: Vec<Sym> = roles.filter(|arn| is_role(self.log.text(*arn))).collect();
        let link = if outside {
            Link::ChangedTrust
        } else {
            Link::CreatedRole
        };
        for role in roles {
            for asked in self.asked.get(role).collect::<Vec<u32>>() {
                let caller = &self.row(asked);
                let foreign = caller.account.some() && caller.account != row.account;
                if caller.at() >= row.at()
                    && !caller.error.some()
                    && asked != from
                    && (!outside || foreign)
                {
                    self.taint(asked, link, Some(from));
                }
            }
        }
        if outside {
            return;
        }
        let mut issuers: Vec<Sym> = self
            .index
            .issuers()
            .filter(|arn| is_role(self.log.text(*arn)))
            .collect();
        issuers.sort_unstable();
        for issuer in issuers {
            self.taint_all(self.index.by_issuer(issuer), link, from, |other| {
                other.at() >= row.at()
            });
        }
    }

    /// A function's own calls come from a session named after it.
    fn function(&mut self, from: u32, row: &Row<'_>, fact: &Fact) {
        let role = self
            .log
            .text(fact.other)
            .rsplit('/')
            .next()
            .unwrap_or_default();
        let middle = format!(":assumed-role/{role}/");
        for at in self
            .index
            .by_session_name(self.log, self.log.text(fact.name))
        {
            let other = &self.row(at);
            if other.at() < row.at() || other.account != row.account {
                continue;
            }
            if fact.what == What::FunctionMade && self.log.text(other.arn).contains(&middle) {
                self.taint(at, Link::CreatedFunction, Some(from));
            } else if fact.what == What::FunctionChanged {
                self.doubt(at, Doubt::ChangedFunction, Some(from));
            }
        }
    }

    /// A source identity stays with a session through every further role.
    fn source_identity(&mut self, from: u32, row: &Row<'_>, identity: Sym) {
        let is_foreign = |maker| self.mark(maker) != Mark::Tainted && !self.row(maker).error.some();
        let shared = self.set_identity.get(identity).any(is_foreign);
        for at in self.index.by_source_identity(identity) {
            if self.log.at(at) >= row.at() {
                if shared {
                    self.doubt(at, Doubt::SourceIdentity, Some(from));
                } else {
                    self.taint(at, Link::SourceIdentity, Some(from));
                }
            }
        }
    }

    /// A console session: fresh keys that no call announces, tied by ARN and time of making. What
    /// services did on somebody's behalf has keys just as fresh, and goes by the call behind it.
    fn console(&mut self, from: u32, row: &Row<'_>) {
        let (at, made) = (row.at(), row.made);
        let fresh = |other: &Row<'_>| {
            other.made == 0
                || (other.made - at.div_euclid(1000)).abs() <= 120
                || (made != 0 && other.made == made)
        };
        let within = |other: &Row<'_>| (0..=CONSOLE_LIFE).contains(&(other.at() - at));
        for other in self.index.by_arn(row.arn) {
            let event = &self.row(other);
            let makers = || self.announced.get(event.key);
            let announced = makers().any(|maker| self.mark(maker) != Mark::Tainted);
            let same_session =
                row.kind == IdentityKind::Session && (event.made >= made || event.made == 0);
            let long_lived = crate::text::is_long_lived(self.log.text(event.key));
            if other != from
                && within(event)
                && !announced
                && !long_lived
                && !event.invoked_by.some()
                && (fresh(event) || same_session)
            {
                self.taint(other, Link::Console, Some(from));
            }
        }
        for switch in self.switched.get(row.arn).collect::<Vec<u32>>() {
            if within(&self.row(switch)) && self.row(switch).address == row.address {
                self.taint(switch, Link::SwitchedRole, Some(from));
            }
        }
    }
}
