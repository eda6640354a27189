//! What a seed decides before anything happens: how large the world is, and which faults it knows.
//!
//! Each seed switches whole kinds of faults on or off (swarm testing: Groce and others, 2012): a fault
//! that is always on hides what only happens without it.

use core::fmt;

use crate::{Bug, dice::Dice};

/// Kinds of faults and of features, each switched as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Connections break; each side learns of it at its own time.
    Cut,
    /// Connections go silent for ever; whoever sends learns of it, once the way is free again.
    HalfOpen,
    /// No byte goes either way for a while; all of them arrive late.
    Partition,
    /// No byte goes one way for a while.
    OneWay,
    /// Somebody on the way resets a worker's connection and refuses new ones for a while; or, where a relay
    /// lies between, that one dies: it ends the connection in good order, and its system refuses new ones.
    Wall,
    /// Bytes arrive in odd pieces, with long delays between them.
    SlowLines,
    /// The server is killed and started again with its journal.
    ServerCrash,
    /// The server is killed in the middle of a turn, even of a write.
    CrashInTurn,
    /// The server's machine loses power: with it the local workers and what was not synced.
    PowerLoss,
    /// The journal's disk runs full.
    FullDisk,
    /// Workers are killed by somebody.
    WorkerDeath,
    /// Some blocks kill their worker, always.
    Poison,
    /// Some blocks fail, always or for a while.
    Failing,
    /// Some blocks never return; their tasks have a time limit.
    Hanging,
    /// Workers are stopped and go on later.
    Stop,
    /// Some workers say things that they never should.
    Liar,
    /// Connections of nobody: random bytes, silence, wrong tasks, wrong secrets.
    Stranger,
    /// More workers come by themselves.
    Late,
    /// Workers are asked to leave.
    Leave,
    /// Workers open a second connection while the first still seems open to the server.
    Twice,
    /// Check functions before blocks.
    CheckBefore,
    /// Check functions after blocks.
    CheckAfter,
    /// Blocks need units of resources.
    Needs,
    /// The journal is compacted all the time.
    Compaction,
    /// The server is stopped, or starved, and goes on later.
    ServerStop,
    /// Workers load for long before they ask for their first block.
    Load,
    /// Workers do something else for a while after a block, before they ask for the next one.
    Pause,
    /// Further clients come by the context of a worker that was started: forks of it, or its neighbours in one job.
    Clones,
    /// What is started launches the worker elsewhere, and ends when it likes.
    Launcher,
    /// Every second start of the server has another version of the tasks' code.
    NewCode,
    /// The run is stopped in good order, in whatever phase it is, and started again.
    Interrupt,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 31] = [
        Self::Cut,
        Self::HalfOpen,
        Self::Partition,
        Self::OneWay,
        Self::Wall,
        Self::SlowLines,
        Self::ServerCrash,
        Self::CrashInTurn,
        Self::PowerLoss,
        Self::FullDisk,
        Self::WorkerDeath,
        Self::Poison,
        Self::Failing,
        Self::Hanging,
        Self::Stop,
        Self::Liar,
        Self::Stranger,
        Self::Late,
        Self::Leave,
        Self::Twice,
        Self::CheckBefore,
        Self::CheckAfter,
        Self::Needs,
        Self::Compaction,
        Self::ServerStop,
        Self::Load,
        Self::Pause,
        Self::Clones,
        Self::Launcher,
        Self::NewCode,
        Self::Interrupt,
    ];

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u32);

impl Kinds {
    /// Whether a kind is switched on.
    #[must_use]
    pub const fn has(self, kind: Kind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Self {
        Self(self.0 | kind.bit())
    }

    /// These without one.
    #[must_use]
    pub const fn without(self, kind: Kind) -> Self {
        Self(self.0 & !kind.bit())
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut is_first = true;
        for kind in Kind::ALL.into_iter().filter(|&kind| self.has(kind)) {
            write!(f, "{}{kind:?}", if is_first { "" } else { "," })?;
            is_first = false;
        }
        if is_first { f.write_str("none") } else { Ok(()) }
    }
}

/// One world: what a seed makes of it, or a smaller one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Decides everything.
    pub seed: u64,
    /// What is switched on.
    pub kinds: Kinds,
    /// How many tasks there are, 1 to 3.
    pub tasks: usize,
    /// About how many blocks all tasks have together.
    pub blocks: u64,
    /// How many workers all tasks start together, at most.
    pub workers: u64,
    /// For how long faults go on, in milliseconds.
    pub faults_ms: u64,
    /// The mean time between two faults, in milliseconds.
    pub fault_every_ms: u64,
    /// The journal survives a loss of power.
    pub is_power: bool,
    /// Connections are encrypted.
    pub is_encrypted: bool,
    /// How many addresses of the server workers know.
    pub addresses: u64,
    /// A bug of the simulator's own glue.
    pub bug: Option<Bug>,
}

impl Options {
    /// What a seed stands for.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 0);
        let density = dice.between(1, 4);
        let mut kinds = Kinds::default();
        // What came later has dice of its own, so that older seeds still stand for what they did.
        let mut later = Dice::new(seed, 3);
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            let dice = if place < 25 { &mut dice } else { &mut later };
            if dice.below(6) < density {
                kinds = kinds.with(kind);
            }
        }
        let is_power = dice.one_in(3);
        if !is_power {
            kinds = kinds.without(Kind::PowerLoss);
        }
        Self {
            seed,
            kinds,
            tasks: dice.between(1, 3) as usize,
            blocks: dice.between(4, 60),
            workers: dice.between(1, 6),
            faults_ms: dice.between(5_000, 60_000),
            fault_every_ms: dice.between(500, 6_000),
            is_power,
            is_encrypted: dice.one_in(12),
            addresses: dice.between(1, 2),
            bug: None,
        }
    }

    /// The same world with a bug.
    #[must_use]
    pub const fn with_bug(mut self, bug: Bug) -> Self {
        self.bug = Some(bug);
        self
    }

    pub(crate) const fn has(&self, kind: Kind) -> bool {
        self.kinds.has(kind)
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, kinds, tasks, blocks, workers, faults_ms, .. } = self;
        write!(
            f,
            "seed {seed}: {tasks} tasks, ~{blocks} blocks, ~{workers} workers, faults for {faults_ms} ms, \
             one in {} ms; durability {}, {}, {} addresses; on: {kinds}",
            self.fault_every_ms,
            if self.is_power { "power" } else { "process" },
            if self.is_encrypted { "encrypted" } else { "in the clear" },
            self.addresses,
        )?;
        match self.bug {
            Some(bug) => write!(f, "; planted: {bug:?}"),
            None => Ok(()),
        }
    }
}
