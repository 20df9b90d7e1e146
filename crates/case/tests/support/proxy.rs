//! A stretch of network before a server, which can lose what goes over it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to the next commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    Nothing,
    /// It arrives, its answer does not.
    Answer,
    /// It does not arrive, and both sides see the connection end.
    Commit,
    /// It does not arrive, and only our side sees the connection end.
    CommitUnseen,
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    loss: Arc<Mutex<Loss>>,
}

impl Proxy {
    pub(crate) fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind");
        let port = listener.local_addr().expect("address").port();
        let loss = Arc::new(Mutex::new(Loss::Nothing));
        let shared = Arc::clone(&loss);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let loss = Arc::clone(&shared);
                std::thread::spawn(move || carry(client, server, &loss));
            }
        });
        Self { port, loss }
    }

    pub(crate) fn lose(&self, loss: Loss) {
        *self.loss.lock().expect("lock") = loss;
    }

    /// Whether the loss that was asked for happened.
    pub(crate) fn has_lost(&self) -> bool {
        *self.loss.lock().expect("lock") == Loss::Nothing
    }
}

fn carry(client: TcpStream, server: u16, loss: &Mutex<Loss>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
        return;
    };
    let (from_server, to_client) = (server.try_clone(), client.try_clone());
    std::thread::spawn(move || {
        let (Ok(mut from), Ok(mut to)) = (from_server, to_client) else {
            return;
        };
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let (mut from, mut to) = (&client, &server);
    let mut bytes = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        let said = &bytes[..length];
        let is_commit = said.windows(6).any(|word| word == b"COMMIT");
        let what = if is_commit {
            std::mem::replace(&mut *loss.lock().expect("lock"), Loss::Nothing)
        } else {
            Loss::Nothing
        };
        match what {
            Loss::Nothing => {
                if to.write_all(said).is_err() {
                    break;
                }
            }
            Loss::Answer => {
                let _ = client.shutdown(Shutdown::Both);
                let _ = to.write_all(said);
                std::thread::sleep(Duration::from_millis(300));
                break;
            }
            Loss::Commit => break,
            Loss::CommitUnseen => {
                let _ = client.shutdown(Shutdown::Both);
                std::thread::sleep(Duration::from_secs(20));
                break;
            }
        }
    }
    let _ = server.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
}
