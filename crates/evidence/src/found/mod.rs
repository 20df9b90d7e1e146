//! What the log shows of him: secrets, detections, every event, and what it cannot show.

pub(crate) mod actors;
pub(crate) mod blind_spots;
pub(crate) mod detections;
pub(crate) mod events;
pub(crate) mod exposure;
pub(crate) mod known;
pub(crate) mod reads;
pub(crate) mod spot;
pub(crate) mod summary;
pub(crate) mod tally;
