//! A small disk: a file system of its own in memory, which can be full.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::Tool;

/// A small disk at a folder, in sight of the tool that is run through it, and gone with it.
pub(crate) struct Room {
    folder: PathBuf,
    holder: Child,
}

/// What fills a disk.
const BALLAST: &str = "ballast";

/// Its file systems are its own, so that no right of the machine's is needed, and they end
/// with it.
const HOLD: &str =
    r#"mount -t tmpfs -o "size=$1" tmpfs "$0" && echo ready && exec cat > /dev/null"#;

impl Room {
    /// A disk of this size, as `mount` spells sizes; `None` where the kernel gives nobody one.
    pub(crate) fn of(folder: &Path, size: &str) -> Option<Self> {
        use std::io::{BufRead as _, BufReader};
        let mut holder = Command::new("unshare")
            .args(["-rm", "sh", "-c", HOLD])
            .arg(folder)
            .arg(size)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        let out = holder.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let room = Self {
            folder: folder.to_path_buf(),
            holder,
        };
        (line == "ready\n").then_some(room)
    }

    /// The tool with this disk.
    pub(crate) fn tool(&self, tool: Tool, work: &Path) -> Tool {
        let id = self.holder.id().to_string();
        let wd = format!("--wdns={}", work.display());
        let enter = [
            "nsenter",
            "--preserve-credentials",
            "-U",
            "-m",
            "-t",
            &id,
            &wd,
        ];
        tool.through(&enter)
    }

    /// The disk's folder, as this process sees it.
    pub(crate) fn inside(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.folder.strip_prefix("/").expect("absolute"))
    }

    /// Fills it up, but for so many bytes.
    pub(crate) fn fill_but(&self, bytes: u64) {
        let path = self.inside().join(BALLAST);
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .expect("ballast");
        while file.write_all(&[0; 512]).is_ok() {}
        let full = file.metadata().expect("ballast").len();
        file.set_len(full.saturating_sub(bytes)).expect("ballast");
    }

    /// Makes so much more room; `false` when there is no ballast left.
    pub(crate) fn make_room(&self, bytes: u64) -> bool {
        let file = File::options()
            .write(true)
            .open(self.inside().join(BALLAST));
        let file = file.expect("ballast");
        let length = file.metadata().expect("ballast").len();
        file.set_len(length.saturating_sub(bytes)).expect("ballast");
        length > bytes
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
