//! What can happen in the small world, and what can be wrong with its executor.

/// What is wrong with the executor in a mutated world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Commands start without their intent.
    ActsBeforeIntent,
    /// An unknown mint is minted again instead of asked for.
    Replays,
    /// A mint is recorded before its value is in custody.
    RecordsBeforeSealing,
    /// Commands that share a resource run at the same time.
    SharesResources,
    /// A place is written without looking at what it holds.
    WritesBlindly,
    /// The journal takes what an executor without the lease records.
    Unfenced,
    /// An executor without the lease goes on with requests that it had not sent.
    ActsLate,
    /// An executor without the lease begins to reconcile, which needs no intent.
    ReconcilesLate,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// An executor begins a command.
    Begin { hand: u8, step: u8, reconcile: bool },
    /// The next thing happens to a command under way.
    Go { hand: u8, step: u8 },
    /// Its request or the answer is lost.
    Lose { hand: u8, step: u8 },
    /// Its request is refused for now.
    Throttle { hand: u8, step: u8 },
    /// The executor dies and is started again.
    Crash,
    /// Another executor takes the lease over.
    TakeOver,
    /// What a step waits for is over.
    Elapse { step: u8 },
    /// Somebody else writes into a place.
    Intrude { place: u8 },
}
