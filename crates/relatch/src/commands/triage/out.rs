//! A folder of findings, for people and for other tools.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use relatch_case::Fact;
use relatch_evidence::{Triage, Verdict};
use relatch_findings::{About, Moment, WriteError, indicators, moments, ocsf, sigma, timeline};
use relatch_watch::retired_keys_ever;
use sha2::{Digest, Sha256};

use super::answer::Answer;
use super::athena::Asked;
use crate::app::App;
use crate::error::{CommandError, Kind};
use crate::workspace::OpenCase;

/// The folder of rules in it.
const SIGMA: &str = "sigma";

/// Where findings go.
pub(super) struct Folder {
    path: PathBuf,
    /// What was there before, by the path within it.
    before: BTreeSet<PathBuf>,
}

impl Folder {
    /// A folder that is empty or not there yet; with `force` any folder.
    pub(super) fn open(path: &Path, force: bool) -> Result<Self, CommandError> {
        let before = files(path).map_err(|error| failed("read", path, &error))?;
        if !before.is_empty() && !force {
            let words = format!("{} is not empty: nothing was written", path.display());
            return Err(CommandError::new(Kind::Refused, words)
                .hint("name another folder, or say --force to write into this one"));
        }
        Ok(Self {
            path: path.to_path_buf(),
            before,
        })
    }

    /// Writes every form of the findings, each file whole or not at all, and tells of each.
    pub(super) fn write(
        &self,
        app: &App,
        case: Option<&OpenCase>,
        triage: &Triage,
        asked: Option<&Asked>,
    ) -> Result<(), CommandError> {
        let about = match case {
            Some(case) => of_case(app, case)?,
            None => of_evidence(triage, app.now()),
        };
        let moments = moments(triage);
        let mut written = BTreeSet::new();
        for (name, bytes) in forms(&Answer::new(triage, asked), triage, &moments, &about)? {
            self.put(app, Path::new(name), &bytes, &mut written)?;
        }
        for rule in sigma::rules(triage, &moments, &about, &retired(case, triage)?) {
            let name = Path::new(SIGMA).join(&rule.file_name);
            self.put(app, &name, rule.yaml.as_bytes(), &mut written)?;
        }
        for old in self.before.difference(&written) {
            let old = self.path.join(old);
            let words = format!("not from this run, left as it was: {}", old.display());
            app.printer.note(&words);
        }
        Ok(())
    }

    fn put(
        &self,
        app: &App,
        name: &Path,
        bytes: &[u8],
        written: &mut BTreeSet<PathBuf>,
    ) -> Result<(), CommandError> {
        let path = self.path.join(name);
        relatch_secret::write_private(&path, bytes)
            .map_err(|error| failed("write", &path, &error))?;
        app.printer.note(&format!("wrote {}", path.display()));
        written.insert(name.to_path_buf());
        Ok(())
    }
}

/// Every form but the rules: a file's name and its bytes.
fn forms(
    answer: &Answer<'_>,
    triage: &Triage,
    moments: &[Moment],
    about: &About,
) -> Result<[(&'static str, Vec<u8>); 7], WriteError> {
    let form = |write: &dyn Fn(&mut Vec<u8>) -> Result<(), WriteError>| {
        let mut bytes = Vec::new();
        write(&mut bytes).map(|()| bytes)
    };
    Ok([
        (
            "timeline.html",
            form(&|out| timeline::html(triage, moments, about, out))?,
        ),
        ("timeline.csv", form(&|out| timeline::csv(moments, out))?),
        (
            "timeline.jsonl",
            form(&|out| timeline::json_lines(moments, out))?,
        ),
        (
            "indicators.csv",
            form(&|out| indicators::csv(triage, moments, out))?,
        ),
        (
            "indicators.stix.json",
            form(&|out| indicators::stix(triage, moments, about, out))?,
        ),
        (
            "findings.ocsf.json",
            list(&form(&|out| ocsf::ocsf(triage, moments, about, out))?),
        ),
        ("triage.json", form(&|out| json(answer, out))?),
    ])
}

fn json(answer: &Answer<'_>, out: &mut Vec<u8>) -> Result<(), WriteError> {
    serde_json::to_writer(&mut *out, answer)?;
    out.push(b'\n');
    Ok(())
}

/// JSON lines as one JSON list, still a value a line.
fn list(lines: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').collect();
    let lines: Vec<&[u8]> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    [b"[\n", lines.join(&b",\n"[..]).as_slice(), b"\n]\n"].concat()
}

fn of_case(app: &App, case: &OpenCase) -> Result<About, CommandError> {
    let made_at = app.now();
    let records = case.ledger.records()?;
    let opened = records.iter().find_map(|record| match &record.fact {
        Fact::CaseOpened { title, .. } => Some((title.clone(), record.at)),
        _ => None,
    });
    let (title, opened_at) = opened.unwrap_or_else(|| (String::new(), made_at));
    Ok(About {
        case: case.id.as_str().to_string(),
        title,
        opened_at,
        made_at,
    })
}

/// Outside a case: the same evidence makes the same name and the same time of opening.
fn of_evidence(triage: &Triage, made_at: Timestamp) -> About {
    let hashes: BTreeSet<&str> = triage
        .files
        .iter()
        .map(|file| file.sha256.as_str())
        .collect();
    let mut hash = Sha256::new();
    for one in hashes {
        hash.update(one.as_bytes());
    }
    let digest = hash.finalize();
    let name = hex::encode(&digest[..8]);
    let last = triage.last.as_deref().and_then(|time| time.parse().ok());
    About {
        case: format!("evidence-{name}"),
        title: "Triage of a log outside a case".to_string(),
        opened_at: last.unwrap_or(made_at),
        made_at,
    }
}

/// Keys whose use is an alarm: those that the case retired; outside a case those that nobody but
/// the attacker has, which are to be retired.
fn retired(case: Option<&OpenCase>, triage: &Triage) -> Result<BTreeSet<String>, CommandError> {
    let mut keys: BTreeSet<String> = triage
        .actors
        .iter()
        .filter(|actor| actor.verdict == Verdict::Attacker)
        .flat_map(|actor| actor.access_keys.iter().cloned())
        // Temporary keys end by themselves.
        .filter(|key| key.starts_with("AKIA"))
        .collect();
    if let Some(case) = case {
        let retired = retired_keys_ever(&case.ledger.records()?);
        keys.extend(retired.into_iter().map(|one| one.key.as_str().to_string()));
    }
    Ok(keys)
}

/// The files below a folder, by the path within it; none where there is no folder.
fn files(path: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    let mut found = BTreeSet::new();
    for entry in entries {
        let entry = entry?;
        let name = PathBuf::from(entry.file_name());
        if name == Path::new(SIGMA) && entry.file_type()?.is_dir() {
            for rule in fs::read_dir(entry.path())? {
                found.insert(name.join(rule?.file_name()));
            }
        } else {
            found.insert(name);
        }
    }
    Ok(found)
}

fn failed(what: &str, path: &Path, error: &io::Error) -> CommandError {
    let words = format!("cannot {what} {}: {error}", path.display());
    CommandError::new(Kind::Failed, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_a_list() {
        assert_eq!(list(b"{}\n{}\n"), b"[\n{},\n{}\n]\n");
        let empty: serde_json::Value = serde_json::from_slice(&list(b"")).expect("JSON");
        assert_eq!(empty, serde_json::json!([]));
    }

    #[test]
    fn a_folder_with_something_in_it_is_refused_unless_forced() {
        let folder = tempfile::tempdir().expect("temp dir");
        let new = folder.path().join("not/there/yet");
        assert!(Folder::open(&new, false).is_ok() && !new.exists());
        assert!(Folder::open(folder.path(), false).is_ok());
        fs::write(folder.path().join("mine"), "x").expect("file");
        let refused = Folder::open(folder.path(), false).err().expect("refused");
        assert_eq!(refused.kind, Kind::Refused);
        let forced = Folder::open(folder.path(), true).expect("forced");
        assert_eq!(forced.before, BTreeSet::from([PathBuf::from("mine")]));
        let file = folder.path().join("mine");
        assert!(Folder::open(&file, true).is_err(), "a file is no folder");
    }
}
