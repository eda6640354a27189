//! Values out of bytes: after the last byte everything is 0, the first of a choice, or false.

use std::{ops::Range, time::Duration};

use arbitrary::Unstructured;
use daisy_block::{BlockKey, CellBox, Fit, Layout, Order, TaskId};
use daisy_geometry::{Coordinate, Roi};

pub struct Values<'a>(Unstructured<'a>);

impl<'a> Values<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(Unstructured::new(bytes))
    }

    /// Whether there are bytes left.
    pub fn goes_on(&self) -> bool {
        !self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.0.arbitrary().unwrap_or(0)
    }

    /// One of `0..choices`.
    pub fn pick(&mut self, choices: usize) -> usize {
        usize::from(self.byte()) % choices.max(1)
    }

    pub fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.pick(choices.len())].clone()
    }

    pub fn yes(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// True about once in 16 times.
    pub fn rarely(&mut self) -> bool {
        self.byte() & 15 == 15
    }

    pub fn text(&mut self) -> String {
        // Half of the time from what texts of coordinates and ROIs are made of.
        const LETTERS: &[u8] = b"0123456789-+:,;[]() Noneempty";
        let (length, is_plain) = (self.pick(24), self.yes());
        let letter =
            |byte: u8| if is_plain { LETTERS[usize::from(byte) % LETTERS.len()] } else { byte };
        let bytes: Vec<u8> = (0..length).map(|_| letter(self.byte())).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Any number; most are small, many lie at a limit.
    pub fn number(&mut self) -> i64 {
        let near = i64::from(self.byte().cast_signed());
        match self.pick(24) {
            0 => i64::MIN.saturating_add(near),
            1 => i64::MAX.saturating_add(near),
            2 => Roi::LIMIT.saturating_add(near),
            3 => near - Roi::LIMIT,
            4 => Layout::LIMIT + near,
            5 => near - Layout::LIMIT,
            6 => (1 << (self.byte() & 63)) ^ near,
            7 => self.0.arbitrary().unwrap_or(0),
            _ => near,
        }
    }

    pub fn small(&mut self, range: Range<i64>) -> i64 {
        let length = (range.end - range.start).max(1);
        range.start + i64::from(self.byte()) % length
    }

    /// Any number that is not negative.
    pub fn natural(&mut self) -> u64 {
        let near = u64::from(self.byte());
        match self.pick(20) {
            0 => u64::MAX - near,
            1 => (1 << 63) + near,
            2 => (1 << 62) + near,
            3 => (1 << 48) + near - 128,
            4 => (1 << (self.byte() & 63)) ^ near,
            5 => self.0.arbitrary().unwrap_or(0),
            6 => (1 << 32) + near - 128,
            7 => near << 8 | u64::from(self.byte()),
            _ => near,
        }
    }

    pub fn natural_32(&mut self) -> u32 {
        u32::try_from(self.natural()).unwrap_or(u32::MAX - u32::from(self.byte()))
    }

    /// Mostly what is common; anything from 0 to 20 now and then.
    pub fn dims(&mut self) -> usize {
        match self.byte() {
            byte @ 0..220 => 1 + usize::from(byte) % 4,
            byte => usize::from(byte) % 21,
        }
    }

    /// Mostly `dims`, sometimes another number of axes.
    pub fn near_dims(&mut self, dims: usize) -> usize {
        if self.rarely() { self.dims() } else { dims }
    }

    pub fn numbers(&mut self, dims: usize) -> Vec<i64> {
        (0..dims).map(|_| self.number()).collect()
    }

    pub fn coordinate(&mut self, dims: usize) -> Coordinate {
        Coordinate::from(self.numbers(dims))
    }

    /// Entries from 0 on, of which few are large.
    pub fn index(&mut self, dims: usize) -> Vec<i64> {
        (0..dims).map(|_| if self.rarely() { self.number() } else { self.small(0..12) }).collect()
    }

    /// Any interval, the wrong way round as well.
    pub fn interval(&mut self) -> Range<i64> {
        match self.pick(4) {
            0 => self.number()..self.number(),
            1 => {
                let start = self.number();
                start..start.saturating_add(self.small(-2..30))
            }
            _ => {
                let start = self.small(-4..20);
                start..start + self.small(-2..20)
            }
        }
    }

    /// Any run of cells, the wrong way round as well.
    pub fn run(&mut self) -> Range<u64> {
        let start = self.natural();
        match self.pick(4) {
            0 => start..self.natural(),
            1 => start..u64::MAX,
            _ => start..start.saturating_add(self.natural()),
        }
    }

    pub fn cell_box(&mut self, dims: usize) -> CellBox {
        CellBox::new((0..dims).map(|_| self.interval()))
    }

    /// Any ROI of so many axes.
    pub fn roi(&mut self, dims: usize) -> Roi {
        let made = match self.pick(10) {
            0 => return Roi::empty(dims),
            1 => return Roi::unbounded(dims),
            2 => Roi::new(self.numbers(dims), self.numbers(dims)),
            3 => Roi::from_begin_end(self.numbers(dims), self.numbers(dims)),
            4 | 5 => {
                let axes: Vec<_> = (0..dims)
                    .map(|_| (self.pick(3) > 0).then(|| (self.number(), self.number())))
                    .collect();
                Roi::from_axes(axes)
            }
            _ => {
                let begin: Vec<i64> = (0..dims).map(|_| self.small(-20..60)).collect();
                let shape: Vec<i64> = (0..dims).map(|_| self.small(0..60)).collect();
                Roi::new(begin, shape)
            }
        };
        made.unwrap_or_else(|_| Roi::unbounded(dims))
    }

    pub fn fit(&mut self) -> Fit {
        self.one_of(&[Fit::Valid, Fit::Overhang, Fit::Shrink])
    }

    pub fn order(&mut self) -> Order {
        self.one_of(&[Order::Sweep, Order::Level, Order::Morton])
    }

    pub fn duration(&mut self) -> Duration {
        match self.pick(6) {
            0 => Duration::MAX,
            1 => Duration::ZERO,
            2 => Duration::from_secs(self.natural()),
            3 => Duration::from_nanos(self.natural()),
            _ => Duration::from_micros(self.natural()),
        }
    }

    /// Mostly a task that there is.
    pub fn task(&mut self, num_tasks: usize) -> TaskId {
        if self.rarely() {
            return TaskId::new(self.natural_32());
        }
        TaskId::new(self.pick(num_tasks) as u32)
    }

    /// Any name of a block.
    pub fn key(&mut self, num_tasks: usize) -> BlockKey {
        BlockKey::new(self.task(num_tasks), self.natural())
    }

    /// A layout, mostly of blocks that are few, sometimes of very many, sometimes of none.
    pub fn layout(&mut self, dims: usize) -> Option<Layout> {
        if self.byte() >= 250 {
            let (total, read, write) = (self.roi(dims), self.roi(dims), self.roi(dims));
            return Layout::new(total, read, write, self.fit()).ok();
        }
        let is_huge = self.byte() >= 230;
        let (mut total, mut read, mut write) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..dims {
            let axis = self.axis(is_huge, dims);
            total.push(axis.0);
            read.push(axis.1);
            write.push(axis.2);
        }
        let roi = |axes: Vec<Range<i64>>| {
            let ends: Vec<i64> = axes.iter().map(|range| range.end).collect();
            Roi::from_begin_end(axes.iter().map(|range| range.start).collect::<Vec<_>>(), ends).ok()
        };
        Layout::new(roi(total)?, roi(read)?, roi(write)?, self.fit()).ok()
    }

    /// Total, read and write interval along one axis.
    fn axis(&mut self, is_huge: bool, dims: usize) -> (Range<i64>, Range<i64>, Range<i64>) {
        let widest = if is_huge { 40 } else { 7 };
        let step =
            if self.rarely() { self.number().saturating_abs().max(1) } else { self.small(1..8) };
        let mut context = || match self.byte() {
            0..120 => 0,
            byte @ 120..250 => i64::from(byte) % widest,
            _ => self.number().saturating_abs(),
        };
        let (low, high) = (context(), context());
        let cells = match self.byte() {
            byte if is_huge => 1 << (byte as usize % (63 / dims.max(1))),
            byte => {
                i64::from(byte) % [1, 200, 24, 9, 5][dims.min(4)].min(4 + 200 / dims.max(1) as i64)
            }
        };
        let begin = if self.rarely() { self.number() } else { self.small(-9..9) };
        let rest = self.small(0..3);
        let length = cells.saturating_mul(step).saturating_add(low).saturating_add(high);
        let length = length.saturating_add(rest).max(1);
        let read_end = low.saturating_add(step).saturating_add(high);
        (begin..begin.saturating_add(length), 0..read_end, low..low.saturating_add(step))
    }
}
