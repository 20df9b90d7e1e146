//! What chance decides. Every draw is a function of the seed, the kind of thing, what it
//! happens to and how often that was asked before, so that leaving one fault out does not
//! shift any other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Declares the kinds of faults with their names and how often they strike, of 10,000.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal $rate:literal,)*) => {
        /// One kind of thing that goes wrong or happens from outside.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Its name, as in replay lines.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// How often it strikes where it may, of 10,000, at a middling intensity. For what
            /// happens at a time of its own: how many times at most.
            fn rate(self) -> u32 {
                match self { $(Self::$kind => $rate,)* }
            }
        }
    };
}

kinds! {
    /// Asked to slow down, for a while.
    Throttled "throttled" 300,
    /// Not reached at all, for a while.
    Outage "outage" 150,
    /// Not allowed to.
    Denied "denied" 60,
    /// It happened and the answer was lost.
    AnswerLost "answer-lost" 500,
    /// Nothing happened and nobody knows.
    RequestLost "request-lost" 400,
    /// Nobody knows, and it happens later.
    ActsLate "acts-late" 400,
    /// A request that can be done twice is done twice, the second time late.
    Duplicate "duplicate" 400,
    /// A list or a place as it was some seconds ago.
    Stale "stale" 2000,
    /// A call that takes long.
    Slow "slow" 400,
    /// A probe without definite answer.
    ProbeUnknown "probe-unknown" 1500,
    /// A changed key that is taken for what it was for a while.
    Propagation "propagation" 6000,
    /// An endpoint that refuses everybody for a while.
    DeadToAll "dead-to-all" 500,
    /// A disable that is confirmed and does nothing.
    LyingDisable "lying-disable" 1500,
    /// A time of last use that comes late or not at all.
    UseUntold "use-untold" 4000,
    /// A consumer that cannot live with the new value.
    Allergy "allergy" 3000,
    /// A consumer that is ill for a while for reasons of its own.
    Illness "illness" 150,
    /// A roll that is refused.
    RollFails "roll-fails" 800,
    /// Custody that cannot be used.
    CustodyFails "custody-fails" 500,
    /// A journal that cannot be written.
    JournalFails "journal-fails" 120,
    /// A journal that was written and says that it was not.
    JournalLies "journal-lies" 120,
    /// The process is killed while a call is under way.
    CrashInCall "crash-in-call" 80,
    /// The process is killed right before an append.
    CrashBefore "crash-before-append" 100,
    /// The process is killed right after an append.
    CrashAfter "crash-after-append" 100,
    /// Somebody changes the container between our look at it and our write.
    Race "race" 1500,
    /// The process is killed at some moment.
    Crash "crash" 4,
    /// The wall clock is set.
    ClockJump "clock-jump" 3,
    /// A second process is started.
    SecondProcess "second-process" 3,
    /// The process stands still for longer than its lease.
    Stall "stall" 2,
    /// Somebody writes another value into a slot.
    DriftSlot "drift-slot" 1,
    /// Somebody changes another slot of the container.
    DriftOther "drift-other" 3,
    /// Somebody deletes a container.
    DriftGone "drift-gone" 1,
    /// Somebody adds a key at a principal.
    DriftKey "drift-key" 2,
    /// Somebody deletes an old key.
    DriftKill "drift-kill" 1,
    /// Somebody rotates a credential by hand.
    DriftByHand "drift-by-hand" 1,
    /// A consumer starts anew by itself.
    DriftRestart "drift-restart" 3,
    /// The thief makes a key.
    ThiefMints "thief-mints" 1,
    /// The thief uses an old key.
    ThiefUses "thief-uses" 4,
    /// Another identity of the thief's is found.
    Reconviction "reconviction" 1,
    /// A person stops rotations for a while.
    Pause "pause" 2,
    /// A person sends steps back to work, or skips them, without being asked.
    Meddling "meddling" 3,
    /// Another plan is made and approved.
    NewPlan "new-plan" 1,
    /// A person stops the run and starts it again.
    Restart "restart" 2,
}

impl Kind {
    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Whether it happens at a time of its own, and not where a call is made.
    pub fn is_timed(self) -> bool {
        self >= Self::Crash
    }

    fn at(self) -> usize {
        self as usize
    }
}

/// One fault: its kind, a hash of what it happens to, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultId {
    /// Its kind.
    pub kind: Kind,
    /// What it happens to, hashed.
    pub target: u32,
    /// Its number there.
    pub ordinal: u32,
}

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}@{:08x}#{}",
            self.kind.name(),
            self.target,
            self.ordinal
        )
    }
}

impl std::str::FromStr for FaultId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no fault: kind@target#number");
        let (kind, rest) = text.split_once('@').ok_or_else(wrong)?;
        let (target, ordinal) = rest.split_once('#').ok_or_else(wrong)?;
        Ok(Self {
            kind: Kind::parse(kind).ok_or_else(wrong)?,
            target: u32::from_str_radix(target, 16).map_err(|_| wrong())?,
            ordinal: ordinal.parse().map_err(|_| wrong())?,
        })
    }
}

/// What is left out or kept of a schedule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Muted {
    /// Kinds that never strike.
    pub kinds: BTreeSet<Kind>,
    /// Faults that do not strike.
    pub faults: BTreeSet<FaultId>,
    /// Where given: no other fault strikes.
    pub only: Option<BTreeSet<FaultId>>,
}

impl Muted {
    fn silences(&self, fault: FaultId) -> bool {
        self.kinds.contains(&fault.kind)
            || self.faults.contains(&fault)
            || self
                .only
                .as_ref()
                .is_some_and(|only| !only.contains(&fault))
    }
}

/// What came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Luck(u64);

impl Luck {
    /// A number below `n`; 0 for none.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = mix(self.0);
        if n == 0 { 0 } else { self.0 % n }
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// Whether something that happens `percent` of 100 times does.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(usize::try_from(self.below(all.len() as u64)).unwrap_or(0))
    }
}

/// The dice of one schedule.
#[derive(Debug)]
pub struct Dice {
    seed: u64,
    rates: Vec<u32>,
    ordinals: BTreeMap<(u32, u32), u32>,
    muted: Muted,
    /// Once set, nothing strikes any more.
    pub quiet: bool,
    /// Everything that struck, in order.
    pub struck: Vec<FaultId>,
}

/// Draws that are no faults are kept apart by numbers above those of all kinds.
const DRAWS: u32 = 1000;

impl Dice {
    /// The dice of a seed. Each schedule has some kinds of faults only, each at an intensity
    /// of its own: what never happens together hides what happens one by one.
    pub fn new(seed: u64, muted: Muted) -> Self {
        let mut luck = Luck(mix(seed ^ 0x5eed));
        let calm = luck.percent(8);
        let share = luck.between(15, 55);
        let mut rates = Kind::ALL
            .iter()
            .map(|kind| {
                let mut own = Luck(mix(seed ^ fnv(kind.name().as_bytes())));
                let on = !calm && own.percent(share);
                let strength = [40, 100, 100, 250][usize::try_from(own.below(4)).unwrap_or(0)];
                if !on {
                    0
                } else if kind.is_timed() {
                    kind.rate()
                } else {
                    (kind.rate() * strength / 100).min(9000)
                }
            })
            .collect::<Vec<u32>>();
        if rates[Kind::DeadToAll.at()] > 0 {
            // A key that was not switched off, at an endpoint that refuses everybody: nobody
            // who asks could tell.
            rates[Kind::LyingDisable.at()] = 0;
        }
        Self {
            seed,
            rates,
            ordinals: BTreeMap::new(),
            muted,
            quiet: false,
            struck: Vec::new(),
        }
    }

    /// Whether a kind of fault may strike in this schedule.
    pub fn has(&self, kind: Kind) -> bool {
        self.rates[kind.at()] > 0 && !self.muted.kinds.contains(&kind)
    }

    /// Whether a fault strikes here, and then what comes with it.
    pub fn strike(&mut self, kind: Kind, target: &str) -> Option<Luck> {
        let rate = self.rates[kind.at()];
        if rate == 0 || self.quiet {
            return None;
        }
        let (mut luck, fault) = self.roll(kind, target);
        if luck.below(10_000) >= u64::from(rate) || self.muted.silences(fault) {
            return None;
        }
        self.struck.push(fault);
        Some(luck)
    }

    /// What happens at times of its own: the luck of each.
    pub fn timed(&mut self, kind: Kind) -> Vec<Luck> {
        let most = self.rates[kind.at()];
        let mut all = Vec::new();
        for _ in 0..most {
            let (mut luck, fault) = self.roll(kind, "time");
            if luck.percent(60) && !self.muted.silences(fault) {
                self.struck.push(fault);
                all.push(luck);
            }
        }
        all
    }

    /// A draw that is no fault: how long a call takes, who decides what.
    pub fn draw(&mut self, what: &str) -> Luck {
        let key = (DRAWS, short(what));
        let ordinal = self.ordinals.entry(key).or_insert(0);
        *ordinal += 1;
        Luck(mix(
            self.seed ^ mix(u64::from(key.1) << 32 | u64::from(*ordinal))
        ))
    }

    fn roll(&mut self, kind: Kind, target: &str) -> (Luck, FaultId) {
        let number = u32::try_from(kind.at()).unwrap_or(0);
        let target = short(target);
        let ordinal = self.ordinals.entry((number, target)).or_insert(0);
        *ordinal += 1;
        let fault = FaultId {
            kind,
            target,
            ordinal: *ordinal,
        };
        let at = u64::from(target) << 32 | u64::from(*ordinal);
        let luck = Luck(mix(mix(self.seed ^ fnv(kind.name().as_bytes())) ^ at));
        (luck, fault)
    }
}

/// Luck for one purpose, of a seed.
pub fn luck(seed: u64, what: &str) -> Luck {
    Luck(mix(mix(seed) ^ fnv(what.as_bytes())))
}

fn short(text: &str) -> u32 {
    let hash = fnv(text.as_bytes());
    u32::try_from((hash ^ hash >> 32) & 0xffff_ffff).unwrap_or(0)
}

/// FNV-1a.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// SplitMix64.
fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A seed in which answers get lost.
    fn lossy() -> u64 {
        (0..100)
            .find(|seed| Dice::new(*seed, Muted::default()).has(Kind::AnswerLost))
            .expect("one of a hundred")
    }

    #[test]
    fn leaving_one_fault_out_shifts_no_other() {
        let strikes = |muted: Muted| {
            let mut dice = Dice::new(lossy(), muted);
            for _ in 0..400 {
                dice.strike(Kind::AnswerLost, "a");
                dice.strike(Kind::AnswerLost, "b");
            }
            dice.struck
        };
        let all = strikes(Muted::default());
        let first = all[0];
        let muted = Muted {
            faults: [first].into(),
            ..Muted::default()
        };
        assert!(all.len() > 2);
        assert_eq!(strikes(muted), all[1..]);
        let only = Muted {
            only: Some([first].into()),
            ..Muted::default()
        };
        assert_eq!(strikes(only), [first]);
    }

    #[test]
    fn a_fault_reads_back_as_it_is_written() {
        let fault = FaultId {
            kind: Kind::ActsLate,
            target: 0xdead_beef,
            ordinal: 7,
        };
        assert_eq!(fault.to_string().parse(), Ok(fault));
        assert!("acts-late@zz#1".parse::<FaultId>().is_err());
    }
}
