//! A rotation from an open case to its certificate, as a person at the console does it.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;

use serde_json::Value;

use super::{Company, Facts, Ran, Tool, Values, facts};

/// How often a person runs `apply` again before it is called endless.
const PATIENCE: u32 = 60;

/// A case with an approved plan for everything that the company has.
pub(crate) struct Rotation<'a> {
    pub(crate) company: &'a Company,
    pub(crate) tool: Tool,
    pub(crate) id: String,
    /// What stood in the places before.
    pub(crate) old: Values,
    pub(crate) old_texts: [String; 3],
}

impl<'a> Rotation<'a> {
    /// Opens the case, and approves the plan.
    pub(crate) async fn open(company: &'a Company, tool: Tool, id: &str) -> Self {
        tool.ok("init").await;
        let account = &company.account;
        tool.ok(&format!(
            "case open --title round --id {id} --account {account} --identity-file identity.txt"
        ))
        .await;
        tool.ok("inventory").await;
        let plan: Value = serde_json::from_str(&tool.ok("plan --json").await).expect("JSON");
        let rotations = plan["plan"]["rotations"].as_array().expect("a list").len();
        assert_eq!(rotations, company.credentials(), "{plan:#}");
        let hash = plan["hash"].as_str().expect("a hash");
        tool.ok(&format!("plan approve {hash}")).await;
        Self {
            old: company.values().await,
            old_texts: company.texts().await,
            id: id.to_string(),
            company,
            tool,
        }
    }

    /// The folder of the case.
    pub(crate) fn folder(&self) -> std::path::PathBuf {
        self.company.work().join(".relatch/cases").join(&self.id)
    }

    /// Everything is as it must be at the end: nothing lost, nothing left over, nothing
    /// clobbered, nothing revoked early; and the case can be proven and closed.
    pub(crate) async fn assert_clean(&self) {
        self.assert_clean_in(&self.folder()).await;
    }

    /// The same, with the folder of the case as this process sees it.
    pub(crate) async fn assert_clean_in(&self, folder: &Path) {
        let company = self.company;
        let facts = Facts::of(&self.tool).await;
        facts.assert_never_early(company.credentials());
        facts.assert_nothing_twice();
        let new = company.values().await;
        for (name, value) in &self.old {
            assert_ne!(new[name], *value, "{name} was kept");
        }
        assert_all(&company.alive(&new).await, &true, "lost");
        assert_all(&company.alive(&self.old).await, &false, "still alive");
        assert_all(&company.key_counts().await, &1, "orphans");
        let journal = folder.join("journal.db");
        if journal.exists() {
            facts::assert_chained(&journal);
        }
        let certificate = format!("certificate-{}.json", self.id);
        self.tool
            .ok(&format!("certificate --out {certificate}"))
            .await;
        self.tool.ok(&format!("verify {certificate}")).await;
        self.tool.ok("case close").await;
    }

    /// Runs `apply` to the end, as [`person`] does.
    pub(crate) async fn finish(&self) -> u32 {
        let mut runs = 1;
        let mut ran = self.tool.run("apply --yes --steps").await;
        while ran.code != Some(0) {
            assert!(runs < PATIENCE, "no end\n{ran}");
            person(self, &ran).await;
            runs += 1;
            ran = self.tool.run("apply --yes --steps").await;
        }
        runs
    }
}

/// What a person does after an `apply` that did not get to the end: mends the services and
/// sends stuck steps back to work. Returns what was stuck.
pub(crate) async fn person(rotation: &Rotation<'_>, ran: &Ran) -> BTreeSet<String> {
    let known = [Some(1), Some(3), Some(4)];
    assert!(known.contains(&ran.code), "{ran}");
    rotation.company.services.mend();
    let status = rotation.tool.ok("status --json").await;
    let status: Value = serde_json::from_str(&status).expect("JSON");
    let waits = status["decision"]["waits"].as_array().expect("a list");
    let stuck = waits.iter().filter(|wait| wait["on"]["for"] == "stuck");
    let stuck: BTreeSet<String> = stuck
        .filter_map(|wait| wait["step"].as_str().map(str::to_string))
        .collect();
    for step in &stuck {
        rotation.tool.ok(&format!("retry {step}")).await;
    }
    stuck
}

fn assert_all<T: PartialEq + Debug>(found: &[(String, T)], expected: &T, otherwise: &str) {
    let as_expected = found.iter().all(|(_, value)| value == expected);
    assert!(as_expected, "{otherwise}: {found:?}");
}
