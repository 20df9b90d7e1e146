//! The ways in which a wire fails.

use std::time::Duration;

/// One way to fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireFault {
    /// The answer is right, but late.
    Latency(Duration),
    /// The proxy answers with a status and a body of its own; the server sees nothing.
    Status(u16, String),
    /// The connection is reset; the server sees nothing.
    ResetBefore,
    /// Nothing is answered until the client gives up; the server sees nothing.
    HangBefore,
    /// The server does it; the connection is reset instead of an answer.
    ResetAfter,
    /// The server does it; half of its answer is passed on, then the connection is reset.
    TruncatedBody,
    /// The server does it; a status of the proxy's is answered instead.
    StatusAfter(u16),
    /// The server does it; the answer is a 200 with a body that nobody can read.
    Garbage,
    /// The server does it; nothing is answered until the client gives up.
    HangAfter,
    /// The server does it; its answer comes byte by byte, without an end.
    Drip,
}

impl WireFault {
    /// Its name in counts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Status(..) => "status",
            Self::ResetBefore => "reset_before",
            Self::HangBefore => "hang_before",
            Self::ResetAfter => "reset_after",
            Self::TruncatedBody => "truncated_body",
            Self::StatusAfter(_) => "status_after",
            Self::Garbage => "garbage",
            Self::HangAfter => "hang_after",
            Self::Drip => "drip",
        }
    }

    /// Whether the server sees the request.
    pub fn reaches_server(&self) -> bool {
        !matches!(
            self,
            Self::Status(..) | Self::ResetBefore | Self::HangBefore
        )
    }

    /// Whether the client has to give up by itself. With a short time-out it may do so before
    /// the fault comes to pass, which the suites take into account.
    pub fn waits(&self) -> bool {
        matches!(self, Self::HangBefore | Self::HangAfter | Self::Drip)
    }

    /// Faults after which the server has seen nothing. The bodies are no issuer's own, as
    /// those of a proxy or a load balancer.
    pub fn before() -> Vec<Self> {
        let status = |status| Self::Status(status, "<html>something in between</html>".into());
        vec![
            status(429),
            status(500),
            status(503),
            Self::ResetBefore,
            Self::HangBefore,
        ]
    }

    /// Faults after which the server has done what was asked, and the client does not know.
    pub fn after() -> Vec<Self> {
        vec![
            Self::ResetAfter,
            Self::TruncatedBody,
            Self::StatusAfter(500),
            Self::StatusAfter(503),
            Self::Garbage,
            Self::HangAfter,
            Self::Drip,
        ]
    }
}
