//! An HTTP/1.1 proxy in front of one server that fails as told.
//!
//! Requests are passed on as they came, with their `Host` header, so that signatures over it
//! stay valid. A request is read whole before it is passed on; answers are streamed.

mod body;
mod fault;
mod rules;
mod serve;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use fault::WireFault;
pub use rules::{Matching, Random, Seen};

use rules::{Act, Rules};

/// Something that is done before a request is passed on.
pub type Deed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Why a proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The address of the server is not `http://` and a loopback address with a port.
    #[error("`{0}` is not http://ADDRESS:PORT on this machine")]
    Upstream(String),
    /// It was told to listen elsewhere than on this machine.
    #[error("{0} is not on this machine")]
    Elsewhere(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A running proxy. Dropping it stops it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    rules: Arc<Mutex<Rules>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy to `upstream` (`http://127.0.0.1:PORT`) on a free port of this machine.
    pub async fn start(upstream: &str) -> Result<Self, ProxyError> {
        Self::listen(upstream, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Starts a proxy to `upstream` on an address of this machine.
    pub async fn listen(upstream: &str, address: SocketAddr) -> Result<Self, ProxyError> {
        let upstream = address_of(upstream)?;
        if !address.ip().is_loopback() {
            return Err(ProxyError::Elsewhere(address));
        }
        let failed = |source| ProxyError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let rules: Arc<Mutex<Rules>> = Arc::default();
        let task = tokio::spawn(serve::run(listener, upstream, Arc::clone(&rules)));
        Ok(Self {
            address,
            rules,
            task,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next `times` requests that match fail so (`None`: every one from now on). Scripts
    /// are asked in the order they were given; the first that matches counts.
    pub fn script(&self, matching: Matching, fault: WireFault, times: Option<usize>) {
        self.rules().add(matching, Act::Fail(fault), times);
    }

    /// Before the next request that matches is passed on, `deed` is done.
    pub fn before(&self, matching: Matching, deed: Deed) {
        self.rules().add(matching, Act::Do(Some(deed)), Some(1));
    }

    /// Requests that no script matches fail at random from now on.
    pub fn randomly(&self, random: Random) {
        self.rules().randomly(random);
    }

    /// Nothing fails any more. Counts and requests seen stay.
    pub fn calm(&self) {
        self.rules().calm();
    }

    /// How often each kind of fault was injected.
    pub fn injected(&self) -> BTreeMap<&'static str, u64> {
        self.rules().injected()
    }

    /// Every request since the last [`Proxy::forget`], in order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.rules().seen()
    }

    /// Forgets the requests seen. The count of faults and the ordinals go on.
    pub fn forget(&self) {
        self.rules().forget();
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn address_of(upstream: &str) -> Result<SocketAddr, ProxyError> {
    let authority = upstream.strip_prefix("http://").unwrap_or_default();
    let authority = authority.trim_end_matches('/');
    let authority = authority.replace("localhost:", "127.0.0.1:");
    let address = authority.parse::<SocketAddr>().ok();
    address
        .filter(|address| address.ip().is_loopback())
        .ok_or_else(|| ProxyError::Upstream(upstream.to_string()))
}

#[cfg(test)]
mod tests;
