//! The SDK's clients of one service, one a region: making one costs about as much as a request.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_types::SdkConfig;

use crate::connection::Connection;

/// Makes clients of one service when they are first asked for, and keeps them.
#[derive(Clone)]
pub(crate) struct Clients<C> {
    connection: Connection,
    make: fn(&SdkConfig) -> C,
    made: Arc<Mutex<BTreeMap<(String, Use), C>>>,
}

/// What a client is for: see [`Connection::read_config`] and [`Connection::write_config`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    Read,
    Write,
}

impl<C: Clone> Clients<C> {
    /// None yet; `make` makes one.
    pub(crate) fn new(connection: Connection, make: fn(&SdkConfig) -> C) -> Self {
        Self {
            connection,
            make,
            made: Arc::default(),
        }
    }

    /// For reads in a region; empty for the usual one.
    pub(crate) fn reader(&self, region: &str) -> C {
        self.client(region, Use::Read)
    }

    /// For calls that change something.
    pub(crate) fn writer(&self, region: &str) -> C {
        self.client(region, Use::Write)
    }

    fn client(&self, region: &str, purpose: Use) -> C {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.entry((region.to_string(), purpose))
            .or_insert_with(|| {
                (self.make)(&match purpose {
                    Use::Read => self.connection.read_config(region),
                    Use::Write => self.connection.write_config(region),
                })
            })
            .clone()
    }
}

impl<C> fmt::Debug for Clients<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}
