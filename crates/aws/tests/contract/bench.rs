//! What the harnesses of all stores and rollers share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use relatch_aws::{Connection, Options};
use relatch_contract::proxy::Seen;
use relatch_contract::wire::ProxyWire;
use relatch_secret::Secret;

use crate::support::{Peer, REGION};

/// One adapter three times: behind the wire, the same without patience, and past the wire.
pub(crate) struct Bench<A> {
    pub(crate) under_test: A,
    pub(crate) impatient: A,
    pub(crate) truth: A,
    pub(crate) wire: ProxyWire,
    pub(crate) owner: Connection,
}

impl<A> Bench<A> {
    pub(crate) async fn new(peer: &Peer, make: fn(Connection) -> A) -> Self {
        let wire = ProxyWire::to(&peer.endpoint(), is_change).await;
        let owner = peer.connection().await;
        Self {
            under_test: make(peer.connection_through(&wire.url()).await),
            impatient: make(impatient(&wire.url()).await),
            truth: make(owner.clone()),
            wire,
            owner,
        }
    }
}

/// A name that was not used before in this process.
pub(crate) fn name(like: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("{like}-{}", NEXT.fetch_add(1, Ordering::SeqCst))
}

/// Gives up soon, for faults that wait for it.
pub(crate) async fn impatient(endpoint: &str) -> Connection {
    Connection::open(&Options {
        region: Some(REGION.into()),
        endpoint: Some(endpoint.into()),
        credentials: Some(("test".into(), Secret::from("test"), None)),
        patience: Some(Duration::from_millis(400)),
        ..Options::default()
    })
    .await
}

/// Whether a request changes something: by its action, or by its method where it has none.
pub(crate) fn is_change(seen: &Seen) -> bool {
    let Some(action) = seen.action.as_deref() else {
        return seen.method != "GET";
    };
    let verb = action.rsplit('.').next().unwrap_or(action);
    let reads = ["List", "Get", "Describe"];
    !reads.iter().any(|read| verb.starts_with(read))
}
