//! A pass-through in front of a server that counts the requests that go by.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

use crate::Error;

/// What the first line of every request ends in, and no body of the calls made here has.
const MARK: &[u8] = b" HTTP/1.1\r\n";

/// A running pass-through.
pub(crate) struct Proxy {
    pub(crate) endpoint: String,
    seen: Arc<AtomicU64>,
}

impl Proxy {
    /// In front of a loopback port.
    pub(crate) async fn start(to: u16) -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let seen = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, to, Arc::clone(&count)));
            }
        });
        Ok(Self { endpoint, seen })
    }

    /// Requests so far.
    pub(crate) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }
}

async fn pass(client: TcpStream, to: u16, seen: Arc<AtomicU64>) -> std::io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move {
        let _ = copy(&mut from_server, &mut to_client).await;
        let _ = to_client.shutdown().await;
    });
    let mut buffer = vec![0; 16 * 1024];
    let mut kept = 0;
    loop {
        let read = from_client.read(&mut buffer[kept..]).await?;
        if read == 0 {
            return to_server.shutdown().await;
        }
        let filled = kept + read;
        to_server.write_all(&buffer[kept..filled]).await?;
        let marks = buffer[..filled].windows(MARK.len()).filter(|w| *w == MARK);
        seen.fetch_add(marks.count() as u64, Ordering::Relaxed);
        // Less than a mark is kept, so that one that is cut in two is counted, and once.
        kept = filled.min(MARK.len() - 1);
        buffer.copy_within(filled - kept..filled, 0);
    }
}
