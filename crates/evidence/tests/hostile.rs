//! Files made to do harm: they fill no memory, stop at a limit, crash nothing, reach no terminal,
//! and each is named among the problems.
//!
//! What could fill the memory runs in a process of its own, whose highest use is measured.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, LazyLock};

use relatch_detect::RuleSet;
use relatch_evidence::{Limits, Options, Seeds, Source, Triage, summary, triage_sources};
use serde_json::{Value, json};

/// Names the test that a process was started for.
const APART: &str = "RELATCH_HOSTILE_TEST";

const MIB: u64 = 1 << 20;

/// Small limits, so that reaching them takes no long time.
const SMALL: Limits = Limits {
    file_bytes: 64 << 20,
    event_bytes: 1 << 20,
};

/// Runs a test in a process of its own, which may use at most `most` bytes of memory. The measure
/// is what Linux tells; elsewhere only the result counts.
fn apart(test: &str, most: u64, body: impl FnOnce()) {
    if std::env::var(APART).as_deref() == Ok(test) {
        body();
        writeln!(std::io::stdout(), "\npeak {}", peak().unwrap_or_default()).expect("a pipe");
        return;
    }
    let own = std::env::current_exe().expect("this program");
    let run = Command::new(own)
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(APART, test)
        .output()
        .expect("started");
    let out = String::from_utf8_lossy(&run.stdout);
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{out}\n{errors}");
    let told = out.lines().find_map(|line| line.strip_prefix("peak "));
    let peak: u64 = told.expect("the test ran").parse().expect("a number");
    assert!(peak < most, "{} MiB of {} MiB", peak / MIB, most / MIB);
}

/// The most memory this process ever used, in bytes.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn event(id: &str) -> Value {
    json!({
        "eventVersion": "1.11", "eventID": id, "eventTime": "2026-03-01T00:05:00Z",
        "eventSource": "secretsmanager.amazonaws.com", "eventName": "GetSecretValue",
        "awsRegion": "eu-west-1", "sourceIPAddress": "198.51.100.10", "userAgent": "Boto3/1.34",
        "requestParameters": {"secretId": "app/db"}, "responseElements": null, "readOnly": true,
        "eventCategory": "Management", "recipientAccountId": "111122223333",
        "userIdentity": {"type": "IAMUser", "principalId": "AIDAX", "userName": "app",
            "arn": "arn:aws:iam::111122223333:user/app", "accountId": "111122223333",
            "accessKeyId": "AKIAOWNEROWNEROWNER1"},
    })
}

fn rules() -> Arc<RuleSet> {
    static RULES: LazyLock<Arc<RuleSet>> =
        LazyLock::new(|| Arc::new(RuleSet::compile(relatch_detect::builtin())));
    RULES.clone()
}

fn options(limits: &Limits) -> Options {
    Options {
        limits: limits.clone(),
        detections: Some(rules()),
        ..Options::with_seeds(Seeds::default())
    }
}

fn told_within(sources: &[Source], limits: &Limits) -> Triage {
    triage_sources(sources, &options(limits)).expect("something to read")
}

fn bytes(name: &str, bytes: impl Into<Vec<u8>>) -> Source {
    Source::Bytes {
        name: name.into(),
        bytes: bytes.into(),
    }
}

fn told(text: impl Into<Vec<u8>>) -> Triage {
    told_within(&[bytes("hostile.json", text)], &SMALL)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// A gzip file of few bytes that unpacks to `times` times 64 MiB of the text.
fn gzip_bomb(text: &str, times: usize) -> Vec<u8> {
    let part = gzip(text.repeat((64 << 20) / text.len()).as_bytes());
    let first = gzip((event("kept").to_string() + "\n").as_bytes());
    [first, part.repeat(times)].concat()
}

/// A Zstandard frame (RFC 8878) of blocks that each say "this byte 131,072 times".
fn zstd_bomb(byte: u8, blocks: usize) -> Vec<u8> {
    // Magic number; no sizes told; a window of 128 KiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    for block in 1..=blocks {
        let header = (131_072u32 << 3) | (1 << 1) | u32::from(block == blocks);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(byte);
    }
    frame
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// The one problem that says this, with its file.
#[track_caller]
fn named(triage: &Triage, what: &str) {
    assert!(
        triage
            .problems
            .iter()
            .any(|problem| problem.what.contains(what) && !problem.file.is_empty()),
        "{what}: {:?}",
        triage.problems
    );
}

fn ids(triage: &Triage) -> u64 {
    triage.events_read
}

fn in_file(folder: &tempfile::TempDir, name: &str, content: &[u8]) -> Source {
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, content).expect("a file");
    Source::Path(path)
}

#[test]
fn a_gzip_bomb_stops_at_the_limit() {
    apart("a_gzip_bomb_stops_at_the_limit", 128 * MIB, || {
        let folder = tempfile::tempdir().expect("a folder");
        // Unpacked they would be 5 GiB. What is JSON is slow to read, so that less of it must do.
        for (text, most) in [("\0", 64), (" ", 64), ("{\"a\":\"b\"}\n", 2)] {
            let limits = Limits {
                file_bytes: most << 20,
                ..SMALL
            };
            let bomb = gzip_bomb(text, 80);
            assert!(bomb.len() < 40 << 20);
            let found = told_within(&[in_file(&folder, "bomb.json.gz", &bomb)], &limits);
            let limit = limits.file_bytes;
            named(
                &found,
                &format!("holds more than the limit of {limit} bytes; the rest was not read"),
            );
            assert_eq!(ids(&found), 1, "{text:?}");
            assert!(found.problems.len() < 30);
        }
    });
}

#[test]
fn a_zstd_bomb_stops_at_the_limit() {
    apart("a_zstd_bomb_stops_at_the_limit", 96 * MIB, || {
        let limit = "holds more than the limit of 67108864 bytes; the rest was not read";
        for (byte, what) in [(0, "is not a CloudTrail log"), (b' ', limit), (b'[', limit)] {
            // 160 KiB that would be 5 GiB.
            let bomb = zstd_bomb(byte, 40_960);
            assert!(bomb.len() < 200_000);
            let found = told_within(&[bytes("bomb.json.zst", bomb)], &SMALL);
            named(&found, what);
        }
    });
}

#[test]
fn a_zstd_frame_with_a_huge_window_is_refused() {
    apart(
        "a_zstd_frame_with_a_huge_window_is_refused",
        128 * MIB,
        || {
            // The largest window that can be told: more than three TiB.
            let mut frame = zstd_bomb(b' ', 1);
            frame[5] = 0xff;
            let found = told(frame);
            named(&found, "cannot be decompressed");
            assert_eq!(ids(&found), 0);
        },
    );
}

#[test]
fn a_bomb_of_tiny_events_stops_at_what_a_log_can_hold() {
    apart(
        "a_bomb_of_tiny_events_stops_at_what_a_log_can_hold",
        256 * MIB,
        || {
            let limits = Limits {
                file_bytes: 8 << 20,
                event_bytes: 1 << 20,
            };
            let text = "{\"eventName\":\"a\",\"eventSource\":\"b\",\"eventTime\":\"2026-03-01T00:00:00Z\"}\n";
            let found = told_within(&[bytes("bomb.json.gz", gzip_bomb(text, 1))], &limits);
            named(&found, "holds more than 32768 events");
            assert_eq!(found.events_read, 32_768);
            let text = "{\"type\":\"a\",\"service\":{\"serviceName\":\"guardduty\"}}\n";
            let found = told_within(&[bytes("bomb.json.gz", gzip_bomb(text, 1))], &limits);
            named(&found, "holds more than 100000 findings");
        },
    );
}

#[test]
fn one_huge_event_is_passed_over_and_the_rest_is_read() {
    apart(
        "one_huge_event_is_passed_over_and_the_rest_is_read",
        400 * MIB,
        || {
            let folder = tempfile::tempdir().expect("a folder");
            let (before, after) = (event("before").to_string(), event("after").to_string());
            let mut text = format!("{{\"Records\":[{before},{{\"eventName\":\"").into_bytes();
            text.resize(text.len() + 100_000_000, b'x');
            text.extend_from_slice(format!("\"}},{after}]}}").as_bytes());
            let plain = in_file(&folder, "huge.json", &text);
            let packed = in_file(&folder, "huge.json.gz", &gzip(&text));
            drop(text);
            for source in [plain, packed] {
                let found = told_within(&[source], &Limits::STANDARD);
                named(&found, "is larger than the limit for one record");
                assert_eq!(ids(&found), 2);
            }
        },
    );
}

#[test]
fn deep_nesting_overflows_no_stack() {
    const DEEP: usize = 100_000;
    let (open, close) = ("[".repeat(DEEP), "]".repeat(DEEP));
    let objects = "{\"a\":".repeat(DEEP) + "1" + &"}".repeat(DEEP);
    let kept = event("kept").to_string();
    for text in [
        format!("{{\"a\":{open}{close}}}\n{kept}"),
        format!("{objects}\n{kept}"),
        format!("{kept}\n{open}"),
        format!("{kept}\n{{\"a\":{open}"),
        format!("{kept}\n{}", "{\"Records\":[".repeat(DEEP)),
        format!("{kept}\n{}", "{\"a\":".repeat(DEEP)),
    ] {
        let found = told(text.clone());
        assert_eq!(ids(&found), 1, "{}", &text[..40]);
        assert!(!found.problems.is_empty(), "{}", &text[..40]);
    }
    for field in [
        "requestParameters",
        "responseElements",
        "additionalEventData",
        "resources",
        "userIdentity",
        "userAgent",
        "unknown",
    ] {
        for deep in [format!("{open}{close}"), objects.clone()] {
            let mut odd = event("deep");
            odd[field] = json!("HERE");
            let text = odd.to_string().replace("\"HERE\"", &deep);
            let found = told(format!("{text}\n{kept}"));
            assert!(ids(&found) == 2 || !found.problems.is_empty(), "{field}");
            let list = deep.starts_with('[');
            if field == "requestParameters" || (field == "userIdentity" && list) {
                named(&found, "cannot be read: deep");
            }
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_named_and_the_event_is_kept() {
    let text = event("odd").to_string();
    let (before, after) = text.split_once("Boto3").expect("the agent");
    let broken = [before.as_bytes(), b"\xff\xfe\xc0\x80", after.as_bytes()].concat();
    let found = told(broken);
    named(&found, "has bytes that are not UTF-8");
    named(&found, "the event was kept");
    assert_eq!(ids(&found), 1);
    // In the name of a field; a lone half of a pair; noise throughout.
    let found = told(
        text.replace("userAgent", "user\u{fffd}")
            .replace("Boto3", "\\ud800"),
    );
    assert!(ids(&found) == 1 || !found.problems.is_empty());
    let noise: Vec<u8> = (0..200_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0])
        .collect();
    let found = told_within(
        &[
            bytes("noise.json", noise),
            bytes("b", event("b").to_string()),
        ],
        &SMALL,
    );
    named(&found, "is not a CloudTrail log");
}

#[test]
fn files_that_were_cut_off_keep_what_they_hold() {
    let lines: String = (0..2000)
        .map(|number| event(&format!("e{number}")).to_string() + "\n")
        .collect();
    for packed in [gzip(lines.as_bytes()), zstd(lines.as_bytes())] {
        for cut in [packed.len() / 2, packed.len() - 1, packed.len() - 9] {
            let found = told(&packed[..cut]);
            named(&found, "cannot be read further");
            assert!(ids(&found) > 0, "{cut} of {}", packed.len());
        }
        for cut in [3, 8, 12] {
            let found = told(&packed[..cut]);
            assert!(!found.problems.is_empty(), "{cut}");
            assert_eq!(ids(&found), 0, "{cut}");
        }
    }
    let mut wrong = zstd(lines.as_bytes());
    let middle = wrong.len() / 2;
    wrong[middle] ^= 0x55;
    wrong[middle + 1] ^= 0x55;
    assert!(!told(wrong).problems.is_empty());
    let mut wrong = gzip(lines.as_bytes());
    let middle = wrong.len() / 2;
    wrong[middle] ^= 0x55;
    wrong[middle + 1] ^= 0x55;
    assert!(!told(wrong).problems.is_empty());
}

#[test]
fn zero_bytes_are_named() {
    let kept = event("kept").to_string();
    let found = told([b"\0\0\0\n", kept.as_bytes()].concat());
    assert_eq!(ids(&found), 1);
    named(&found, "is not a JSON object");
    let inside = event("odd").to_string().replace("Boto3", "Bo\0to3");
    let found = told(format!("{inside}\n{kept}"));
    assert_eq!(ids(&found), 1);
    named(&found, "is broken JSON: control character");
    let found = told(event("odd").to_string().replace("Boto3", "Bo\\u0000to3"));
    assert_eq!((ids(&found), found.problems.len()), (1, 0));
}

#[test]
fn what_a_caller_chose_reaches_no_terminal() {
    let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\u{2066}\u{200b}<script>alert(1)</script>\u{0}\r\nroot: ok";
    let mut events = Vec::new();
    for number in 0..30 {
        let mut odd = event(&format!("{evil}{number}"));
        for field in [
            "userAgent",
            "awsRegion",
            "sourceIPAddress",
            "errorCode",
            "errorMessage",
        ] {
            odd[field] = json!(evil);
        }
        odd["eventName"] = json!(format!("Get{evil}"));
        odd["requestParameters"] = json!({"secretId": evil, "roleSessionName": evil});
        let who = &mut odd["userIdentity"];
        for field in ["userName", "principalId", "arn", "accountId"] {
            who[field] = json!(evil);
        }
        events.push(odd.to_string());
    }
    let mut role = event("role");
    role["eventSource"] = json!("sts.amazonaws.com");
    role["eventName"] = json!("AssumeRole");
    role["requestParameters"] = json!({"roleArn": evil, "roleSessionName": evil});
    role["responseElements"] = json!({"credentials": {"accessKeyId": "ASIAEVILEVILEVILEVIL"},
        "assumedRoleUser": {"arn": evil, "assumedRoleId": evil}});
    events.push(role.to_string());
    let seeds = Seeds {
        access_keys: ["AKIAOWNEROWNEROWNER1".to_owned()].into(),
        agents: [evil.to_owned()].into(),
        ..Seeds::default()
    };
    let options = Options {
        seeds,
        ..options(&SMALL)
    };
    let source = bytes(&format!("{evil}.json"), events.join("\n") + "\n{broken");
    let found = triage_sources(&[source], &options).expect("readable");
    assert_eq!(ids(&found), 31);
    assert!(!found.tainted_events.is_empty());
    let forbidden = [
        '\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200b}', '\0', '\r',
    ];
    let text = summary(&found);
    assert!(!text.contains(forbidden), "{text:?}");
    assert!(text.lines().all(|line| !line.starts_with("root: ok")));
    // The JSON is valid and, but for the name of the file, holds nothing of it either.
    let mut value = serde_json::to_value(&found).expect("JSON");
    for list in ["files", "problems"] {
        value[list] = json!([]);
    }
    let text = value.to_string();
    assert!(serde_json::from_str::<Value>(&text).is_ok());
    assert!(!text.contains(forbidden) && !text.contains("\\u001b") && !text.contains("\\u0000"));
}

#[test]
fn half_a_character_hides_no_request_in_silence() {
    let mut odd = event("odd");
    odd["requestParameters"] = json!({"secretId": "prod/db", "versionStage": "HERE"});
    let with = |text: &str| told(odd.to_string().replace("HERE", text));
    assert_eq!(with("\\ud83d\\ude00").problems, Vec::new());
    let found = with("\\ud83d");
    assert_eq!(ids(&found), 1);
    named(&found, "request or answer cannot be read: odd");
}

#[test]
fn huge_numbers_lose_no_event_in_silence() {
    for number in [
        "1e999",
        "-1e999",
        "1e-999",
        "18446744073709551616",
        &"9".repeat(5000),
        "-0",
        "0.1e+0000001",
    ] {
        for field in [
            "userAgent",
            "requestParameters",
            "userIdentity",
            "readOnly",
            "eventTime",
            "unknown",
        ] {
            let mut odd = event("odd");
            odd[field] = json!("HERE");
            let found = told(odd.to_string().replace("\"HERE\"", number));
            assert!(
                ids(&found) == 1 || !found.problems.is_empty(),
                "{field} {number}"
            );
        }
        let mut odd = event("odd");
        odd["requestParameters"] = json!({"secretId": "HERE"});
        odd["userIdentity"]["accountId"] = json!("THERE");
        let found = told(odd.to_string().replace("\"HERE\"", number));
        assert_eq!(ids(&found), 1, "{number}");
        if number.contains("e999") {
            named(&found, "request or answer cannot be read: odd");
        }
        let found = told(odd.to_string().replace("\"THERE\"", number));
        assert_eq!(ids(&found), 1, "{number}");
        if number.contains("e999") {
            named(&found, "caller, request or answer cannot be read: odd");
        }
    }
    let found = told(event("odd").to_string().replace("true", "1e999"));
    named(
        &found,
        "is JSON that cannot be taken in: number out of range",
    );
}

#[test]
fn a_key_that_comes_twice_loses_no_event() {
    let twice = event("twice").to_string().replace(
        "{\"",
        "{\"eventName\":\"A\",\"eventID\":\"x\",\"eventName\":\"B\",\"",
    );
    let found = told(twice.replacen("\"eventName\":\"GetSecretValue\",", "", 1));
    assert!(ids(&found) == 1 || !found.problems.is_empty());
    let who = event("who").to_string().replace(
        "\"accessKeyId\"",
        "\"accessKeyId\":\"AKIAOTHEROTHEROTHER1\",\"accessKeyId\"",
    );
    let found = told(who);
    assert_eq!(ids(&found), 1);
    named(
        &found,
        "whose caller, request or answer cannot be read: who",
    );
}

#[test]
fn a_wrong_type_in_any_field_loses_no_event_in_silence() {
    let wrong = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1.5),
        json!(""),
        json!("x"),
        json!([]),
        json!({}),
        json!([[]]),
        json!([{"a": 1}]),
        json!({"a": {"b": [1]}}),
        json!("{\"a\":1}"),
        json!("[1]"),
    ];
    let plain = event("odd");
    let fields: Vec<String> = plain
        .as_object()
        .expect("an object")
        .keys()
        .cloned()
        .collect();
    let who: Vec<String> = plain["userIdentity"]
        .as_object()
        .expect("an object")
        .keys()
        .cloned()
        .collect();
    let extra = [
        "errorCode",
        "errorMessage",
        "resources",
        "additionalEventData",
        "sharedEventID",
        "managementEvent",
        "eventType",
        "insightDetails",
        "detail",
        "service",
        "type",
        "arn",
        "@timestamp",
    ];
    for value in &wrong {
        for field in fields.iter().map(String::as_str).chain(extra) {
            let mut odd = plain.clone();
            odd[field] = value.clone();
            let found = told(odd.to_string());
            assert!(
                ids(&found) == 1 || !found.problems.is_empty(),
                "{field} {value}"
            );
        }
        for field in who
            .iter()
            .map(String::as_str)
            .chain(["sessionContext", "invokedBy"])
        {
            let mut odd = plain.clone();
            odd["userIdentity"][field] = value.clone();
            let found = told(odd.to_string());
            assert!(
                ids(&found) == 1 || !found.problems.is_empty(),
                "userIdentity.{field} {value}"
            );
        }
        for field in [
            "accessKeyDetails",
            "resource",
            "service",
            "severity",
            "type",
            "id",
            "updatedAt",
        ] {
            let mut odd = json!({"id": "f", "arn": "arn:aws:guardduty:eu-west-1:111122223333:detector/d/finding/f",
                "type": "A:B/C", "severity": 5, "resource": {}, "service": {"serviceName": "guardduty"}});
            odd[field] = value.clone();
            let found = told(format!("{odd}\n{plain}"));
            assert_eq!(ids(&found), 1, "{field} {value}");
            assert_eq!(
                found.aws_findings.len() + found.problems.len(),
                1,
                "{field} {value}"
            );
        }
    }
}

#[test]
fn wildly_wrong_dates_break_nothing() {
    let times = [
        "9999-12-31T23:59:59Z",
        "-009999-01-02T00:00:00Z",
        "0000-00-00T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-03-01T25:61:61Z",
        "2026-03-01T23:59:60Z",
        "-9223372036854775808",
        "9223372036854775807",
        "253402300799",
        "253402300800000",
        "-377705116800",
        "0",
        "-1",
        "1e300",
        "NaN",
        "",
        "yesterday",
        "２０２６-03-01T00:00:00Z",
        "2026-03-01T00:00:00+99:99",
        "2026-03-01T00:00:00.9999999999999Z",
    ];
    let mut events: Vec<Value> = (0..times.len())
        .map(|number| event(&format!("odd{number:02}")))
        .collect();
    for (event, time) in events.iter_mut().zip(times) {
        event["eventTime"] = json!(time);
        event["userIdentity"]["sessionContext"] = json!({"attributes": {"creationDate": time}});
    }
    events.extend((0..30).map(|number| event(&format!("sound{number}"))));
    let lines: String = events
        .iter()
        .map(|event| event.to_string() + "\n")
        .collect();
    for seeds in [
        Seeds::default(),
        Seeds {
            access_keys: ["AKIAOWNEROWNEROWNER1".to_owned()].into(),
            since: Some("2026-01-01T00:00:00Z".parse().expect("a time")),
            ..Seeds::default()
        },
    ] {
        let options = Options {
            seeds,
            ..options(&SMALL)
        };
        let found =
            triage_sources(&[bytes("dates.json", lines.clone())], &options).expect("readable");
        assert_eq!(ids(&found), events.len() as u64);
        named(&found, "has an event without a readable time: odd06");
        assert!(!summary(&found).is_empty());
    }
}
