use std::os::unix::fs::symlink;

use super::*;

async fn find(folder: &Path, patterns: &[&str]) -> (Vec<String>, Vec<String>) {
    let root = folder.to_str().expect("text");
    let patterns = patterns
        .iter()
        .map(|pattern| format!("{root}/{pattern}"))
        .collect();
    let findings = FileSource::new(patterns).find().await;
    let short = |text: String| text.replace(root, "");
    let names = findings
        .containers
        .iter()
        .map(|(c, _)| short(c.to_string()))
        .collect();
    let spots = findings
        .blind_spots
        .iter()
        .map(|s| short(format!("{}: {}", s.what, s.why)))
        .collect();
    (names, spots)
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("temp dir");
    let root = folder.path();
    fs::create_dir_all(root.join("sub/.git")).expect("folders");
    fs::write(root.join(".env"), "KEY=canary\n").expect("write");
    fs::write(root.join("sub/a.json"), "{\"k\": \"v\"}").expect("write");
    fs::write(root.join("sub/b.json"), "{\"k\": \"canary").expect("write");
    fs::write(root.join("sub/.git/config"), "x").expect("write");
    fs::write(root.join("sub/pic"), [1, 0, 2]).expect("write");
    fs::write(root.join("sub/big"), vec![b'a'; 1024 * 1024 + 1]).expect("write");
    folder
}

#[tokio::test]
async fn a_folder_is_read_whole_and_what_cannot_be_read_is_named() {
    let folder = folder();
    let (names, spots) = find(folder.path(), &[""]).await;
    assert_eq!(names, ["file:/.env", "file:/sub/a.json"]);
    let mut spots: Vec<_> = spots.iter().map(String::as_str).collect();
    spots.sort_unstable();
    assert_eq!(
        spots,
        [
            "file:/sub/.git: inner files of a repository are not looked through: scan its history",
            "file:/sub/b.json: line 1 is not valid JSON: a string does not end",
            "file:/sub/big: 1 files are larger than 1 MiB",
            "file:/sub/pic: 1 files are no text",
        ]
    );
}

#[tokio::test]
async fn patterns_and_single_files_are_read_once() {
    let folder = folder();
    let (names, spots) = find(
        folder.path(),
        &["sub/*.json", "sub/a.json", "none*", "gone"],
    )
    .await;
    assert_eq!(names, ["file:/sub/a.json"]);
    assert_eq!(spots.len(), 3, "{spots:?}");
    assert!(spots.contains(&"file:/none*: nothing matches this pattern".to_string()));
    assert!(
        spots
            .iter()
            .any(|spot| spot.starts_with("file:/gone: cannot be read"))
    );
}

#[tokio::test]
async fn links_are_one_container_with_the_file_and_loops_end() {
    let folder = folder();
    symlink(folder.path().join(".env"), folder.path().join("a-link")).expect("link");
    symlink(folder.path(), folder.path().join("loop")).expect("link");
    symlink("nowhere", folder.path().join("dangling")).expect("link");
    let (names, spots) = find(folder.path(), &[""]).await;
    assert_eq!(names, ["file:/.env", "file:/sub/a.json"]);
    for expected in [
        "file:/a-link: it is another name of /.env, which stands for both",
        "file:/loop: a link to a folder is not followed",
    ] {
        assert!(spots.contains(&expected.to_string()), "{spots:?}");
    }
    assert!(
        spots
            .iter()
            .any(|spot| spot.starts_with("file:/dangling: cannot be read"))
    );
    let (names, _) = find(folder.path(), &["a-link"]).await;
    assert_eq!(names, ["file:/a-link"]);
}

#[tokio::test]
async fn many_odd_files_are_one_blind_spot_with_a_count() {
    let folder = tempfile::tempdir().expect("temp dir");
    for number in 0..25 {
        fs::write(folder.path().join(format!("{number:02}")), [0]).expect("write");
    }
    let (_, spots) = find(folder.path(), &[""]).await;
    assert_eq!(spots.len(), 1);
    assert!(
        spots[0].ends_with("and 5 more: 25 files are no text"),
        "{spots:?}"
    );
}

#[tokio::test]
async fn no_value_is_printed() {
    let folder = folder();
    let source = FileSource::new(vec![folder.path().to_str().expect("text").into()]);
    let findings = source.find().await;
    assert!(!format!("{source:?} {findings:?}").contains("canary"));
}
