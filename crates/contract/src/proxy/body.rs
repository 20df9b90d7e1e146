//! A body that is fed piece by piece, and can break off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame};
use tokio::sync::mpsc;

/// A piece, or the end of the connection.
pub(super) type Piece = Result<Frame<Bytes>, io::Error>;

/// The body of an answer.
#[derive(Debug)]
pub(super) struct Fed(mpsc::Receiver<Piece>);

impl Fed {
    /// A body and what feeds it.
    pub(super) fn new() -> (mpsc::Sender<Piece>, Self) {
        let (sender, receiver) = mpsc::channel(16);
        (sender, Self(receiver))
    }
}

impl Body for Fed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context)
    }
}
