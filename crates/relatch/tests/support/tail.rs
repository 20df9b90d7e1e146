//! A bucket of logs that tells a queue of its new files.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{NotificationConfiguration, QueueConfiguration};
use aws_sdk_sqs::types::QueueAttributeName as QueueFact;
use relatch_contract::proxy::{Matching, WireFault};
use serde_json::{Value, json};

use super::Company;
use super::peers::REGION;

/// The bucket.
pub(crate) const BUCKET: &str = "trail";

/// The bucket and the queue of a company.
pub(crate) struct Tail {
    /// The address of the queue.
    pub(crate) url: String,
    queues: aws_sdk_sqs::Client,
    files: aws_sdk_s3::Client,
}

impl Tail {
    /// A message goes to a dead-letter queue after two receipts.
    pub(crate) async fn of(company: &Company) -> Self {
        let config = company.root.write_config(REGION);
        let queues = aws_sdk_sqs::Client::new(&config);
        let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true);
        let files = aws_sdk_s3::Client::from_conf(config.build());
        let dead = queues.create_queue().queue_name("dead").send().await;
        let dead = dead.expect("a queue").queue_url.expect("an address");
        let dead = fact(&queues, &dead, QueueFact::QueueArn).await;
        let policy = json!({"deadLetterTargetArn": dead, "maxReceiveCount": "2"});
        let made = queues.create_queue().queue_name("new-files");
        let made = made.attributes(QueueFact::RedrivePolicy, policy.to_string());
        let url = made.send().await.expect("a queue").queue_url;
        let tail = Self {
            url: url.expect("an address"),
            queues,
            files,
        };
        tail.tell_of_files().await;
        tail
    }

    async fn tell_of_files(&self) {
        let arn = fact(&self.queues, &self.url, QueueFact::QueueArn).await;
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage", "Resource": arn,
        }]});
        let allow = self.queues.set_queue_attributes().queue_url(&self.url);
        let allow = allow.attributes(QueueFact::Policy, policy.to_string());
        allow.send().await.expect("allowed");
        let made = self.files.create_bucket().bucket(BUCKET).send().await;
        made.expect("a bucket");
        let tell = QueueConfiguration::builder()
            .queue_arn(arn)
            .events("s3:ObjectCreated:*".into())
            .build();
        let tell = NotificationConfiguration::builder().queue_configurations(tell.expect("whole"));
        let put = self.files.put_bucket_notification_configuration();
        let put = put.bucket(BUCKET).notification_configuration(tell.build());
        put.send().await.expect("told");
        // S3 tries the queue out; a service that does not is as good.
        self.empty().await;
    }

    /// Takes away whatever is in the queue.
    async fn empty(&self) {
        let purge = self.queues.purge_queue().queue_url(&self.url);
        purge.send().await.expect("purged");
    }

    /// Puts a file of log into the bucket, of which the queue is told.
    pub(crate) async fn write(&self, key: &str, text: &str) {
        let body = ByteStream::from(text.as_bytes().to_vec());
        let put = self.files.put_object().bucket(BUCKET).key(key).body(body);
        put.send().await.expect("put");
    }

    /// Sends a message by hand.
    pub(crate) async fn send(&self, body: &str) {
        let send = self.queues.send_message().queue_url(&self.url);
        send.message_body(body).send().await.expect("sent");
    }

    /// Receives one message as somebody else would, who then leaves it.
    pub(crate) async fn receive_and_leave(&self) {
        let receive = self.queues.receive_message().queue_url(&self.url);
        let received = receive.visibility_timeout(0).send().await;
        let messages = received.expect("received").messages.unwrap_or_default();
        assert_eq!(messages.len(), 1, "{messages:?}");
    }

    /// A message that was received and not taken away comes again at once.
    pub(crate) async fn show_again(&self, receipt: &str) {
        let change = self.queues.change_message_visibility();
        let change = change.queue_url(&self.url).receipt_handle(receipt);
        let changed = change.visibility_timeout(0).send().await;
        changed.expect("changed");
    }

    /// How many messages wait, and how many were received and not taken away.
    pub(crate) async fn standing(&self) -> (u64, u64) {
        let number = async |name| {
            let told = fact(&self.queues, &self.url, name).await;
            told.parse().expect("a number")
        };
        let waiting = number(QueueFact::ApproximateNumberOfMessages).await;
        let in_flight = number(QueueFact::ApproximateNumberOfMessagesNotVisible).await;
        (waiting, in_flight)
    }
}

/// Receipts of messages that the tool wants to take away, which the wire does not let it.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<Mutex<Vec<String>>>);

impl Held {
    /// From now on no message of this company is taken away, until its wire is calm.
    pub(crate) fn on(company: &Company) -> Self {
        let held = Self::default();
        let keep = Arc::clone(&held.0);
        let matching = Matching::by(move |seen, body| {
            if !seen.name().ends_with("DeleteMessageBatch") {
                return false;
            }
            let body: Value = serde_json::from_slice(body).expect("JSON");
            let entries = body["Entries"].as_array().expect("a list").iter();
            let receipts = entries.map(|one| one["ReceiptHandle"].as_str().expect("text"));
            let mut keep = keep.lock().unwrap_or_else(PoisonError::into_inner);
            keep.extend(receipts.map(str::to_string));
            true
        });
        company.wire.script(matching, WireFault::HangBefore, None);
        held
    }

    /// The receipts.
    pub(crate) fn receipts(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn fact(queues: &aws_sdk_sqs::Client, url: &str, name: QueueFact) -> String {
    let asked = queues.get_queue_attributes().queue_url(url);
    let told = asked.attribute_names(name.clone()).send().await;
    told.expect("told").attributes.expect("facts")[&name].clone()
}
