//! How long the rules take over made-up events: `cargo run --release -p relatch-detect --example
//! speed [FOLDER OF RULES]`.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::time::Instant;

use relatch_detect::{
    Event, Hit, Known, Path, RawEvent, RuleSet, See, Value, builtin, load, walk_json,
};

const EVENTS: usize = 718_000;

/// An event as a reader of logs would have it: fields borrowed, the request as text.
struct Made {
    source: String,
    name: String,
    agent: String,
    address: String,
    error: Option<&'static str>,
    kind: &'static str,
    key: String,
    request: String,
}

impl Made {
    fn text(&self, known: Known) -> Option<&str> {
        Some(match known {
            Known::EventSource => &self.source,
            Known::EventName => &self.name,
            Known::UserAgent => &self.agent,
            Known::SourceIpAddress => &self.address,
            Known::ErrorCode => self.error?,
            Known::IdentityType => self.kind,
            Known::AccessKeyId => &self.key,
            Known::AwsRegion => "eu-west-1",
            _ => return None,
        })
    }
}

impl Made {
    /// The event as a line of a log.
    fn line(&self) -> String {
        let mut event = serde_json::json!({"userIdentity": {}});
        for known in Known::ALL {
            match (self.text(known), known.text().split_once('.')) {
                (Some(text), Some((above, below))) => event[above][below] = text.into(),
                (Some(text), None) => event[known.text()] = text.into(),
                (None, _) => {}
            }
        }
        let request: serde_json::Value = serde_json::from_str(&self.request).expect("JSON");
        event["requestParameters"] = request;
        event.to_string()
    }
}

impl Event for Made {
    fn visit(&self, path: &Path, see: &mut See<'_>) {
        if let Some(known) = path.known() {
            if let Some(text) = self.text(known) {
                let _: ControlFlow<()> = see(Value::Text(Cow::Borrowed(text)));
            }
        } else if path.segment(0) == "requestParameters" {
            walk_json(&self.request, path, 1, see);
        }
    }

    fn visit_all(&self, see: &mut See<'_>) {
        walk_json(&self.request, &Path::new(""), 1, see);
    }
}

fn made(random: &mut fastrand::Rng) -> Made {
    let service = [
        "ec2", "s3", "sts", "kms", "logs", "ecs", "dynamodb", "sqs", "lambda", "iam",
    ];
    // A few calls make up nearly all of a log; the long tail is wide.
    let calls = [
        "AssumeRole",
        "Decrypt",
        "PutObject",
        "CreateLogStream",
        "DescribeInstances",
        "GetObject",
    ];
    let (source, name) = if random.u8(0..100) < 90 {
        let call = random.usize(0..calls.len());
        (
            ["sts", "kms", "s3", "logs", "ec2", "s3"][call],
            calls[call].to_owned(),
        )
    } else {
        (
            service[random.usize(0..service.len())],
            format!("Describe{}", random.u16(0..150)),
        )
    };
    Made {
        source: format!("{source}.amazonaws.com"),
        name,
        agent: format!(
            "aws-sdk-go-v2/1.{} os/linux lang/go#1.22 md/GOOS#linux api/{source}",
            random.u16(0..400)
        ),
        address: format!("10.0.{}.{}", random.u8(0..8), random.u8(..)),
        error: (random.u8(0..100) < 3).then_some("AccessDenied"),
        kind: ["AssumedRole", "AWSService", "IAMUser"][random.usize(0..3)],
        key: format!("ASIA{:012}", random.u32(0..2000)),
        request: format!(
            r#"{{"bucketName":"b{}","key":"a/b/c","x":{{"y":[1,2,3]}}}}"#,
            random.u16(..)
        ),
    }
}

#[expect(clippy::print_stdout, reason = "an example says what it found")]
fn main() {
    let began = Instant::now();
    let loaded = match std::env::args_os().nth(1) {
        Some(folder) => load(&[folder]).expect("the folder can be read"),
        None => builtin(),
    };
    let set = RuleSet::compile(loaded);
    let counts = (set.rules().len(), set.correlations().len());
    println!(
        "{} rules, {} correlations: {:?} to load",
        counts.0,
        counts.1,
        began.elapsed()
    );
    let mut random = fastrand::Rng::with_seed(1);
    let events: Vec<Made> = (0..EVENTS).map(|_| made(&mut random)).collect();
    let (mut scanner, mut folder) = (set.scanner(), set.folder(None));
    let (mut hits, mut all) = (Vec::new(), 0);
    let began = Instant::now();
    for event in &events {
        scanner.matches(event, &mut hits);
        all += hits.len();
    }
    println!("{EVENTS} events: {:?}, {all} hits", began.elapsed());
    let began = Instant::now();
    for (number, event) in (0..).zip(&events) {
        scanner.matches(event, &mut hits);
        let time_ms = i64::try_from(number).unwrap_or(0) * 50;
        let hit = Hit {
            actor: &event.key,
            habit: &event.address,
            time_ms,
            event: number,
        };
        folder.take(&hits, hit, event);
    }
    println!("with hits folded: {:?}", began.elapsed());
    let result = folder.finish();
    println!(
        "and evaluated: {:?}, {} alerts",
        began.elapsed(),
        result.alerts.len()
    );
    let lines: Vec<String> = events.iter().map(Made::line).collect();
    let began = Instant::now();
    let mut all = 0;
    for line in &lines {
        scanner.matches(&RawEvent::new(line).expect("a record"), &mut hits);
        all += hits.len();
    }
    let bytes: usize = lines.iter().map(String::len).sum();
    println!(
        "as JSON text, {bytes} bytes: {:?}, {all} hits",
        began.elapsed()
    );
}
