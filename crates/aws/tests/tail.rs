//! The queue that tells of new log files, against ministack and moto. The notifications are the
//! emulators' own where they send any; what SNS and EventBridge wrap around is laid in by hand.

mod support;

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{NotificationConfiguration, QueueConfiguration};
use aws_sdk_sqs::types::QueueAttributeName;
use relatch_aws::{Connection, Notice, Queue, TrailBucket, TrailUrl, notices};
use relatch_case::FaultKind;

const KEY: &str = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/10/a b+c=d.json.gz";

/// A queue and its address; a message goes to the dead-letter queue after two receipts.
async fn queue(connection: &Connection) -> (aws_sdk_sqs::Client, String) {
    let owner = aws_sdk_sqs::Client::new(&connection.write_config("us-east-1"));
    let make = |name: &'static str| owner.create_queue().queue_name(name);
    let dead = make("dead").send().await.expect("a queue");
    let dead = arn(&owner, &dead.queue_url.expect("an address")).await;
    let policy = format!(r#"{{"deadLetterTargetArn":"{dead}","maxReceiveCount":"2"}}"#);
    let made = make("new-files")
        .attributes(QueueAttributeName::RedrivePolicy, policy)
        .send()
        .await
        .expect("a queue");
    (owner, made.queue_url.expect("an address"))
}

async fn arn(owner: &aws_sdk_sqs::Client, url: &str) -> String {
    let asked = owner
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(QueueAttributeName::QueueArn);
    let facts = asked.send().await.expect("facts").attributes;
    facts.expect("facts")[&QueueAttributeName::QueueArn].clone()
}

/// A bucket that tells the queue of its new files.
async fn bucket(
    connection: &Connection,
    queues: &aws_sdk_sqs::Client,
    url: &str,
) -> aws_sdk_s3::Client {
    let queue_arn = arn(queues, url).await;
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow",
            "Principal":{{"Service":"s3.amazonaws.com"}},
            "Action":"sqs:SendMessage","Resource":"{queue_arn}"}}]}}"#
    );
    queues
        .set_queue_attributes()
        .queue_url(url)
        .attributes(QueueAttributeName::Policy, policy)
        .send()
        .await
        .expect("allowed");
    let config = connection.write_config("us-east-1");
    let config = aws_sdk_s3::config::Builder::from(&config)
        .force_path_style(true)
        .build();
    let owner = aws_sdk_s3::Client::from_conf(config);
    owner
        .create_bucket()
        .bucket("logs")
        .send()
        .await
        .expect("a bucket");
    let tell = QueueConfiguration::builder()
        .queue_arn(queue_arn)
        .events("s3:ObjectCreated:*".into())
        .build()
        .expect("whole");
    let tell = NotificationConfiguration::builder()
        .queue_configurations(tell)
        .build();
    owner
        .put_bucket_notification_configuration()
        .bucket("logs")
        .notification_configuration(tell)
        .send()
        .await
        .expect("told");
    owner
}

#[tokio::test]
async fn a_new_file_is_told_fetched_and_its_message_taken_away_once() {
    for peer in [support::ministack().await, support::moto().await] {
        let connection = peer.connection().await;
        let (owner, url) = queue(&connection).await;
        let files = bucket(&connection, &owner, &url).await;
        let body = ByteStream::from_static(b"{\"Records\":[]}");
        files
            .put_object()
            .bucket("logs")
            .key(KEY)
            .body(body)
            .send()
            .await
            .expect("put");
        let queue = Queue::open(&connection, &url).expect("opened");
        let mut written = Vec::new();
        for _ in 0..20 {
            let messages = queue.receive(1).await.expect("received");
            for message in &messages {
                written.extend(notices(&message.body).expect("a notification"));
            }
            let messages: Vec<_> = messages.iter().collect();
            assert_eq!(queue.delete(&messages).await, Ok(Vec::new()));
            if written
                .iter()
                .any(|notice| matches!(notice, Notice::Written { .. }))
            {
                break;
            }
        }
        let wanted = Notice::Written {
            bucket: "logs".into(),
            key: KEY.into(),
        };
        assert!(written.contains(&wanted), "{written:?}");
        let at = TrailUrl::parse("s3://logs").expect("an address");
        let bucket = TrailBucket::open(&connection, "us-east-1", at)
            .await
            .expect("opened");
        assert_eq!(bucket.get(KEY).await.expect("read"), b"{\"Records\":[]}");
        assert_eq!(queue.receive(1).await.expect("received"), []);
        let standing = queue.standing().await.expect("told");
        assert_eq!((standing.waiting, standing.in_flight), (0, 0));
        assert_eq!(standing.most_receipts, Some(2));
    }
}

#[tokio::test]
async fn a_message_that_is_not_taken_away_is_in_flight_comes_again_and_then_is_dead() {
    for peer in [support::ministack().await, support::moto().await] {
        let connection = peer.connection().await;
        let (owner, url) = queue(&connection).await;
        owner
            .send_message()
            .queue_url(&url)
            .message_body("no notification")
            .send()
            .await
            .expect("sent");
        let queue = Queue::open(&connection, &url).expect("opened").holding(1);
        for receipt in 1..=2 {
            let messages = queue.receive(1).await.expect("received");
            assert_eq!(messages.len(), 1);
            assert_eq!(messages[0].received, receipt);
            notices(&messages[0].body).expect_err("no notification");
            let standing = queue.standing().await.expect("told");
            assert_eq!((standing.waiting, standing.in_flight), (0, 1));
            tokio::time::sleep(Duration::from_millis(1_300)).await;
        }
        assert_eq!(queue.receive(1).await.expect("received"), []);
        let dead = owner
            .get_queue_url()
            .queue_name("dead")
            .send()
            .await
            .expect("there");
        let dead = Queue::open(&connection, &dead.queue_url.expect("an address")).expect("opened");
        let kept = dead.receive(1).await.expect("received");
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].body, "no notification");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_queue_is_told_with_its_name() {
    for peer in [support::ministack().await, support::moto().await] {
        let connection = peer.connection().await;
        let url = format!("{}/000000000000/nowhere", peer.endpoint());
        let queue = Queue::open(&connection, &url).expect("opened");
        let fault = queue.receive(1).await.expect_err("refused");
        assert!(fault.detail.contains("sqs:ReceiveMessage"), "{fault}");
        assert!(fault.detail.contains("nowhere"), "{fault}");
    }
    let connection = support::connection_to("http://127.0.0.1:1").await;
    let fault = Queue::open(&connection, "new-files").expect_err("refused");
    assert_eq!(fault.kind, FaultKind::Invalid);
}

#[tokio::test]
async fn who_may_not_receive_is_told_what_is_missing() {
    let peer = support::ministack().await;
    let (_, url) = queue(&peer.connection().await).await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    let reader = peer.user("reader", policy).await;
    let queue = Queue::open(&reader, &url).expect("opened");
    let fault = queue.receive(1).await.expect_err("refused");
    assert_eq!(fault.kind, FaultKind::Denied, "{fault}");
    assert!(fault.detail.contains("sqs:ReceiveMessage"), "{fault}");
}
