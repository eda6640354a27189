//! The trait of all back ends.

use std::ops::Range;

use daisy_block::{LayoutError, Tiling};
use daisy_geometry::Roi;

use crate::{
    Begun, BlockLease, Committed, Count, Filter, GraphError, Query, Schema, SubGraph, Write,
    Written,
};

/// How a store is opened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "there is one for each store that is opened")]
pub enum Open {
    /// For reading and writing; it is created if there is none. One that is there must have this
    /// very schema.
    Create(Schema),
    /// For reading and writing; it must be there.
    ReadWrite,
    /// For reading; it must be there.
    Read,
}

/// A spatial graph in a database, for many workers at once.
///
/// Every call is one transaction: readers see all of it or nothing, and after an error nothing of
/// it has happened. A store may be shared by threads, and any number of processes may have one
/// open on the same database.
pub trait GraphStore: Send + Sync {
    /// What the store holds.
    fn schema(&self) -> &Schema;

    /// Whether a writer that is killed leaves all of a write or nothing, and whether
    /// [`commit_block`](Self::commit_block) is exact. True but for MongoDB.
    fn is_atomic(&self) -> bool {
        true
    }

    /// Reads nodes and edges, in one consistent snapshot.
    ///
    /// Costs what the cells that meet the ROI hold.
    ///
    /// # Errors
    ///
    /// If the query does not fit the schema, or the database fails.
    fn read(&self, query: &Query) -> Result<SubGraph, GraphError>;

    /// Reads batch by batch, in one consistent snapshot: at most `batch` nodes at a time, with the
    /// edges that they own; with [`EitherEnd`](crate::EdgesBy::EitherEnd), also with those that
    /// come in from outside. Each node and each edge comes once. Nothing else is held in memory.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), and what `each` returns, which ends the stream.
    fn stream(
        &self,
        query: &Query,
        batch: usize,
        each: &mut dyn FnMut(SubGraph) -> Result<(), GraphError>,
    ) -> Result<(), GraphError>;

    /// The number of nodes in a ROI that meet a filter, counted in the database.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    fn count_nodes(&self, roi: &Roi, filter: &Filter) -> Result<u64, GraphError>;

    /// Whether a node in a ROI owns an edge; the database stops at the first.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    fn has_edges(&self, roi: &Roi) -> Result<bool, GraphError>;

    /// Writes nodes and edges. Nodes that are only named by edges are not written; the first
    /// endpoint of an edge must be given or stored, the second need not be there yet.
    ///
    /// # Errors
    ///
    /// If the graph does not fit the schema, the mode forbids it, or the database fails.
    fn write(&self, graph: &SubGraph, write: &Write) -> Result<Written, GraphError>;

    /// Sets the named attributes of stored nodes and edges to what the graph's have, or to nothing
    /// where they have none; a name may be one of both. Nodes and edges that are not stored are
    /// left out. Returns how many were found. Positions stay.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write), and [`GraphError::UnknownAttribute`] for a name that neither
    /// nodes nor edges have.
    fn update_attrs(&self, graph: &SubGraph, names: &[&str]) -> Result<Count, GraphError>;

    /// Deletes the nodes in a ROI and the edges that they own. Edges of nodes outside that point
    /// into the ROI stay.
    ///
    /// # Errors
    ///
    /// If the ROI does not fit the schema, or the database fails.
    fn delete(&self, roi: &Roi) -> Result<Count, GraphError>;

    /// Inserts many graphs as fast as the back end can; as
    /// [`Write::insert_only`], each graph a transaction.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); graphs before the one that failed are stored.
    fn bulk_load(&self, graphs: &mut dyn Iterator<Item = SubGraph>) -> Result<Count, GraphError> {
        let mut count = Count::default();
        for graph in graphs {
            count += self.write(&graph, &Write::insert_only())?.written;
        }
        Ok(count)
    }

    /// Stores the lease under which a block is worked on, unless a result or a higher lease is
    /// stored. From then on, lower leases cannot commit.
    ///
    /// # Errors
    ///
    /// If the database fails.
    fn begin_block(&self, block: &BlockLease<'_>) -> Result<Begun, GraphError>;

    /// Writes the result of a block and the mark that it is done, in one transaction. The block
    /// need not have been begun. A crash before the end leaves neither; after it, the result
    /// cannot be written a second time in this run.
    ///
    /// ```text
    ///            begin_block(l)            commit_block(l)
    ///  no mark ----------------> begun(l) ----------------> done
    ///     |                      begun(l): a lease l' < l is stale, l' >= l takes over
    ///     '---------------- commit_block(l) ---------------> done: all are AlreadyDone
    /// ```
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); a block that is done or lost is no error, see [`Committed`].
    fn commit_block(
        &self,
        block: &BlockLease<'_>,
        graph: &SubGraph,
        write: &Write,
    ) -> Result<Committed, GraphError>;

    /// The blocks of a task whose results are stored, as ascending runs of cell numbers; of one
    /// run of daisy, or of all.
    ///
    /// # Errors
    ///
    /// If the database fails.
    fn blocks_done(&self, task: &str, run: Option<&str>) -> Result<Vec<Range<u64>>, GraphError>;

    /// Removes the marks of blocks of a task, of all runs, so that they can be committed again;
    /// what they wrote stays. See [`blocks_in`] for the blocks of a ROI. Returns how many marks
    /// there were.
    ///
    /// # Errors
    ///
    /// If the database fails.
    fn forget(&self, task: &str, blocks: &[Range<u64>]) -> Result<u64, GraphError>;
}

/// The blocks of a task that write into a ROI, as ascending runs of cell numbers: those whose
/// marks go with what is forgotten or deleted there.
///
/// ```
/// use daisy_block::{Fit, Layout, Tiling};
/// use daisy_geometry::Roi;
/// use daisy_graphdb::blocks_in;
///
/// let block = Roi::new([0, 0], [10, 10])?;
/// let layout = Layout::new(Roi::new([0, 0], [30, 40])?, block.clone(), block, Fit::Valid)?;
/// let roi = Roi::new([10, 5], [20, 10])?;
/// assert_eq!(blocks_in(&Tiling::new(&layout), &roi)?, [1..3, 4..6]); // axis 1 is the slower one
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`LayoutError::Geometry`] where the numbers of axes differ.
pub fn blocks_in(tiling: &Tiling, roi: &Roi) -> Result<Vec<Range<u64>>, LayoutError> {
    Ok(tiling.runs_in(&tiling.cells_writing(roi)?)?.collect())
}

/// Ascending numbers as runs.
pub(crate) fn runs(numbers: impl Iterator<Item = u64>) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(run) if number < run.end => {}
            Some(run) if run.end == number => run.end = number.saturating_add(1),
            _ => runs.push(number..number.saturating_add(1)),
        }
    }
    runs
}
