//! CloudTrail Insights: an unusual rate of a call or of an error, and who contributed to it.

use serde_json::{Map, Value};

use crate::input::aws_findings::{AwsFinding, FindingActor, Noted, at, find, keep, list, text};
use crate::input::record::{parse_time, show_time};

/// Reads an Insights record of a trail or of an event data store.
pub(crate) fn read(map: &Map<String, Value>) -> Option<Noted> {
    let is = |name: &str, value: &str| text(find(map, name)).is_some_and(|held| held == value);
    if !is("eventCategory", "Insight") && !is("eventType", "AwsCloudTrailInsight") {
        return None;
    }
    let details = find(map, "insightDetails");
    // An event data store has the members of the element at the top, under longer names.
    let member = |short: &str, long: &str| at(details, short).or_else(|| find(map, long));
    let kind = text(member("insightType", "insightType"))?;
    let when = text(find(map, "eventTime")).and_then(|text| parse_time(&text));
    let ended = text(member("state", "insightState")).is_some_and(|state| state == "End");
    let mut finding = AwsFinding {
        source: "insight".into(),
        id: text(find(map, "sharedEventID"))
            .or_else(|| text(find(map, "eventID")))
            .unwrap_or_default(),
        title: format!("CloudTrail Insights: {kind}"),
        kind,
        account: text(find(map, "recipientAccountId")),
        region: text(find(map, "awsRegion")),
        first: when.filter(|_| !ended).and_then(show_time),
        last: when.filter(|_| ended).and_then(show_time),
        ..AwsFinding::default()
    };
    if let Some(name) = text(member("eventName", "insightEventName")) {
        let source = text(member("eventSource", "insightEventSource")).unwrap_or_default();
        keep(&mut finding.calls, Some(format!("{source}:{name}")));
    }
    keep(
        &mut finding.errors,
        text(member("errorCode", "insightErrorCode")),
    );
    let context = member("insightContext", "insightContext");
    finding.detail = rates(context);
    for attribution in list(at(context, "attributions")) {
        attributed(attribution, &mut finding);
    }
    Some(Noted {
        finding,
        updated: when,
    })
}

/// The rates that were compared, in calls or errors a minute.
fn rates(context: Option<&Value>) -> Option<String> {
    let statistics = at(context, "statistics");
    let average = |part: &str, flat: &str| {
        text(at(at(statistics, part), "average")).or_else(|| text(at(context, flat)))
    };
    let now = average("insight", "insightAverage")?;
    let usual = average("baseline", "baselineAverage").unwrap_or_else(|| "an unknown rate".into());
    Some(format!("{now} a minute, usually {usual}"))
}

/// One attribute with the values that contributed to the unusual rate.
fn attributed(attribution: &Value, finding: &mut AwsFinding) {
    let attribute = text(at(Some(attribution), "attribute")).unwrap_or_default();
    let insight = at(Some(attribution), "insight");
    let values = list(insight).map(|entry| text(at(Some(entry), "value")));
    let values = values.chain([text(at(Some(attribution), "insightValue"))]);
    for value in values.flatten() {
        match attribute.as_str() {
            "userIdentityArn" => finding.actors.push(FindingActor {
                arn: Some(value),
                ..FindingActor::default()
            }),
            "userAgent" => keep(&mut finding.agents, Some(value)),
            "errorCode" => keep(&mut finding.errors, Some(value)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::input::aws_findings::one;

    #[test]
    fn both_forms_tell_the_same() {
        let trail = one(
            r#"{"eventVersion":"1.08","eventTime":"2026-03-04T02:10:00Z","awsRegion":"eu-west-1","eventID":"e1",
            "eventType":"AwsCloudTrailInsight","recipientAccountId":"111122223333","sharedEventID":"s1","eventCategory":"Insight",
            "insightDetails":{"state":"Start","eventSource":"kms.amazonaws.com","eventName":"Decrypt","insightType":"ApiErrorRateInsight","errorCode":"AccessDenied",
              "insightContext":{"statistics":{"baseline":{"average":0.0019},"insight":{"average":14},"insightDuration":1,"baselineDuration":10181},
              "attributions":[{"attribute":"userIdentityArn","insight":[{"value":"arn:aws:sts::111122223333:assumed-role/worker","average":14}],"baseline":[]},
                {"attribute":"userAgent","insight":[{"value":"Boto3","average":14}],"baseline":[]}]}}}"#,
        );
        let store = one(
            r#"{"eventVersion":"1.09","eventCategory":"Insight","eventType":"AwsCloudTrailInsight","eventID":"e1","eventTime":"2026-03-04T02:10:00Z",
            "awsRegion":"eu-west-1","recipientAccountId":"111122223333","sharedEventID":"s1","insightState":"Start","insightEventSource":"kms.amazonaws.com",
            "insightEventName":"Decrypt","insightErrorCode":"AccessDenied","insightType":"ApiErrorRateInsight",
            "insightContext":{"baselineAverage":0.0019,"insightAverage":14,"attributions":[{"attribute":"userIdentityArn","insightValue":"arn:aws:sts::111122223333:assumed-role/worker"},
              {"attribute":"userAgent","insightValue":"Boto3"}]}}"#,
        );
        assert_eq!(trail, store);
        assert_eq!(trail.first.as_deref(), Some("2026-03-04T02:10:00Z"));
        assert_eq!(trail.detail.as_deref(), Some("14 a minute, usually 0.0019"));
        assert!(trail.calls.contains("kms.amazonaws.com:Decrypt"));
        assert!(trail.errors.contains("AccessDenied"));
        assert_eq!(trail.actors.len(), 1);
    }
}
