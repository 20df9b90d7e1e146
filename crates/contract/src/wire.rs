//! What lies between an adapter and its server, as the suites see it.

use std::sync::Arc;

use crate::proxy::{Deed, Matching, Proxy, Seen, WireFault};

/// Which of the coming requests is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// The nth that changes something, from 0.
    Change(usize),
    /// The nth of all, from 0.
    Any(usize),
    /// All of them.
    Every,
}

/// A wire that fails as told.
pub trait Wire: Send + Sync {
    /// The coming request that is meant fails so.
    fn fail(&self, on: On, fault: &WireFault);

    /// Before the next request that changes something goes on, this is done. `false`: this
    /// wire cannot do so.
    fn before_change(&self, deed: Deed) -> bool;

    /// Nothing fails any more, and what was seen is forgotten.
    fn calm(&self);

    /// How many requests that change something were sent since the last [`Wire::calm`].
    fn changes(&self) -> usize;

    /// Requests that change something and were sent more than once since then, by name.
    fn repeated(&self) -> Vec<String>;

    /// Whether a fault was injected since then.
    fn has_failed(&self) -> bool;

    /// Ways to fail without effect that this wire knows.
    fn before(&self) -> Vec<WireFault> {
        WireFault::before()
    }

    /// Ways to lose the answer that this wire knows.
    fn after(&self) -> Vec<WireFault> {
        WireFault::after()
    }
}

type IsChange = fn(&Seen) -> bool;

/// A [`Proxy`] with what tells requests that change something from others.
#[derive(Debug)]
pub struct ProxyWire {
    proxy: Proxy,
    is_change: IsChange,
}

impl ProxyWire {
    /// A wire to `upstream`.
    pub async fn to(upstream: &str, is_change: IsChange) -> Self {
        let proxy = Proxy::start(upstream).await.expect("a proxy on loopback");
        Self { proxy, is_change }
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        self.proxy.url()
    }

    /// The proxy.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    fn changes_seen(&self) -> Vec<Seen> {
        let seen = self.proxy.seen();
        seen.into_iter().filter(self.is_change).collect()
    }

    fn nth(nth: usize, counts: impl Fn(&Seen) -> bool + Send + Sync + 'static) -> Matching {
        let met = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        Matching::by(move |seen, _| {
            counts(seen) && met.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == nth
        })
    }
}

impl Wire for ProxyWire {
    fn fail(&self, on: On, fault: &WireFault) {
        let (matching, times) = match on {
            On::Change(nth) => (Self::nth(nth, self.is_change), Some(1)),
            On::Any(nth) => (Self::nth(nth, |_| true), Some(1)),
            On::Every => (Matching::all(), None),
        };
        self.proxy.script(matching, fault.clone(), times);
    }

    fn before_change(&self, deed: Deed) -> bool {
        let is_change = self.is_change;
        let matching = Matching::by(move |seen, _| is_change(seen));
        self.proxy.before(matching, deed);
        true
    }

    fn calm(&self) {
        self.proxy.calm();
        self.proxy.forget();
    }

    fn changes(&self) -> usize {
        self.changes_seen().len()
    }

    fn repeated(&self) -> Vec<String> {
        let seen = self.changes_seen();
        let again = |at: usize, one: &Seen| {
            let same = |other: &Seen| {
                (&other.method, &other.path, other.same) == (&one.method, &one.path, one.same)
            };
            seen[..at].iter().any(same)
        };
        let repeated = seen.iter().enumerate().filter(|(at, one)| again(*at, one));
        repeated.map(|(_, one)| one.name()).collect()
    }

    fn has_failed(&self) -> bool {
        self.proxy.seen().iter().any(|seen| seen.fault.is_some())
    }
}
