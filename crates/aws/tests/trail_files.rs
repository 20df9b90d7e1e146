//! Log files in a bucket, against ministack and moto. No emulator writes such files itself:
//! they are laid out here as CloudTrail lays them out.

mod support;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use jiff::Timestamp;
use relatch_aws::{Connection, TrailBucket, TrailObject, TrailObjects, TrailUrl};
use relatch_case::FaultKind;

fn owner(connection: &Connection, region: &str) -> Client {
    let config = connection.write_config(region);
    let config = aws_sdk_s3::config::Builder::from(&config)
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

async fn bucket(connection: &Connection, name: &str, keys: &[String]) {
    let owner = owner(connection, "us-east-1");
    owner
        .create_bucket()
        .bucket(name)
        .send()
        .await
        .expect("a bucket");
    for key in keys {
        let body = ByteStream::from(key.clone().into_bytes());
        owner
            .put_object()
            .bucket(name)
            .key(key)
            .body(body)
            .send()
            .await
            .expect("put");
    }
}

async fn open(connection: &Connection, url: &str) -> TrailBucket {
    let url = TrailUrl::parse(url).expect("an address");
    TrailBucket::open(connection, "us-east-1", url)
        .await
        .expect("opened")
}

async fn all(mut objects: TrailObjects) -> (Vec<TrailObject>, Vec<String>) {
    let mut found = Vec::new();
    while let Some(object) = objects.next().await.expect("listed") {
        found.push(object);
    }
    (found, objects.skipped().map(str::to_string).collect())
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

fn log(prefix: &str, account: &str, region: &str, day: &str, file: &str) -> String {
    format!("{prefix}AWSLogs/{account}/CloudTrail/{region}/{day}/{file}.json.gz")
}

/// The keys in their order, whichever folder was looked at first.
fn keys(found: &[TrailObject]) -> Vec<&str> {
    let mut keys: Vec<_> = found.iter().map(|object| object.key.as_str()).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn only_the_window_is_listed_in_every_account_and_region_of_an_organization() {
    for peer in [support::ministack().await, support::moto().await] {
        let connection = peer.connection().await;
        let (one, two) = ("o-abc123/111122223333", "444455556666");
        let inside = [
            log("audit/", two, "us-east-1", "2026/11/09", "b"),
            log("audit/", one, "eu-west-1", "2026/11/11", "late"),
            log("audit/", one, "us-east-1", "2026/11/10", "a"),
        ];
        let outside = [
            log("audit/", one, "us-east-1", "2026/11/08", "early"),
            log("audit/", one, "us-east-1", "2026/11/20", "too-late"),
            "audit/AWSLogs/444455556666/CloudTrail-Digest/us-east-1/2026/11/10/d.json.gz".into(),
            "audit/AWSLogs/444455556666/Config/us-east-1/2026/11/10/c.json.gz".into(),
            "audit/AWSLogs/notes/readme.txt".into(),
        ];
        bucket(&connection, "logs", &[&inside[..], &outside[..]].concat()).await;
        // The bucket, the folder above, and the layout itself lead to the same files.
        for url in ["s3://logs", "s3://logs/audit", "s3://logs/audit/AWSLogs/"] {
            let bucket = open(&connection, url).await;
            let window = bucket.objects(
                Some(at("2026-11-09T01:00:00Z")),
                Some(at("2026-11-10T23:00:00Z")),
            );
            let (found, skipped) = all(window).await;
            assert_eq!(keys(&found), inside, "{url}");
            assert_eq!(skipped, ["audit/AWSLogs/notes/"], "{url}");
        }
        let (found, _) = all(open(&connection, "s3://logs").await.objects(None, None)).await;
        assert_eq!(found.len(), 5, "without a window every day counts");
        let first = found
            .iter()
            .find(|object| object.key == inside[1])
            .expect("found");
        assert_eq!(first.account.as_deref(), Some("111122223333"));
        assert_eq!(first.region.as_deref(), Some("eu-west-1"));
        assert_eq!(first.size, inside[1].len() as u64);
    }
}

#[tokio::test]
async fn files_in_no_known_layout_are_all_candidates_and_others_are_named() {
    for peer in [support::ministack().await, support::moto().await] {
        let connection = peer.connection().await;
        let names = [
            "export/a.json",
            "export/deep/b.json.gz",
            "export/notes.txt",
            "else/c.json",
        ];
        bucket(&connection, "logs", &names.map(str::to_string)).await;
        let bucket = open(&connection, "s3://logs/export").await;
        let (found, skipped) = all(bucket.objects(Some(at("2026-11-09T00:00:00Z")), None)).await;
        assert_eq!(keys(&found), ["export/a.json", "export/deep/b.json.gz"]);
        assert_eq!(skipped, ["export/notes.txt"]);
    }
}

#[tokio::test]
async fn more_files_than_a_page_are_all_listed_and_read() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    let day = |n: u32| {
        log(
            "",
            "111122223333",
            "us-east-1",
            "2026/11/10",
            &format!("f{n:04}"),
        )
    };
    let names: Vec<_> = (0..1105).map(day).collect();
    bucket(&connection, "logs", &names).await;
    let bucket = open(&connection, "s3://logs").await;
    let (found, _) = all(bucket.objects(Some(at("2026-11-10T00:00:00Z")), None)).await;
    assert_eq!(keys(&found), names);
    let bytes = bucket.get(&names[1100]).await.expect("read");
    assert_eq!(bytes, names[1100].as_bytes());
}

#[tokio::test]
async fn missing_buckets_and_files_are_named() {
    for peer in [support::ministack().await, support::moto().await] {
        let connection = peer.connection().await;
        let url = TrailUrl::parse("s3://nowhere/x").expect("an address");
        let fault = TrailBucket::open(&connection, "us-east-1", url)
            .await
            .expect_err("refused");
        assert_eq!(fault.kind, FaultKind::NotFound, "{fault}");
        assert!(fault.detail.contains("nowhere"), "{fault}");
        bucket(&connection, "logs", &[]).await;
        let bucket = open(&connection, "s3://logs").await;
        let fault = bucket.get("gone.json.gz").await.expect_err("refused");
        assert_eq!(fault.kind, FaultKind::NotFound, "{fault}");
        assert!(fault.detail.contains("s3://logs/gone.json.gz"), "{fault}");
    }
}

#[tokio::test]
async fn a_bucket_of_another_region_is_opened_where_it_lies() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    let place = CreateBucketConfiguration::builder()
        .location_constraint(BucketLocationConstraint::EuWest1)
        .build();
    let owner = owner(&connection, "eu-west-1");
    owner
        .create_bucket()
        .bucket("far")
        .create_bucket_configuration(place)
        .send()
        .await
        .expect("ok");
    let key = log("", "111122223333", "eu-west-1", "2026/11/10", "f");
    let body = ByteStream::from_static(b"{}");
    owner
        .put_object()
        .bucket("far")
        .key(&key)
        .body(body)
        .send()
        .await
        .expect("put");
    let bucket = open(&connection, "s3://far").await;
    let (found, _) = all(bucket.objects(None, None)).await;
    assert_eq!(keys(&found), [key.as_str()]);
    assert_eq!(bucket.get(&key).await.expect("read"), b"{}");
}
