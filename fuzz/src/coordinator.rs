//! The coordinator under random operations, nonsense included, beside a naive model.

use arbitrary::{Result, Unstructured};
use daisy_block::{Fit, Layout, TaskId};
use daisy_geometry::Roi;
use daisy_graph::{TaskGraph, TaskNode};

#[path = "../../daisy-sched/tests/it/coordinator/world.rs"]
mod world;

/// Operations in one input; the rest of the bytes is ignored.
const OPERATIONS: usize = 512;

/// Builds a pipeline of up to four tasks from the bytes, lets anything happen to its coordinator, and
/// then everybody do what they should: the run must come to its end with every block accounted for.
pub fn coordinator(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let Ok(graph) = pipeline(&mut bytes) else { return };
    // After the last byte, dice show their lowest number.
    let mut dice = |sides: usize| bytes.choose_index(sides.max(1)).unwrap_or(0);
    let mut world = world::World::new(graph, &mut dice);
    for _ in 0..OPERATIONS {
        world.step(&mut dice);
    }
    world.finish();
}

/// Tasks of at most 12 blocks in one or two dimensions, each downstream of any earlier ones.
fn pipeline(bytes: &mut Unstructured<'_>) -> Result<TaskGraph> {
    let mut tasks = TaskGraph::new();
    let dims = bytes.int_in_range(1..=2_usize)?;
    for place in 0..bytes.int_in_range(1..=4_u32)? {
        let (mut total, mut read, mut write) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..dims {
            let (low, high) = (bytes.int_in_range(0..=3_i64)?, bytes.int_in_range(0..=3)?);
            let cells = bytes.int_in_range(0..=[12, 3][dims - 1])?;
            let begin = bytes.int_in_range(-5..=5)?;
            total.push((begin, begin + (cells * 4 + low + high).max(1)));
            read.push((0, low + 4 + high));
            write.push((low, low + 4));
        }
        let fit = *bytes.choose(&[Fit::Valid, Fit::Overhang, Fit::Shrink])?;
        let roi = |axes: Vec<(i64, i64)>| {
            let (begin, end): (Vec<i64>, Vec<i64>) = axes.into_iter().unzip();
            Roi::from_begin_end(begin, end)
        };
        let (Ok(total), Ok(read), Ok(write)) = (roi(total), roi(read), roi(write)) else { break };
        let Ok(layout) = Layout::new(total, read, write, fit) else { break };
        let Ok(node) = TaskNode::new(format!("task {place}"), layout, bytes.arbitrary()?) else {
            break;
        };
        let Ok(task) = tasks.add_task(node) else { break };
        for up in 0..place {
            if bytes.ratio(1, 2)? {
                // Edges from lower to higher numbers never close a cycle.
                let _is_new = tasks.add_edge(TaskId::new(up), task);
            }
        }
    }
    Ok(tasks)
}
