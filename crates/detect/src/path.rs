//! Names of fields: dotted paths into an event.

use std::sync::Arc;

/// Fields that stand in nearly every event, so that an [`crate::Event`] can answer without
/// comparing names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Known {
    /// `eventSource`
    EventSource,
    /// `eventName`
    EventName,
    /// `awsRegion`
    AwsRegion,
    /// `sourceIPAddress`
    SourceIpAddress,
    /// `userAgent`
    UserAgent,
    /// `errorCode`
    ErrorCode,
    /// `errorMessage`
    ErrorMessage,
    /// `eventType`
    EventType,
    /// `userIdentity.type`
    IdentityType,
    /// `userIdentity.accessKeyId`
    AccessKeyId,
    /// `userIdentity.arn`
    Arn,
    /// `userIdentity.userName`
    UserName,
    /// `userIdentity.invokedBy`
    InvokedBy,
}

impl Known {
    /// All of them, in order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::EventSource,
        Self::EventName,
        Self::AwsRegion,
        Self::SourceIpAddress,
        Self::UserAgent,
        Self::ErrorCode,
        Self::ErrorMessage,
        Self::EventType,
        Self::IdentityType,
        Self::AccessKeyId,
        Self::Arn,
        Self::UserName,
        Self::InvokedBy,
    ];

    /// The path as rules write it.
    pub fn text(self) -> &'static str {
        match self {
            Self::EventSource => "eventSource",
            Self::EventName => "eventName",
            Self::AwsRegion => "awsRegion",
            Self::SourceIpAddress => "sourceIPAddress",
            Self::UserAgent => "userAgent",
            Self::ErrorCode => "errorCode",
            Self::ErrorMessage => "errorMessage",
            Self::EventType => "eventType",
            Self::IdentityType => "userIdentity.type",
            Self::AccessKeyId => "userIdentity.accessKeyId",
            Self::Arn => "userIdentity.arn",
            Self::UserName => "userIdentity.userName",
            Self::InvokedBy => "userIdentity.invokedBy",
        }
    }
}

/// A dotted path such as `requestParameters.attribute`, split once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    text: Arc<str>,
    starts: Arc<[usize]>,
    known: Option<Known>,
}

impl Path {
    /// Splits a field name at its dots.
    pub fn new(text: &str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('.').map(|(at, _)| at + 1));
        Self {
            text: text.into(),
            starts: starts.collect(),
            known: Known::ALL.into_iter().find(|known| known.text() == text),
        }
    }

    /// The path as the rule wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Set when the path is one of the fields that nearly every event has.
    pub fn known(&self) -> Option<Known> {
        self.known
    }

    /// How many segments it has, at least one.
    pub fn depth(&self) -> usize {
        self.starts.len()
    }

    /// One segment.
    pub fn segment(&self, at: usize) -> &str {
        match self.starts.get(at + 1) {
            Some(next) => &self.text[self.starts[at]..next - 1],
            None => &self.text[self.starts[at]..],
        }
    }

    /// Everything from a segment on, dots included; empty past the end.
    pub fn rest(&self, at: usize) -> &str {
        self.starts.get(at).map_or("", |start| &self.text[*start..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_and_knows() {
        let path = Path::new("requestParameters.a.b");
        assert_eq!(path.depth(), 3);
        assert_eq!(
            (path.segment(0), path.segment(2)),
            ("requestParameters", "b")
        );
        assert_eq!((path.rest(1), path.rest(3)), ("a.b", ""));
        for (number, known) in Known::ALL.into_iter().enumerate() {
            assert_eq!(Path::new(known.text()).known(), Some(known));
            assert_eq!(known as usize, number);
        }
    }
}
