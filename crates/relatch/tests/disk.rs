//! The disk is full: the tool stops and says so, nothing is done that is not recorded, no
//! value is lost, and when there is room again it goes on to the end.

mod support;

use std::path::Path;

use relatch_contract::proxy::{Matching, Seen};
use serde_json::Value;
use support::{Cloud, Company, Facts, Ran, Room, Rotation, Setup, say};

const APPLY: &str = "apply --yes --steps";

/// A small disk, or the test says that there can be none.
fn room(folder: &Path, size: &str) -> Room {
    std::fs::create_dir_all(folder).expect("folder");
    Room::of(folder, size).expect("a tmpfs in a namespace of its own (unshare -rm)")
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_it_stops_and_goes_on_when_there_is_room() {
    let cloud = Cloud::start().await;
    let mut company = Company::found(&cloud, Setup::SMALL).await;
    company.services.work();
    let disk = company.work().join(".relatch");
    let room = room(&disk, "4m");
    say!("a full disk: tmpfs of 4 MiB (ENOSPC)");
    let tool = room.tool(company.tool(), &company.work());
    let rotation = Rotation::open(&company, tool, "full").await;
    room.fill_but(0);
    let mut stops = 0;
    loop {
        let ran = rotation.tool.run(APPLY).await;
        if ran.code == Some(0) {
            break;
        }
        stops += 1;
        assert!(stops < 100, "no end\n{ran}");
        says_full(&ran);
        only_what_is_recorded(&rotation, &room).await;
        if !room.make_room(64 * 1024) {
            support::person(&rotation, &ran).await;
        }
    }
    assert!(stops > 3, "it stopped only {stops} times");
    room.make_room(u64::MAX);
    rotation
        .assert_clean_in(&room.inside().join("cases/full"))
        .await;
    company.services.assert_run_with(&company.values().await);
    let asked = company.assert_served();
    say!("stopped {stops} times; {asked} requests of services, none failed");
}

/// The message says what is full, and what to do.
fn says_full(ran: &Ran) {
    assert!(matches!(ran.code, Some(1 | 4)), "{ran}");
    let words = format!("{}{}", ran.out, ran.err);
    let full = ["disk is full", "make room", "No space left", "full"];
    assert!(full.iter().any(|word| words.contains(word)), "{ran}");
}

/// Whatever was changed outside, the journal knows that it was intended.
async fn only_what_is_recorded(rotation: &Rotation<'_>, room: &Room) {
    let facts = Facts::in_file(&room.inside().join("cases/full/journal.db"));
    let intended = |verb: &str| {
        let of = |record: &&Value| {
            let step = record["fact"]["step"].as_str().unwrap_or_default();
            record["fact"]["kind"] == "step_intended" && step.contains(verb)
        };
        facts.0.iter().filter(of).count()
    };
    let counts = rotation.company.key_counts().await;
    let minted: usize = counts
        .iter()
        .map(|(_, count)| count.saturating_sub(1))
        .sum();
    let mints = intended("mint");
    assert!(
        minted <= mints,
        "{minted} keys, {mints} intents: {counts:?}"
    );
    let written = rotation.company.texts().await != rotation.old_texts;
    assert!(
        !written || intended("write") > 0,
        "written and not intended"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_that_custody_has_no_room_for_is_removed_at_its_issuer() {
    let cloud = Cloud::start().await;
    let company = Company::found(&cloud, Setup::SMALL).await;
    let small = company.folder.path().join("small");
    let room = room(&small, "1m");
    let tool = room.tool(company.tool(), &company.work());
    let rotation = Rotation::open(&company, tool, "custody").await;
    move_custody(&rotation, &room, &small);
    // The disk fills while the mint is on its way.
    let full = std::sync::Arc::new(room);
    for (wire, what) in [
        (
            &company.wire,
            Matching::request("POST", "", "Action=CreateAccessKey"),
        ),
        (
            &company.openai_wire,
            Matching::request("POST", "/api_keys", ""),
        ),
    ] {
        let room = std::sync::Arc::clone(&full);
        wire.before(what, Box::pin(async move { room.fill_but(0) }));
    }
    let ran = rotation.tool.run(APPLY).await;
    assert_eq!(ran.code, Some(4), "{ran}");
    says_full(&ran);
    let counts = company.key_counts().await;
    assert!(
        counts.iter().all(|(_, count)| *count == 1),
        "orphans: {counts:?}"
    );
    let seen: Vec<String> = company.wire.seen().iter().map(Seen::name).collect();
    let removed = seen
        .iter()
        .filter(|name| *name == "DeleteAccessKey")
        .count();
    assert!(removed > 0, "no key was removed: {seen:?}");
    assert_eq!(company.values().await, rotation.old, "nothing was written");
    full.make_room(1 << 20);
    support::person(&rotation, &ran).await;
    rotation.finish().await;
    rotation.assert_clean().await;
    say!("custody full between mint and seal: {removed} new keys removed at once");
}

/// Puts the custody of the case onto the small disk.
fn move_custody(rotation: &Rotation<'_>, room: &Room, small: &Path) {
    let custody = rotation.folder().join("custody");
    for file in support::files(&custody) {
        let name = file.file_name().expect("a name");
        std::fs::copy(&file, room.inside().join(name)).expect("copied");
    }
    std::fs::rename(&custody, custody.with_extension("moved")).expect("moved");
    std::os::unix::fs::symlink(small, &custody).expect("a link");
}
