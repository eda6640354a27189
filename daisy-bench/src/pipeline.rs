//! The pipelines of the workloads: blocks are 10 wide per axis.

use daisy_block::{Fit, Layout, TaskId};
use daisy_geometry::{Coordinate, Roi};
use daisy_graph::{TaskGraph, TaskNode};

use crate::Error;

const WIDTH: i64 = 10;

/// `blocks` blocks along each of `dims` axes, each reading `context` on both sides.
pub(crate) fn cube(dims: usize, blocks: i64, context: i64) -> Result<Layout, Error> {
    let shape = |edge: i64| Coordinate::splat(dims, edge);
    let write = Roi::new(shape(0), shape(WIDTH))?;
    let total = Roi::new(shape(0), shape(blocks * WIDTH))?;
    Ok(Layout::new(
        total.grow(context, context)?,
        write.grow(context, context)?,
        write,
        Fit::Valid,
    )?)
}

/// One block over `blocks` blocks of a line.
fn whole_line(blocks: i64) -> Result<Layout, Error> {
    let all = Roi::new([0], [blocks * WIDTH])?;
    Ok(Layout::new(all.clone(), all.clone(), all, Fit::Valid)?)
}

/// The tasks of a workload such as `cubec:100`.
pub(crate) fn tasks(workload: &str) -> Result<TaskGraph, Error> {
    let (kind, sizes) =
        workload.split_once(':').ok_or("a workload is a name, a colon and sizes")?;
    let sizes: Vec<i64> = sizes.split(':').map(str::parse).collect::<Result<_, _>>()?;
    let mut graph = TaskGraph::new();
    let mut add =
        |layout: Layout, conflict: bool, upstream: Option<TaskId>| -> Result<TaskId, Error> {
            let name = format!("task {}", graph.num_tasks());
            let task = graph.add_task(TaskNode::new(name, layout, conflict)?)?;
            if let Some(upstream) = upstream {
                graph.add_edge(upstream, task)?;
            }
            Ok(task)
        };
    match (kind, &sizes[..]) {
        ("line", &[n]) => drop(add(cube(1, n, 0)?, false, None)?),
        ("cube", &[k]) => drop(add(cube(3, k, 0)?, false, None)?),
        ("linec", &[n]) => drop(add(cube(1, n, 2)?, true, None)?),
        ("cubec" | "ball", &[k]) => drop(add(cube(3, k, 2)?, true, None)?),
        ("cubew", &[k, reach]) => drop(add(cube(3, k, reach * WIDTH)?, true, None)?),
        ("squarew", &[k, reach]) => drop(add(cube(2, k, reach * WIDTH)?, true, None)?),
        ("readw", &[k, reach]) => {
            let first = add(cube(3, k, 0)?, false, None)?;
            add(cube(3, k, reach * WIDTH)?, false, Some(first))?;
        }
        ("chain3" | "chain3c", &[k]) => {
            let conflict = kind == "chain3c";
            let first = add(cube(3, k, if conflict { 2 } else { 0 })?, conflict, None)?;
            let second = add(cube(3, k, 2)?, conflict, Some(first))?;
            add(cube(3, k, 2)?, conflict, Some(second))?;
        }
        ("chain", &[tasks, n]) => {
            let mut last = None;
            for _ in 0..tasks {
                last = Some(add(cube(1, n, 0)?, false, last)?);
            }
        }
        ("fan", &[tasks, n]) => {
            let root = add(cube(1, n, 0)?, false, None)?;
            for _ in 1..tasks {
                add(cube(1, n, 0)?, false, Some(root))?;
            }
        }
        ("gather", &[n]) => {
            let first = add(cube(1, n, 0)?, false, None)?;
            let middle = add(whole_line(n)?, false, Some(first))?;
            add(cube(1, n, 0)?, false, Some(middle))?;
        }
        _ => return Err(format!("unknown workload '{workload}'").into()),
    }
    Ok(graph)
}
