//! Conditions and variables, as the IAM User Guide describes them.

use serde_json::{Value, json};

mod support;

use support::{Case, HOME, READ, allow, check, policy, secret};

fn with_condition(condition: Value) -> Case {
    let mut statement = allow(READ, "*");
    statement["Condition"] = condition;
    Case {
        identity: vec![policy(&[statement])],
        ..Case::new()
    }
}

#[test]
fn conditions_are_decided_as_far_as_the_request_is_known() {
    let office = json!({ "IpAddress": { "aws:SourceIp": ["198.51.100.0/24", "2001:db8::/32"] } });
    let mut case = with_condition(office);
    check(&case, "undecidable");
    for (address, expected) in [
        ("198.51.100.7", "allowed"),
        ("2001:db8:1::9", "allowed"),
        ("198.51.101.7", "not allowed"),
        ("no address", "undecidable"),
    ] {
        case.context = vec![("aws:SourceIp".into(), vec![address.into()])];
        check(&case, expected);
    }
}

#[test]
fn an_absent_key_is_not_an_unknown_one() {
    let mfa = |operator: &str, value: &str| {
        let mut case = with_condition(json!({ operator: { "aws:MultiFactorAuthPresent": value } }));
        case.context = vec![("aws:MultiFactorAuthPresent".into(), Vec::new())];
        case
    };
    check(&mfa("Bool", "true"), "not allowed");
    check(&mfa("BoolIfExists", "true"), "allowed");
    check(&mfa("Null", "true"), "allowed");
    check(&mfa("Null", "false"), "not allowed");
    let tags = |set: &str| {
        let mut case = with_condition(json!({ set: { "aws:TagKeys": "team" } }));
        case.context = vec![("aws:TagKeys".into(), Vec::new())];
        case
    };
    check(&tags("ForAllValues:StringEquals"), "allowed");
    check(&tags("ForAnyValue:StringEquals"), "not allowed");
    check(&tags("StringNotEquals"), "allowed");
}

#[test]
fn numbers_and_dates_are_compared_as_such() {
    for (operator, limit, value, expected) in [
        ("NumericLessThan", "100", "99.5", "allowed"),
        ("NumericLessThan", "100", "100", "not allowed"),
        ("NumericGreaterThanEquals", "-2", "-1", "allowed"),
        ("NumericEquals", "10", "ten", "undecidable"),
        (
            "DateGreaterThan",
            "2026-03-01T00:00:00Z",
            "2026-03-02T00:00:00Z",
            "allowed",
        ),
        (
            "DateLessThan",
            "2026-03-01",
            "2026-02-28T23:59:59Z",
            "allowed",
        ),
        (
            "DateLessThan",
            "1772323200",
            "2026-03-02T00:00:00Z",
            "not allowed",
        ),
        (
            "ArnLike",
            "arn:aws:*:*:*:function:f-*",
            "arn:aws:lambda:eu-west-1:1:function:f-1",
            "allowed",
        ),
        (
            "ArnEquals",
            "arn:aws:s3:::b",
            "arn:aws:s3:::c",
            "not allowed",
        ),
        ("BinaryEquals", "QQ==", "QQ==", "allowed"),
        ("StringNotLike", "a*", "ab", "not allowed"),
    ] {
        let mut case = with_condition(json!({ operator: { "x:key": limit } }));
        case.context = vec![("x:key".into(), vec![value.into()])];
        check(&case, expected);
    }
}

#[test]
fn variables_are_of_the_newer_language() {
    let resource = "arn:aws:secretsmanager:*:*:secret:${aws:username}-*";
    let mut case = Case {
        identity: vec![policy(&[allow(READ, resource)])],
        ..Case::new()
    };
    case.resource = secret(HOME, "anna");
    check(&case, "allowed");
    case.resource = secret(HOME, "bert");
    check(&case, "not allowed");
    case.resource = secret(HOME, "anna");
    case.identity[0]["Version"] = "2008-10-17".into();
    check(&case, "not allowed");
    // Sessions have no user name: what uses it does not match.
    case.identity[0]["Version"] = "2012-10-17".into();
    check(
        &Case {
            of_role: true,
            ..case
        },
        "not allowed",
    );
}
