//! Whether blocks that may run at the same time would share chunks of the arrays that tasks declare.

use std::collections::BTreeMap;

use daisy_array::ArrayId;
use daisy_block::{LayoutError, TaskId, shared_chunk, shared_chunk_in_place};
use daisy_graph::{Access, GraphError, TaskGraph, unordered_tasks};

use super::{Error, Pipeline};
use crate::task::DeclaredArray;

/// Refuses what would lose data.
///
/// # Errors
/// [`Error::SharedChunk`], [`Error::UnorderedTasks`], [`Error::ChunkGrid`].
pub(super) fn check(pipeline: &Pipeline, tasks: &TaskGraph) -> Result<(), Error> {
    let mut by_array: BTreeMap<&ArrayId, Vec<(TaskId, &DeclaredArray)>> = BTreeMap::new();
    for (id, task) in pipeline.tasks() {
        for array in task.0.arrays.iter().filter(|array| array.is_checked) {
            by_array.entry(&array.id).or_default().push((id, array));
        }
    }
    for (array, declared) in by_array {
        let name = |task: TaskId| tasks[task].name().to_owned();
        let misfit = |task: TaskId| {
            let (task, array) = (name(task), array.to_string());
            move |source: LayoutError| Error::ChunkGrid { task, array, source }
        };
        for (task, one) in declared.iter().filter(|(_, one)| one.access == Access::Writes) {
            let node = &tasks[*task];
            let reads = |(other, declared): &(TaskId, &DeclaredArray)| {
                other == task && declared.access == Access::Reads
            };
            let shared = if declared.iter().any(reads) {
                shared_chunk_in_place(node.tiling(), node.stencil(), &one.chunks)
            } else {
                shared_chunk(node.tiling(), node.stencil(), &one.chunks)
            };
            if let Some(source) = shared.map_err(misfit(*task))? {
                return Err(Error::SharedChunk {
                    task: name(*task),
                    array: array.to_string(),
                    source,
                });
            }
        }
        let Some((first, one)) = declared.first() else { continue };
        let claims: Vec<_> = declared.iter().map(|(task, one)| (*task, one.access)).collect();
        let unordered = unordered_tasks(tasks, &claims, &one.chunks);
        let unordered = unordered.map_err(|error| match error {
            GraphError::Layout(source) => misfit(*first)(source),
            other => Error::Graph(other),
        })?;
        if let Some(source) = unordered {
            let tasks = (name(source.first), name(source.second));
            return Err(Error::UnorderedTasks { tasks, array: array.to_string(), source });
        }
    }
    Ok(())
}
