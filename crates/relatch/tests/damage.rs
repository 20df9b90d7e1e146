//! A journal that is damaged: every command says so and what to do next, and leaves the file
//! as it is, to the byte.

mod support;

use std::path::{Path, PathBuf};

use relatch_contract::proxy::{Matching, WireFault};
use rusqlite::Connection;
use support::{Cloud, Company, Rotation, Setup, Tool, say};

const COMMANDS: [&str; 4] = ["apply --yes", "status", "report", "case log"];

/// A way to harm a journal.
struct Harm {
    name: &'static str,
    does: fn(&Path),
    /// What the message says, among other things.
    words: &'static [&'static str],
}

const HARMS: [Harm; 11] = [
    Harm {
        name: "the second half is missing",
        does: |file| cut(file, 2),
        words: &["damaged"],
    },
    Harm {
        name: "the last page is missing",
        does: last_page,
        words: &["damaged"],
    },
    Harm {
        name: "only the header is left",
        does: |file| keep(file, 100),
        words: &["damaged"],
    },
    Harm {
        name: "it is empty",
        does: |file| keep(file, 0),
        words: &["damaged", "empty"],
    },
    Harm {
        name: "it is something else",
        does: something_else,
        words: &["damaged"],
    },
    Harm {
        name: "a byte of a fact is flipped",
        does: |file| flip(file, b"step_intended"),
        words: &["damaged"],
    },
    Harm {
        name: "a byte of the plan is flipped",
        does: |file| flip(file, b"plan_recorded"),
        words: &["damaged"],
    },
    Harm {
        name: "a byte of the header is flipped",
        does: |file| flip(file, b"SQLite format"),
        words: &["damaged"],
    },
    Harm {
        name: "a fact in the middle is removed",
        does: |file| sql(file, "DELETE FROM facts WHERE seq = 5"),
        words: &["damaged"],
    },
    Harm {
        name: "the last fact is removed",
        does: |file| {
            sql(
                file,
                "DELETE FROM facts WHERE seq = (SELECT max(seq) FROM facts)",
            );
        },
        words: &["damaged"],
    },
    Harm {
        name: "a fact is altered",
        does: |file| {
            sql(
                file,
                "UPDATE facts SET fact = replace(fact, 'done', 'gone') WHERE fact LIKE '%done%'",
            );
        },
        words: &["damaged"],
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_journal_is_refused_and_left_as_it_is() {
    let cloud = Cloud::start().await;
    let company = Company::found(&cloud, Setup::SMALL).await;
    let rotation = Rotation::open(&company, company.tool(), "damage").await;
    half_way(&rotation).await;
    let mut wrong = Vec::new();
    let whole = company.work().join(".relatch");
    for (n, harm) in HARMS.iter().enumerate() {
        let copy = company.folder.path().join(format!("copy-{n}"));
        copy_all(&whole, &copy);
        let file = copy.join("cases/damage/journal.db");
        (harm.does)(&file);
        let tool = at(&rotation.tool, &company, &copy);
        for command in COMMANDS {
            wrong.extend(refused(&tool, command, harm, &file).await);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    // The one that was copied is as it was.
    rotation.finish().await;
    rotation.assert_clean().await;
    say!(
        "{} kinds of damage, {} commands each: refused and left as it was",
        HARMS.len(),
        COMMANDS.len()
    );
}

/// Carries the first steps out, and lets go of the journal in good order.
async fn half_way(rotation: &Rotation<'_>) {
    // Nothing can be minted for the user: those of OpenAI go on.
    let no = WireFault::Status(400, "no".into());
    let minting = Matching::request("POST", "", "Action=CreateAccessKey");
    rotation.company.wire.script(minting, no, None);
    let ran = rotation.tool.run("apply --yes").await;
    assert_eq!(ran.code, Some(4), "{ran}");
    rotation.company.wire.calm();
    support::person(rotation, &ran).await;
    let wal = rotation.folder().join("journal.db-wal");
    assert!(!wal.exists(), "the last to let go tidies up");
}

/// The tool in a copy of the workspace.
fn at(tool: &Tool, company: &Company, copy: &Path) -> Tool {
    let config = company.work().join("relatch.toml");
    tool.clone()
        .env("RELATCH_HOME", copy)
        .env("RELATCH_CONFIG", config)
}

/// Runs a command that must be refused; what is wrong about how it was.
async fn refused(tool: &Tool, command: &str, harm: &Harm, file: &Path) -> Option<String> {
    let before = std::fs::read(file).expect("journal");
    let ran = tool.run(command).await;
    let after = std::fs::read(file).expect("journal");
    let says = |words: &[&str]| words.iter().any(|word| ran.err.contains(word));
    let wrong = [
        (ran.code != Some(1), "not refused"),
        (!says(harm.words), "not explained"),
        (!says(&["restore a copy"]), "no advice"),
        (before != after, "the file was changed"),
    ];
    let wrong: Vec<&str> = wrong.into_iter().filter(|w| w.0).map(|w| w.1).collect();
    (!wrong.is_empty()).then(|| format!("{}, {command}: {}\n{ran}", harm.name, wrong.join(", ")))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_saved_to_the_journal_is_noticed_by_what_it_did() {
    let cloud = Cloud::start().await;
    let company = Company::found(&cloud, Setup::SMALL).await;
    let rotation = Rotation::open(&company, company.tool(), "wal").await;
    let killed = rotation
        .tool
        .clone()
        .env("RELATCH_FAILPOINT", "write/written:2");
    let ran = killed.run("apply --yes").await;
    assert_eq!(ran.signal, Some(9), "{ran}");
    let copy = company.folder.path().join("copy");
    copy_all(&company.work().join(".relatch"), &copy);
    let file = copy.join("cases/wal/journal.db");
    assert!(file.with_file_name("journal.db-wal").exists());
    for end in ["-wal", "-shm"] {
        std::fs::remove_file(file.with_file_name(format!("journal.db{end}"))).expect("removed");
    }
    let before = std::fs::read(&file).expect("journal");
    let places = company.texts().await;
    let ran = at(&rotation.tool, &company, &copy).run("apply --yes").await;
    assert_eq!(ran.code, Some(3), "{ran}");
    assert!(
        ran.err
            .contains("the world is not what the plan was made for"),
        "{ran}"
    );
    assert_eq!(company.texts().await, places, "something was written");
    assert!(
        before == std::fs::read(&file).expect("journal"),
        "the file was changed"
    );
    // With its log it goes on.
    rotation.finish().await;
    rotation.assert_clean().await;
}

fn cut(file: &Path, parts: u64) {
    keep(
        file,
        std::fs::metadata(file).expect("journal").len() / parts,
    );
}

fn last_page(file: &Path) {
    keep(file, std::fs::metadata(file).expect("journal").len() - 4096);
}

fn keep(file: &Path, bytes: u64) {
    let file = std::fs::File::options()
        .write(true)
        .open(file)
        .expect("journal");
    file.set_len(bytes).expect("cut");
}

fn something_else(file: &Path) {
    std::fs::write(file, "# The journal was here.\n".repeat(400)).expect("written");
}

/// Flips a bit in the first place that holds these bytes.
fn flip(file: &Path, bytes: &[u8]) {
    let mut content = std::fs::read(file).expect("journal");
    let at = memchr::memmem::find(&content, bytes).expect("there");
    content[at + 2] ^= 1;
    std::fs::write(file, content).expect("written");
}

/// What somebody does who means it.
fn sql(file: &Path, change: &str) {
    let db = Connection::open(file).expect("open");
    let triggers: Vec<String> = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
        .expect("triggers");
    for trigger in triggers {
        db.execute_batch(&format!("DROP TRIGGER {trigger}"))
            .expect("dropped");
    }
    assert!(
        db.execute(change, []).expect("changed") > 0,
        "nothing was changed"
    );
}

fn copy_all(from: &Path, to: &Path) {
    for file in support::files(from) {
        let to: PathBuf = to.join(file.strip_prefix(from).expect("below"));
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("folder");
        std::fs::copy(&file, to).expect("copied");
    }
}
