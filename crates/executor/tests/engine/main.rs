//! The engine against a world in memory: every law, with crashes, lost answers, other hands
//! and people in between. Time is virtual, journal and custody are real.

mod answers;
mod crash;
mod hand_over;
mod hands;
mod laws;
mod old_key;
mod support;
