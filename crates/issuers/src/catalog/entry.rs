//! The shape of one catalog file.
//!
//! Strings in `path`, `query`, `body` and principal patterns are templates or patterns over
//! variables; no value ever is a variable.

use std::collections::BTreeMap;

use relatch_case::IssuerId;
use relatch_case::model::{Minting, Sheet};
use serde::Deserialize;

use super::rule::{AnswerRule, Condition, ProbeRule};

/// One issuer as data.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The id of the kind of issuer: `openai`.
    pub id: IssuerId,
    /// Its name for people.
    pub name: String,
    /// What it can do.
    pub sheet: SheetSpec,
    /// Where a person goes.
    pub console: Console,
    /// Where calls go.
    pub address: Address,
    /// Under which names values usually stand in environments.
    #[serde(default)]
    pub names: Names,
    /// How a key is presented.
    pub auth: Auth,
    /// Headers of every call.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Variables that settings must give, and what each means.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// What its keys look like.
    #[serde(default)]
    pub formats: Vec<Format>,
    /// The kinds of principals that hold keys.
    #[serde(default)]
    pub principals: Vec<PrincipalKind>,
    /// How keys are listed.
    #[serde(default)]
    pub list: Option<List>,
    /// How a key is made.
    #[serde(default)]
    pub mint: Option<MintSpec>,
    /// How a key is switched off.
    #[serde(default)]
    pub disable: Option<Change>,
    /// How a key is switched on again.
    #[serde(default)]
    pub enable: Option<Change>,
    /// How a key is removed.
    #[serde(default)]
    pub delete: Option<Change>,
    /// What answers say and mean, whatever the call.
    pub answers: Answers,
    /// How a key is tried.
    pub probe: ProbeSpec,
    /// Whether commands of the user's may mint, delete and list.
    #[serde(default)]
    pub hooks: bool,
}

/// The capability sheet, as written. See [`Sheet`] for what each means.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a sheet is a list of yes and no"
)]
pub struct SheetSpec {
    /// Who makes keys.
    pub minting: MintBy,
    /// Why nobody can, for [`MintBy::Impossible`].
    #[serde(default)]
    pub because: Option<String>,
    /// Whether keys carry the name given.
    pub named: bool,
    /// Whether keys can be listed.
    pub lists: bool,
    /// Whether a key can be switched off reversibly.
    pub disables: bool,
    /// Whether a key can be removed.
    pub deletes: bool,
    /// Whether the issuer tells when a key was last used.
    pub last_used: bool,
    /// Most keys of one principal.
    #[serde(default)]
    pub slots: Option<u32>,
    /// Seconds until a change binds everywhere.
    pub propagation_s: u32,
}

/// Who makes keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MintBy {
    /// A call.
    Program,
    /// A person at the console.
    Person,
    /// Nobody.
    Impossible,
}

/// Where a person goes, and what to do there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Console {
    /// The address of the page with the keys, or in words where keys are kept.
    pub address: String,
    /// What to do there to make a key.
    pub instructions: String,
}

/// Where calls go.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// The base address, without the version. `None`: settings must give it.
    #[serde(default)]
    pub base: Option<String>,
    /// Environment variables that override it, as the issuer's own libraries read them.
    #[serde(default)]
    pub base_env: Vec<String>,
    /// The version part that every path begins with (`/v1`). A base address given with it
    /// at its end means the same as without.
    #[serde(default)]
    pub version: String,
}

/// Under which names values usually stand in environments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// Keys that do the work.
    #[serde(default)]
    pub key: Vec<String>,
    /// Keys that make keys.
    #[serde(default)]
    pub admin: Vec<String>,
}

/// The header that carries a key. It is filled when a request is sent, outside of templates.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// The header's name.
    pub header: String,
    /// What stands before the value (`Bearer `).
    #[serde(default)]
    pub prefix: String,
}

/// What one kind of key looks like.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Format {
    /// The kind, in a word.
    pub kind: String,
    /// What every such key begins with.
    pub prefix: String,
    /// A regular expression that such a key matches as a whole.
    pub pattern: String,
    /// How to make one up: text with `{74}` for 74 filler characters.
    pub made_up: String,
    /// Whether such keys can make keys.
    #[serde(default)]
    pub mints_keys: bool,
}

/// A kind of principal: `project/{project}/user/{user}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrincipalKind {
    /// Its spelling; `{name}` takes one part between slashes.
    pub pattern: String,
    /// Why no key can be minted for it, where none can.
    #[serde(default)]
    pub mint_refusal: Option<String>,
    /// Whether the list of principals names all of this kind, so that one that is not in it
    /// does not exist.
    #[serde(default)]
    pub listed: bool,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `GET`, `POST`, `DELETE` …
    pub method: String,
    /// The path, a template; variables are percent-encoded.
    pub path: String,
    /// Query parameters; values are templates.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// The JSON body; its leaf strings are templates.
    #[serde(default)]
    pub body: Option<toml::Table>,
}

/// How a list goes on: the next page starts after the last item.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// The query parameter that takes the cursor.
    pub param: String,
    /// Where the answer says whether there is more. If it does not say, pages are asked for
    /// until one is empty.
    pub more: String,
    /// Where the answer has the cursor.
    pub cursor: String,
    /// Where in the last item the cursor is, if the answer has none.
    pub item_cursor: String,
}

/// How keys are listed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// What to walk first (projects). `None`: one list has all.
    #[serde(default)]
    pub scopes: Option<Scopes>,
    /// The principals of a scope, with and without keys.
    #[serde(default)]
    pub principals: Option<Principals>,
    /// The keys of a scope.
    pub keys: Keys,
}

/// The scopes that are walked.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scopes {
    /// The call.
    pub request: Request,
    /// Where the items are.
    pub items: String,
    /// How it goes on.
    pub paging: Paging,
    /// Variables that an item gives.
    pub variables: BTreeMap<String, String>,
}

/// The principals of a scope.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principals {
    /// The call.
    pub request: Request,
    /// Where the items are.
    pub items: String,
    /// How it goes on.
    pub paging: Paging,
    /// Whom an item speaks of.
    pub owner: Owner,
}

/// The keys of a scope.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The call.
    pub request: Request,
    /// Where the items are.
    pub items: String,
    /// How it goes on.
    pub paging: Paging,
    /// What an item says of its key.
    pub item: ItemShape,
    /// Whose key it is: the first that fits. The last one must always fit.
    pub owners: Vec<Owner>,
}

/// What an item of the list says of its key, as JSON pointers into the item.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemShape {
    /// The id.
    pub id: String,
    /// The name.
    #[serde(default)]
    pub name: Option<String>,
    /// The hint of the value.
    #[serde(default)]
    pub hint: Option<String>,
    /// When it was made.
    #[serde(default)]
    pub created: Option<Moment>,
    /// When it was last used.
    #[serde(default)]
    pub last_used: Option<Moment>,
    /// It is usable when all of these hold. None: every listed key is usable.
    #[serde(default)]
    pub active: Vec<Condition>,
    /// It is gone for good, and not part of the list, when all of these hold. None: never.
    #[serde(default)]
    pub gone: Vec<Condition>,
}

/// A time in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "as", rename_all = "snake_case", deny_unknown_fields)]
pub enum Moment {
    /// Seconds since 1970.
    UnixSeconds {
        /// Where it is.
        pointer: String,
    },
    /// A text as of RFC 3339.
    Rfc3339 {
        /// Where it is.
        pointer: String,
    },
}

/// Whose key an item speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// When all of these hold,
    #[serde(default)]
    pub when: Vec<Condition>,
    /// it is the principal of this spelling, one of [`Entry::principals`],
    pub principal: String,
    /// with these variables from the item, besides those of the scope.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
}

/// How a key is made. Variables: those of the principal, `name`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MintSpec {
    /// The call.
    pub request: Request,
    /// Where the answer has the id.
    pub id: String,
    /// Where the answer has the value.
    pub value: String,
    /// What is taken over from the key that is replaced.
    #[serde(default)]
    pub copy: Option<Copy>,
    /// What answers to this call mean, before [`Answers::rules`].
    #[serde(default)]
    pub rules: Vec<AnswerRule>,
}

/// What is taken over from the key that is replaced. Variables: those of the principal, `key`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// The call that reads the old key.
    pub request: Request,
    /// Field of the new body to pointer into the answer. What is absent, null or empty is
    /// left out, never sent empty.
    pub fields: BTreeMap<String, String>,
}

/// A change to a key. Variables: those of the principal, `key`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The call.
    pub request: Request,
    /// What a good answer says; a 2xx answer that does not is ambiguous.
    #[serde(default)]
    pub expect: Vec<Condition>,
    /// How to see, after a refusal, that the change was made before.
    #[serde(default)]
    pub settled: Option<Settled>,
    /// What answers to this call mean, before [`Answers::rules`].
    #[serde(default)]
    pub rules: Vec<AnswerRule>,
}

/// How to see that a change was made before.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    /// The call that reads the key.
    pub request: Request,
    /// It was, when all of these hold.
    pub when: Vec<Condition>,
}

/// What answers say and mean, whatever the call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// Where error codes stand, in the order of looking.
    #[serde(default)]
    pub codes: Vec<String>,
    /// Where the words of an error stand.
    #[serde(default)]
    pub message: Option<String>,
    /// What answers mean, before the engine's own rules.
    #[serde(default)]
    pub rules: Vec<AnswerRule>,
}

/// How a key is tried.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeSpec {
    /// The call, cheap and changing nothing.
    pub request: Request,
    /// How to make up a key for the negative control, where keys have no format.
    #[serde(default)]
    pub made_up: Option<String>,
    /// What answers mean; the first that fits. What no rule names is unknown.
    pub rules: Vec<ProbeRule>,
}

impl Entry {
    /// The sheet as the plan reads it.
    pub fn sheet(&self) -> Sheet {
        let spec = &self.sheet;
        Sheet {
            minting: self.minting(),
            named: spec.named,
            lists: spec.lists,
            disables: spec.disables,
            deletes: spec.deletes,
            cuts: false,
            last_used: spec.last_used,
            slots: spec.slots,
            propagation_s: spec.propagation_s,
        }
    }

    fn minting(&self) -> Minting {
        match self.sheet.minting {
            MintBy::Program => Minting::Program,
            MintBy::Person => Minting::Person {
                console: self.console.address.clone(),
                instructions: self.console.instructions.clone(),
            },
            MintBy::Impossible => Minting::Impossible {
                because: self.sheet.because.clone().unwrap_or_default(),
            },
        }
    }

    /// Every call the entry describes, with the key under which it stands in the file.
    pub(crate) fn requests(&self) -> Vec<(String, &Request)> {
        let mut all = vec![("probe.request".to_string(), &self.probe.request)];
        if let Some(list) = &self.list {
            all.extend(
                list.scopes
                    .iter()
                    .map(|s| ("list.scopes.request".into(), &s.request)),
            );
            all.extend(
                list.principals
                    .iter()
                    .map(|p| ("list.principals.request".into(), &p.request)),
            );
            all.push(("list.keys.request".into(), &list.keys.request));
        }
        if let Some(mint) = &self.mint {
            all.push(("mint.request".into(), &mint.request));
            all.extend(
                mint.copy
                    .iter()
                    .map(|c| ("mint.copy.request".into(), &c.request)),
            );
        }
        for (name, change) in self.changes() {
            all.push((format!("{name}.request"), &change.request));
            let settled = change.settled.iter();
            all.extend(settled.map(|s| (format!("{name}.settled.request"), &s.request)));
        }
        all
    }

    /// The changes the entry describes, by name.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&'static str, &Change)> {
        let all = [
            ("disable", &self.disable),
            ("enable", &self.enable),
            ("delete", &self.delete),
        ];
        all.into_iter()
            .filter_map(|(name, change)| change.as_ref().map(|change| (name, change)))
    }
}
