//! Any text as Sigma rules, and as an event after a line of its own: the loader ends and refuses
//! with a reason, and a rule says the same of a record as text and as a tree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relatch_detect::{Event, Placeholders, RawEvent, RuleIndex, RuleSet, load_text};
use serde_json::Value;

/// What stands between the rules and the event.
const EVENT: &str = "\n#EVENT\n";

const SAMPLE: &str = r#"{"eventVersion":"1.11","eventSource":"iam.amazonaws.com","eventName":"CreateAccessKey",
"userAgent":"aws-cli/2.15 Python/3.11","sourceIPAddress":"203.0.113.66","errorCode":"AccessDenied","readOnly":false,
"userIdentity":{"type":"IAMUser","userName":"app","arn":"arn:aws:iam::111122223333:user/app","accessKeyId":"AKIAOWNEROWNEROWNER1"},
"requestParameters":{"userName":"admin","a.b":[1,2.5,null,{"c":"d"}],"policyDocument":"{\"Effect\":\"Allow\"}"},"responseElements":null}"#;

fuzz_target!(|text: &str| {
    let (rules, event) = text.split_once(EVENT).unwrap_or((text, SAMPLE));
    let loaded = load_text("fuzz.yml", rules, &Placeholders::default());
    for refused in &loaded.refused {
        assert!(
            !refused.reason.to_string().is_empty(),
            "refused without a reason"
        );
    }
    let set = RuleSet::compile(loaded);
    let Ok(tree) = serde_json::from_str::<Value>(event) else {
        return;
    };
    if !tree.is_object() {
        return;
    }
    let text = tree.to_string();
    let raw = RawEvent::new(&text).expect("an object");
    assert_eq!(hits(&set, &raw), hits(&set, &tree), "text and tree differ");
});

fn hits(set: &RuleSet, event: &dyn Event) -> Vec<RuleIndex> {
    let mut hits = Vec::new();
    set.scanner().matches(event, &mut hits);
    hits
}
