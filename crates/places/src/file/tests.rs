use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("temp dir"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, text: &str) -> Container {
        fs::write(self.path(name), text).expect("write");
        self.container(name)
    }

    fn container(&self, name: &str) -> Container {
        let name = self.path(name).to_str().expect("text").to_string();
        Container {
            kind: "file".into(),
            region: String::new(),
            name,
        }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("read")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("list");
        let mut names: Vec<_> = entries
            .map(|e| e.expect("entry").file_name().into_string().expect("text"))
            .collect();
        names.sort();
        names
    }
}

fn change(slot: &str, value: &str) -> BTreeMap<Slot, Secret> {
    BTreeMap::from([(Slot(slot.into()), Secret::from(value))])
}

async fn swap(container: &Container, slot: &str, value: &str) -> Result<Version, Fault> {
    let version = FileStore.read(container).await?.version;
    FileStore
        .write(container, &version, &change(slot, value))
        .await
}

#[tokio::test]
async fn only_the_value_changes_and_nothing_is_left_over() {
    let folder = Folder::new();
    for (name, before, slot, after) in [
        (
            ".env",
            "# c\nA=1\nKEY=old # d\n",
            "KEY",
            "# c\nA=1\nKEY=new # d\n",
        ),
        (
            "x.json",
            "{\"a\": [\"old\"]}\n",
            "a/0",
            "{\"a\": [\"new\"]}\n",
        ),
        ("x.toml", "[a]\nb  = 'old'\n", "a/b", "[a]\nb  = 'new'\n"),
        ("x.yml", "a:\n  - b: old\n", "a/0/b", "a:\n  - b: new\n"),
        ("token", "old\n", "", "new\n"),
    ] {
        let container = folder.put(name, before);
        let version = swap(&container, slot, "new").await.expect("write");
        assert_eq!(folder.text(name), after);
        let read_back = FileStore.read(&container).await.expect("read");
        assert_eq!(read_back.version, version);
        assert_eq!(read_back.slots[&Slot(slot.into())].expose(), b"new");
    }
    assert_eq!(
        folder.names(),
        [".env", "token", "x.json", "x.toml", "x.yml"]
    );
}

#[tokio::test]
async fn another_version_is_a_conflict_and_nothing_changes() {
    let folder = Folder::new();
    let container = folder.put(".env", "KEY=old\n");
    let version = FileStore.read(&container).await.expect("read").version;
    folder.put(".env", "KEY=theirs\n");
    let fault = FileStore
        .write(&container, &version, &change("KEY", "new"))
        .await;
    assert_eq!(fault.expect_err("conflict").kind, FaultKind::Conflict);
    assert_eq!(folder.text(".env"), "KEY=theirs\n");
    assert_eq!(folder.names(), [".env"]);
}

#[test]
fn a_file_replaced_while_the_new_one_is_made_is_a_conflict() {
    let folder = Folder::new();
    folder.put(".env", "KEY=old\n");
    let path = folder.path(".env");
    let before = Content::read(&path).expect("read");
    // The same bytes in another file: somebody deployed, and may be about to write more.
    fs::write(folder.path("other"), "KEY=old\n").expect("write");
    fs::rename(folder.path("other"), &path).expect("rename");
    let fault = change::replace(&path, &before, b"KEY=new\n").expect_err("conflict");
    assert_eq!(fault.kind, FaultKind::Conflict);
    assert_eq!(folder.text(".env"), "KEY=old\n");
}

#[test]
fn what_another_process_wrote_into_the_old_file_is_seen() {
    let folder = Folder::new();
    folder.put(".env", "KEY=old\n");
    let mut content = Content::read(&folder.path(".env")).expect("read");
    assert!(content.written_since().expect("read").is_none());
    folder.put(".env", "KEY=theirs\n");
    let theirs = content.written_since().expect("read").expect("changed");
    assert_eq!(*theirs, b"KEY=theirs\n");
}

#[test]
fn what_another_process_wrote_during_the_rename_is_put_back() {
    use std::io::Write;
    let folder = Folder::new();
    folder.put(".env", "KEY=old\n");
    let path = folder.path(".env");
    let mut theirs = fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .expect("open");
    let mut old = Content::read(&path).expect("read");
    fs::write(folder.path("ours"), "KEY=new\n").expect("write");
    fs::rename(folder.path("ours"), &path).expect("rename");
    change::give_way(&path, folder.0.path(), &mut old).expect("nobody wrote");
    theirs.write_all(b"MORE=1\n").expect("append");
    let fault = change::give_way(&path, folder.0.path(), &mut old).expect_err("conflict");
    assert_eq!(fault.kind, FaultKind::Conflict);
    assert_eq!(folder.text(".env"), "KEY=old\nMORE=1\n");
    assert_eq!(folder.names(), [".env"]);
}

#[tokio::test]
async fn mode_and_owner_stay() {
    let folder = Folder::new();
    let container = folder.put(".env", "KEY=old\n");
    let path = folder.path(".env");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
    // Only root may give a file away; anyone else checks that the owner simply stays.
    let given_away = std::os::unix::fs::chown(&path, Some(12345), Some(23456)).is_ok();
    let before = fs::metadata(&path).expect("meta");
    assert_eq!(given_away, before.uid() == 12345);
    swap(&container, "KEY", "new").await.expect("write");
    let after = fs::metadata(&path).expect("meta");
    assert_eq!(after.mode(), before.mode());
    assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
    assert_ne!(after.ino(), before.ino());
}

#[tokio::test]
async fn a_link_stays_and_what_it_leads_to_changes() {
    let folder = Folder::new();
    folder.put("real.env", "KEY=old\n");
    symlink("real.env", folder.path("one.env")).expect("link");
    symlink(folder.path("one.env"), folder.path("two.env")).expect("link");
    swap(&folder.container("two.env"), "KEY", "new")
        .await
        .expect("write");
    assert_eq!(folder.text("real.env"), "KEY=new\n");
    for link in ["one.env", "two.env"] {
        assert!(
            fs::symlink_metadata(folder.path(link))
                .expect("meta")
                .is_symlink()
        );
    }
}

#[tokio::test]
async fn hard_links_pipes_folders_and_binaries_are_refused() {
    let folder = Folder::new();
    let container = folder.put(".env", "KEY=old\n");
    fs::hard_link(folder.path(".env"), folder.path("twin")).expect("link");
    let fault = swap(&container, "KEY", "new").await.expect_err("hard link");
    assert_eq!(fault.kind, FaultKind::Invalid);
    assert!(fault.detail.contains("hard links"), "{fault}");
    assert_eq!(folder.text("twin"), "KEY=old\n");

    let pipe = folder.path("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .expect("mkfifo");
    assert!(made.success());
    fs::create_dir(folder.path("dir")).expect("dir");
    fs::write(folder.path("bin"), [0xff, 0xfe]).expect("write");
    fs::write(folder.path("big"), vec![b'a'; 1024 * 1024 + 1]).expect("write");
    for (name, why) in [
        ("pipe", "regular"),
        ("dir", "regular"),
        ("bin", "UTF-8"),
        ("big", "1 MiB"),
    ] {
        let fault = FileStore
            .read(&folder.container(name))
            .await
            .expect_err(name);
        assert_eq!(fault.kind, FaultKind::Invalid, "{name}");
        assert!(fault.detail.contains(why), "{fault}");
    }
    let missing = FileStore
        .read(&folder.container("missing"))
        .await
        .expect_err("missing");
    assert_eq!(missing.kind, FaultKind::NotFound);
}

#[tokio::test]
async fn relative_paths_other_kinds_and_empty_changes_are_refused() {
    let folder = Folder::new();
    let container = folder.put(".env", "KEY=old\n");
    let version = FileStore.read(&container).await.expect("read").version;
    let empty = FileStore
        .write(&container, &version, &BTreeMap::new())
        .await;
    assert_eq!(empty.expect_err("empty").kind, FaultKind::Invalid);
    let relative = Container {
        name: ".env".into(),
        ..container.clone()
    };
    let other = Container {
        kind: "ssm".into(),
        ..container
    };
    for wrong in [relative, other] {
        assert_eq!(
            FileStore.read(&wrong).await.expect_err("refuse").kind,
            FaultKind::Invalid
        );
    }
}

#[tokio::test]
async fn what_a_killed_process_left_is_removed_and_what_a_living_one_holds_is_not() {
    let folder = Folder::new();
    let container = folder.put(".env", "KEY=old\n");
    fs::write(folder.path(".relatch-place-dead"), "KEY=half").expect("write");
    let held = stale::new_file(folder.0.path()).expect("new file");
    assert_eq!(
        held.as_file().metadata().expect("meta").mode() & 0o777,
        0o600
    );
    swap(&container, "KEY", "new").await.expect("write");
    assert!(!folder.path(".relatch-place-dead").exists());
    assert!(held.path().exists());
}

#[tokio::test]
async fn of_two_writers_one_wins_and_one_is_told() {
    let folder = Folder::new();
    let container = folder.put(".env", "KEY=old\n");
    let version = FileStore.read(&container).await.expect("read").version;
    let first = FileStore
        .write(&container, &version, &change("KEY", "one"))
        .await;
    let second = FileStore
        .write(&container, &version, &change("KEY", "two"))
        .await;
    assert!(first.is_ok());
    assert_eq!(second.expect_err("conflict").kind, FaultKind::Conflict);
    assert_eq!(folder.text(".env"), "KEY=one\n");
}

#[test]
fn system_errors_become_faults_that_changed_nothing() {
    use std::io::{Error, ErrorKind};
    for (error, kind) in [
        (ErrorKind::StorageFull, FaultKind::Local),
        (ErrorKind::PermissionDenied, FaultKind::Denied),
        (ErrorKind::ReadOnlyFilesystem, FaultKind::Denied),
        (ErrorKind::NotFound, FaultKind::NotFound),
    ] {
        let fault = content::fault(Path::new("/x"), "read", &Error::from(error));
        assert_eq!(fault.kind, kind);
        assert!(!fault.may_have_acted());
    }
}

#[tokio::test]
async fn no_value_is_printed() {
    let folder = Folder::new();
    let container = folder.put(".env", "KEY=canary\n");
    let document = FileStore.read(&container).await.expect("read");
    let fault = swap(&container, "NONE", "canary")
        .await
        .expect_err("no such slot");
    let conflict = FileStore
        .write(
            &container,
            &Version("other".into()),
            &change("KEY", "canary"),
        )
        .await
        .expect_err("conflict");
    assert!(!format!("{document:?} {fault:?} {conflict:?}").contains("canary"));
}
