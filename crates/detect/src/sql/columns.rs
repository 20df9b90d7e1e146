//! The columns of the CloudTrail table, as AWS documents it for Athena
//! (<https://docs.aws.amazon.com/athena/latest/ug/create-cloudtrail-table-partition-projection.html>).
//! Each is called as the field of the record is, in lower case.

use super::dialect::Dialect;
use crate::path::Path;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text; also booleans and times, as text.
    Text,
    /// JSON text of whatever the record held there.
    Json,
    /// A map of texts.
    Map,
    /// A list of structures: ARN, account and type.
    Resources,
}

use Kind::{Json, Map, Resources, Text};

/// Fields of the record and what the table makes of them.
const COLUMNS: &[(&str, Kind)] = &[
    ("eventVersion", Text),
    ("userIdentity.type", Text),
    ("userIdentity.principalId", Text),
    ("userIdentity.arn", Text),
    ("userIdentity.accountId", Text),
    ("userIdentity.invokedBy", Text),
    ("userIdentity.accessKeyId", Text),
    ("userIdentity.userName", Text),
    ("userIdentity.credentialId", Text),
    ("userIdentity.onBehalfOf.userId", Text),
    ("userIdentity.onBehalfOf.identityStoreArn", Text),
    ("userIdentity.inScopeOf.sourceArn", Text),
    ("userIdentity.inScopeOf.sourceAccount", Text),
    ("userIdentity.inScopeOf.issuerType", Text),
    ("userIdentity.inScopeOf.credentialsIssuedTo", Text),
    (
        "userIdentity.sessionContext.attributes.mfaAuthenticated",
        Text,
    ),
    ("userIdentity.sessionContext.attributes.creationDate", Text),
    ("userIdentity.sessionContext.sessionIssuer.type", Text),
    (
        "userIdentity.sessionContext.sessionIssuer.principalId",
        Text,
    ),
    ("userIdentity.sessionContext.sessionIssuer.arn", Text),
    ("userIdentity.sessionContext.sessionIssuer.accountId", Text),
    ("userIdentity.sessionContext.sessionIssuer.userName", Text),
    ("userIdentity.sessionContext.ec2RoleDelivery", Text),
    ("userIdentity.sessionContext.sourceIdentity", Text),
    (
        "userIdentity.sessionContext.webIdFederationData.federatedProvider",
        Text,
    ),
    (
        "userIdentity.sessionContext.webIdFederationData.attributes",
        Map,
    ),
    ("eventTime", Text),
    ("eventSource", Text),
    ("eventName", Text),
    ("awsRegion", Text),
    ("sourceIPAddress", Text),
    ("userAgent", Text),
    ("errorCode", Text),
    ("errorMessage", Text),
    ("requestParameters", Json),
    ("responseElements", Json),
    ("additionalEventData", Json),
    ("requestID", Text),
    ("eventID", Text),
    ("readOnly", Text),
    ("resources", Resources),
    ("eventType", Text),
    ("apiVersion", Text),
    ("recipientAccountId", Text),
    ("serviceEventDetails", Json),
    ("sharedEventID", Text),
    ("vpcEndpointId", Text),
    ("vpcEndpointAccountId", Text),
    ("eventCategory", Text),
    ("addendum", Json),
    ("sessionCredentialFromConsole", Text),
    ("edgeDeviceDetails", Json),
    ("tlsDetails.tlsVersion", Text),
    ("tlsDetails.cipherSuite", Text),
    ("tlsDetails.clientProvidedHostHeader", Text),
];

/// Each field of a record that the table holds, in the order in which statements return them.
pub fn columns() -> impl Iterator<Item = (&'static str, Kind)> {
    COLUMNS.iter().copied()
}

/// Where a path of a rule leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The column.
    pub(super) sql: String,
    pub(super) kind: Kind,
    /// The segments below the column.
    pub(super) below: Vec<String>,
}

/// The column that holds a path; `None` when none does, or `lacking` names it.
pub(super) fn place(path: &Path, lacking: &[String]) -> Option<Place> {
    let (field, kind) = COLUMNS.iter().find(|(field, kind)| {
        let below = path.text().strip_prefix(field);
        below.is_some_and(|below| below.is_empty() || (*kind != Text && below.starts_with('.')))
    })?;
    if lacking.iter().any(|lack| lack == field) {
        return None;
    }
    let above = field.split('.').count();
    let below = (above..path.depth())
        .map(|at| path.segment(at).to_owned())
        .collect();
    Some(Place {
        sql: field.to_lowercase(),
        kind: *kind,
        below,
    })
}

/// The list of columns to return, each called as the field of the record.
pub(super) fn select(dialect: Dialect, lacking: &[String]) -> String {
    let there = COLUMNS
        .iter()
        .filter(|(field, _)| !lacking.iter().any(|lack| lack == field));
    let one = |(field, kind): &(&str, Kind)| {
        let column = field.to_lowercase();
        let value = match kind {
            Text | Json => column,
            Map => dialect.map(&column),
            Resources => dialect.resources(&column),
        };
        format!("{value} AS \"{field}\"")
    };
    there.map(one).collect::<Vec<_>>().join(",\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_their_column() {
        let found = |path: &str| {
            place(&Path::new(path), &["vpcEndpointId".to_owned()])
                .map(|place| (place.sql, place.kind, place.below.join("/")))
        };
        let is = |sql: &str, kind, below: &str| Some((sql.to_owned(), kind, below.to_owned()));
        assert_eq!(found("eventName"), is("eventname", Text, ""));
        assert_eq!(found("userIdentity.arn"), is("useridentity.arn", Text, ""));
        assert_eq!(
            found("requestParameters.a.b"),
            is("requestparameters", Json, "a/b")
        );
        assert_eq!(
            found("requestParameters"),
            is("requestparameters", Json, "")
        );
        assert_eq!(found("resources.ARN"), is("resources", Resources, "ARN"));
        for nowhere in [
            "userIdentity",
            "eventName.x",
            "eventname",
            "vpcEndpointId",
            "detail.x",
        ] {
            assert_eq!(found(nowhere), None, "{nowhere}");
        }
    }
}
