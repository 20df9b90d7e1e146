//! Waiting that ends when the range stops.

use std::time::Duration;

use tokio::sync::watch;

/// Returns when the range stops.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the range is gone, which is a stop too.
    let _ = stop.wait_for(|stopped| *stopped).await.map(|_| ());
}

/// Waits; false if the range stopped meanwhile.
pub(crate) async fn pause(duration: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = tokio::time::sleep(duration) => true,
        () = stopped(stop) => false,
    }
}
