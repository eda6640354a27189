//! What is remembered of a simulation: a hash of everything, and the last lines of its story.

use std::{collections::VecDeque, fmt::Display};

use daisy_sched::Moment;

/// How many lines are kept.
const LINES: usize = 60;

/// Whether, and how, the story is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// Not at all: the fastest.
    Nothing,
    /// The last lines are kept.
    Tail,
    /// All of it goes to standard output.
    All,
}

/// See the module's text.
pub(crate) struct Trace {
    hash: u64,
    telling: Telling,
    lines: VecDeque<String>,
}

impl Trace {
    pub(crate) const fn new(telling: Telling) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, telling, lines: VecDeque::new() }
    }

    /// Takes bytes into the hash (FNV-1a, eight at a time).
    pub(crate) fn mix(&mut self, bytes: &[u8]) {
        let chunks = bytes.chunks(8).map(|chunk| {
            chunk.iter().fold(chunk.len() as u64, |word, &byte| (word << 8) ^ u64::from(byte))
        });
        for word in chunks {
            self.mix_word(word);
        }
    }

    /// Takes a number into the hash.
    pub(crate) const fn mix_word(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    /// Tells something, if anybody listens.
    pub(crate) fn tell<T: Display>(&mut self, now: Moment, text: impl FnOnce() -> T) {
        match self.telling {
            Telling::Nothing => {}
            Telling::Tail => {
                if self.lines.len() == LINES {
                    self.lines.pop_front();
                }
                self.lines.push_back(format!("{now}  {}", text()));
            }
            Telling::All => println!("{now}  {}", text()),
        }
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}
