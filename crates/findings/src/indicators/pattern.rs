//! STIX patterns and observables of indicators (STIX 2.1, sections 6 and 9).

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::indicators::indicator::{Indicator, IndicatorKind};
use crate::uuid;

/// The pattern that matches an indicator; none where STIX has no object for its kind, or where
/// its text is not the log's.
pub(super) fn pattern(indicator: &Indicator) -> Option<String> {
    if !indicator.exact {
        return None;
    }
    let path = match indicator.kind {
        IndicatorKind::Address => format!("{}:value", address_type(&indicator.value)?),
        IndicatorKind::AccessKey | IndicatorKind::ServiceCredential => {
            "user-account:user_id".to_owned()
        }
        IndicatorKind::User | IndicatorKind::Role => "user-account:account_login".to_owned(),
        IndicatorKind::Client => {
            "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'".to_owned()
        }
        IndicatorKind::Function | IndicatorKind::Instance => return None,
    };
    Some(format!("[{path} = {}]", literal(&indicator.value)))
}

/// The observable that an indicator is, with the id that STIX derives from it (section 2.9).
pub(super) fn observable(indicator: &Indicator) -> Option<Value> {
    let (kind, property) = match indicator.kind {
        _ if !indicator.exact => return None,
        IndicatorKind::Address => (address_type(&indicator.value)?, "value"),
        IndicatorKind::AccessKey | IndicatorKind::ServiceCredential => ("user-account", "user_id"),
        IndicatorKind::User | IndicatorKind::Role => ("user-account", "account_login"),
        IndicatorKind::Client | IndicatorKind::Function | IndicatorKind::Instance => return None,
    };
    let contributing = json!({ property: indicator.value }).to_string();
    Some(json!({
        "type": kind,
        "spec_version": "2.1",
        "id": format!("{kind}--{}", uuid::v5(uuid::STIX_OBSERVABLES, &contributing)),
        property: indicator.value,
    }))
}

fn address_type(address: &str) -> Option<&'static str> {
    Some(match address.parse().ok()? {
        IpAddr::V4(_) => "ipv4-addr",
        IpAddr::V6(_) => "ipv6-addr",
    })
}

/// A text as a pattern writes it: quotes and backslashes are escaped.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_leave_its_quotes() {
        assert_eq!(literal(r"a' OR 1=1 \"), r"'a\' OR 1=1 \\'");
    }
}
