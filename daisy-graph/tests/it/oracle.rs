//! Pipelines by brute force: every block listed, every pair of blocks compared.
//!
//! Written from the definition, without any of the crates' own block maths.

use std::collections::BTreeSet;

use daisy_block::{BlockKey, Fit, Layout, TaskId};
use daisy_geometry::Roi;
use daisy_graph::{TaskGraph, TaskNode};
use proptest::prelude::*;

/// One axis of a task: total begin, cells that fit, what is left over, write shape, context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AxisSpec {
    pub(crate) begin: i64,
    pub(crate) cells: i64,
    pub(crate) rest: i64,
    pub(crate) write: i64,
    pub(crate) lo: i64,
    pub(crate) hi: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct TaskSpec {
    pub(crate) axes: Vec<AxisSpec>,
    pub(crate) fit: Fit,
    pub(crate) conflict: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    pub(crate) tasks: Vec<TaskSpec>,
    /// From upstream to downstream, always from a lower to a higher number; may repeat.
    pub(crate) edges: Vec<(usize, usize)>,
}

/// A block as the oracle sees it: its grid index, and what it reads and writes along each axis.
#[derive(Clone, Debug)]
pub(crate) struct NaiveBlock {
    pub(crate) task: usize,
    pub(crate) index: Vec<i64>,
    pub(crate) read: Vec<(i64, i64)>,
    pub(crate) write: Vec<(i64, i64)>,
    pub(crate) level: Vec<i64>,
}

impl AxisSpec {
    fn total(&self) -> (i64, i64) {
        let shape = self.cells * self.write + self.rest.min(self.write - 1) + self.lo + self.hi;
        (self.begin, self.begin + shape.max(1))
    }
}

impl TaskSpec {
    pub(crate) fn layout(&self) -> Layout {
        let roi = |ends: &dyn Fn(&AxisSpec) -> (i64, i64)| {
            let begin: Vec<i64> = self.axes.iter().map(|axis| ends(axis).0).collect();
            let end: Vec<i64> = self.axes.iter().map(|axis| ends(axis).1).collect();
            Roi::from_begin_end(begin, end).unwrap()
        };
        // Where the read and write ROI lie does not matter, only how they lie to each other.
        let total = roi(&AxisSpec::total);
        let read = roi(&|axis| (3, 3 + axis.lo + axis.write + axis.hi));
        let write = roi(&|axis| (3 + axis.lo, 3 + axis.lo + axis.write));
        Layout::new(total, read, write, self.fit).unwrap()
    }

    /// Every block in row-major order of its index.
    pub(crate) fn blocks(&self, task: usize) -> Vec<NaiveBlock> {
        let mut blocks = vec![NaiveBlock {
            task,
            index: Vec::new(),
            read: Vec::new(),
            write: Vec::new(),
            level: Vec::new(),
        }];
        for axis in &self.axes {
            let (total_begin, total_end) = axis.total();
            let (begin, end) = (total_begin + axis.lo, total_end - axis.hi);
            let mut along = Vec::new();
            let mut at = begin;
            while at < end && (self.fit != Fit::Valid || at + axis.write <= end) {
                let mut write = (at, at + axis.write);
                let mut read = (at - axis.lo, at + axis.write + axis.hi);
                if self.fit == Fit::Shrink {
                    write.1 = write.1.min(end);
                    read.1 = read.1.min(total_end);
                }
                along.push((read, write));
                at += axis.write;
            }
            let reach = (axis.lo.max(axis.hi) + axis.write - 1) / axis.write;
            let period = (reach + 1).min(along.len() as i64);
            let before = std::mem::take(&mut blocks);
            for block in before {
                for (k, (read, write)) in along.iter().enumerate() {
                    let mut block = block.clone();
                    block.index.push(k as i64);
                    block.read.push(*read);
                    block.write.push(*write);
                    // Lower levels go first, and levels count down along the residues.
                    block.level.push(-(k as i64 % period));
                    blocks.push(block);
                }
            }
        }
        blocks
    }
}

impl Pipeline {
    pub(crate) fn graph(&self) -> TaskGraph {
        let mut graph = TaskGraph::new();
        for (task, spec) in self.tasks.iter().enumerate() {
            let node = TaskNode::new(format!("task {task}"), spec.layout(), spec.conflict).unwrap();
            graph.add_task(node).unwrap();
        }
        for &(up, down) in &self.edges {
            graph.add_edge(TaskId::new(up as u32), TaskId::new(down as u32)).unwrap();
        }
        graph
    }

    pub(crate) fn blocks(&self) -> Vec<NaiveBlock> {
        self.tasks.iter().enumerate().flat_map(|(task, spec)| spec.blocks(task)).collect()
    }

    /// For each of `blocks` the places of those it waits for.
    pub(crate) fn upstream(&self, blocks: &[NaiveBlock]) -> Vec<BTreeSet<usize>> {
        let waits = |a: &NaiveBlock, b: &NaiveBlock| {
            if a.task == b.task {
                return self.tasks[a.task].conflict && conflict(a, b) && b.level < a.level;
            }
            self.edges.contains(&(b.task, a.task)) && meet(&a.read, &b.write)
        };
        let waited = |a| (0..blocks.len()).filter(|&b| waits(a, &blocks[b])).collect();
        blocks.iter().map(waited).collect()
    }

    /// The product's name of each block.
    pub(crate) fn keys(&self, graph: &TaskGraph, blocks: &[NaiveBlock]) -> Vec<BlockKey> {
        let key = |block: &NaiveBlock| {
            let task = TaskId::new(block.task as u32);
            BlockKey::new(task, graph[task].tiling().cell_at(&block.index).unwrap().unwrap())
        };
        blocks.iter().map(key).collect()
    }
}

pub(crate) fn meet(a: &[(i64, i64)], b: &[(i64, i64)]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.0 < b.1 && b.0 < a.1)
}

pub(crate) fn conflict(a: &NaiveBlock, b: &NaiveBlock) -> bool {
    a.index != b.index && (meet(&a.read, &b.write) || meet(&b.read, &a.write))
}

/// Pipelines of 1 to 4 tasks in 1 to 4 dimensions: mostly of some ten blocks, at times of hundreds; with
/// contexts of a few blocks, at times as wide as the grid.
pub(crate) fn pipelines() -> impl Strategy<Value = Pipeline> {
    let size = prop_oneof![7 => Just(0_usize), 1 => Just(1)];
    let width = prop_oneof![5 => Just(0_usize), 1 => Just(1)];
    (1_usize..=4, 1_usize..=4, size, width).prop_flat_map(|(dims, tasks, size, width)| {
        let most: i64 = [[14, 5, 3, 2], [300, 18, 7, 4]][size][dims - 1];
        let widest = [5, 4 * most][width];
        let axis = (-9_i64..9, 0..=most, 0_i64..4, 1_i64..=4, 0_i64..=widest, 0_i64..=widest)
            .prop_map(|(begin, cells, rest, write, lo, hi)| AxisSpec {
                begin,
                cells,
                rest,
                write,
                lo,
                hi,
            });
        let fit = prop_oneof![Just(Fit::Valid), Just(Fit::Overhang), Just(Fit::Shrink)];
        let spec = (prop::collection::vec(axis, dims), fit, any::<bool>())
            .prop_map(|(axes, fit, conflict)| TaskSpec { axes, fit, conflict });
        let edge = (0..tasks, 0..tasks);
        (prop::collection::vec(spec, tasks), prop::collection::vec(edge, 0..=6)).prop_map(
            |(tasks, edges)| Pipeline {
                tasks,
                edges: edges
                    .into_iter()
                    .filter(|(a, b)| a != b)
                    .map(|(a, b)| (a.min(b), a.max(b)))
                    .collect(),
            },
        )
    })
}
