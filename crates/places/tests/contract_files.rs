//! The contract of stores, kept by files of every format.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use relatch_case::model::{Container, Slot};
use relatch_contract::proxy::Deed;
use relatch_contract::store::{self, Harness, OLD};
use relatch_contract::wire::Wire;
use relatch_places::{FileStore, Store};
use relatch_secret::Secret;
use tempfile::TempDir;

/// One format: how its files end, a content with `OLD` in it, and one with nasty names.
struct Format {
    ending: &'static str,
    content: &'static str,
    slot: &'static str,
    /// Not an empty key: the empty path is the whole file, so such files are refused.
    nasty: &'static str,
}

const DOTENV: Format = Format {
    ending: ".env",
    content: "# a comment\nA=1\nexport KEY=old-value-0123456789 # why\n\nQ=\"quo ted\"\r\nLAST='x'",
    slot: "KEY",
    nasty: "A_1=a\nexport b='b'\n  c.d = \"c\"\n_=d\nE=\n",
};
const JSON: Format = Format {
    ending: ".json",
    content: "{ \"z\": \"first\",\r\n\t\"deep\" : {\"key\":\"old-value-0123456789\", \"n\": 1.50}, \"l\": [\"x\", null] }\n",
    slot: "deep/key",
    nasty: r#"{"a/b~c":"1"," ":"2","q\"uote":"3","new\nline":"4","ü🔒":"5","back\\slash":"7","0":"8","l":["x",["y"]],"nul\u0000":"9"}"#,
};
const TOML: Format = Format {
    ending: ".toml",
    content: "# a comment\nother  = 1.50\n[deep]\nkey =   \"old-value-0123456789\" # why\nlist = [ 'x',\n  'y' ]\n",
    slot: "deep/key",
    nasty: "\"a/b~c\" = \"1\"\n\" \" = '2'\n\"q\\\"uote\" = \"3\"\n\"new\\nline\" = \"4\"\n\"\u{fc}\u{1f512}\" = \"5\"\n'back\\slash' = \"\"\"7\"\"\"\n0 = '''8'''\n",
};
const YAML: Format = Format {
    ending: ".yaml",
    content: "# a comment\nother:  1.50\ndeep:\n  - key:   old-value-0123456789 # why\n    more: \"x\"\n",
    slot: "deep/0/key",
    nasty: "a/b~c: \"1\"\n\" \": '2'\n\"q\\\"uote\": \"3\"\n\"\u{fc}\u{1f512}\": five\n'back\\slash': 7x\nlist:\n- a\n- - b\n",
};

/// The whole file is the value, and nothing in its name tells so.
const PLAIN: Format = Format {
    ending: "-token",
    content: "old-value-0123456789\n",
    slot: "",
    nasty: " \t\u{fc} \"x\" \r\n",
};

struct Files {
    folder: TempDir,
    format: Format,
    next: AtomicUsize,
}

impl Files {
    fn new(format: Format) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            format,
            next: AtomicUsize::new(0),
        }
    }

    fn put(&self, text: &str) -> Container {
        let n = self.next.fetch_add(1, Ordering::SeqCst);
        let folder = self.folder.path().join(n.to_string());
        std::fs::create_dir(&folder).expect("made");
        let path = folder.join(format!("app{}", self.format.ending));
        std::fs::write(&path, text).expect("written");
        let mode = std::fs::Permissions::from_mode(0o640);
        std::fs::set_permissions(&path, mode).expect("set");
        container(&path)
    }
}

fn container(path: &Path) -> Container {
    Container {
        kind: "file".into(),
        region: String::new(),
        name: path.to_str().expect("text").into(),
    }
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("listed");
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

#[async_trait]
impl Harness for Files {
    fn under_test(&self) -> &dyn Store {
        &FileStore
    }

    fn impatient(&self) -> &dyn Store {
        &FileStore
    }

    fn truth(&self) -> &dyn Store {
        &FileStore
    }

    /// There is none. How writes to files fail is tried below; a writer in between needs to
    /// strike within the store, which its own tests do.
    fn wire(&self) -> Option<&dyn Wire> {
        None
    }

    async fn fresh(&self) -> (Container, Slot) {
        assert!(self.format.content.contains(OLD));
        (self.put(self.format.content), Slot(self.format.slot.into()))
    }

    async fn nasty(&self) -> Container {
        self.put(self.format.nasty)
    }

    async fn whole(&self, container: &Container) -> String {
        let path = Path::new(&container.name);
        let text = std::fs::read_to_string(path).expect("text");
        let mode = std::fs::metadata(path).expect("there").permissions().mode();
        let beside = names(path.parent().expect("in a folder"));
        format!("{text:?}, mode {mode:o}, among {beside:?}")
    }

    fn rival(&self, _: &Container, _: &Slot, _: &str) -> Deed {
        Box::pin(async {})
    }

    fn absent(&self) -> Container {
        container(&self.folder.path().join("nowhere.env"))
    }

    fn changes(&self) -> usize {
        0
    }
}

#[tokio::test]
async fn dotenv_files_keep_their_contract() {
    store::suite(&Files::new(DOTENV)).await.assert_none();
}

#[tokio::test]
async fn json_files_keep_their_contract() {
    store::suite(&Files::new(JSON)).await.assert_none();
}

#[tokio::test]
async fn toml_files_keep_their_contract() {
    store::suite(&Files::new(TOML)).await.assert_none();
}

#[tokio::test]
async fn yaml_files_keep_their_contract() {
    store::suite(&Files::new(YAML)).await.assert_none();
}

#[tokio::test]
async fn plain_files_keep_their_contract() {
    store::suite(&Files::new(PLAIN)).await.assert_none();
}

/// Tries to write, which must fail and leave everything as it was.
async fn fails(path: &Path) {
    let container = container(path);
    let folder = path.parent().expect("in a folder");
    let before = (std::fs::read(path).expect("read"), names(folder));
    let seen = FileStore.read(&container).await.expect("read").version;
    let changes = [(Slot::key("KEY"), Secret::from("new"))].into();
    let fault = FileStore.write(&container, &seen, &changes).await;
    let fault = fault.expect_err("it cannot be written");
    assert!(!fault.may_have_acted(), "{fault:?}");
    assert_eq!((std::fs::read(path).expect("read"), names(folder)), before);
}

#[tokio::test]
async fn a_folder_that_takes_no_new_file_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(".env");
    std::fs::write(&path, "KEY=old\n").expect("written");
    let mode = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.path(), mode).expect("set");
    };
    mode(0o555);
    // To root no folder is read-only: for it there is the next test.
    let is_root = std::fs::write(folder.path().join("try"), "").is_ok();
    if is_root {
        std::fs::remove_file(folder.path().join("try")).expect("removed");
    } else {
        fails(&path).await;
    }
    mode(0o755);
}

/// Linux takes paths of up to 4096 bytes with their end: the file's own name fits, the longer
/// one of a new file beside it does not.
#[tokio::test]
async fn where_no_new_file_can_be_made_nothing_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut path = folder.path().to_path_buf();
    while path.as_os_str().len() < 4_080 {
        let room = 4_081 - path.as_os_str().len() - 1;
        path.push("d".repeat(room.clamp(1, 200)));
    }
    std::fs::create_dir_all(&path).expect("a deep folder");
    path.push("a.env");
    std::fs::write(&path, "KEY=old\n").expect("written");
    fails(&path).await;
}

#[tokio::test]
async fn a_file_with_another_name_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(".env");
    std::fs::write(&path, "KEY=old\n").expect("written");
    std::fs::hard_link(&path, folder.path().join("other")).expect("linked");
    fails(&path).await;
}
