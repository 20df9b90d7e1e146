//! Loopback listeners that can be stopped.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::RangeError;
use crate::stop::stopped;

/// One listener and the task that serves it.
#[derive(Debug)]
pub(crate) struct Served {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Served {
    /// Opens a free loopback port and serves `router` there until `stop` becomes true.
    pub(crate) async fn start(
        what: &str,
        router: Router,
        mut stop: watch::Receiver<bool>,
    ) -> Result<Self, RangeError> {
        let listen = |source| RangeError::Listen {
            what: what.to_owned(),
            source,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let task = tokio::spawn(async move {
            tokio::select! {
                result = axum::serve(listener, router).into_future() => {
                    if let Err(error) = result {
                        tracing::warn!(%error, "a listener of the range ended");
                    }
                }
                () = stopped(&mut stop) => {}
            }
        });
        Ok(Self { address, task })
    }

    /// The base address, without a slash at the end.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends the task at once.
    pub(crate) fn abort(&self) {
        self.task.abort();
    }
}
