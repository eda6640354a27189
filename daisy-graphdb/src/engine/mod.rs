//! What all back ends have in common: the meaning of reads, writes and marks, in terms of one
//! transaction of a database, which is a [`Session`].
//!
//! *Invariant:* a write looks at everything that could refuse it before it changes anything, unless
//! the database finds it on the way and can roll back.

mod blocks;
mod read;
mod session;
mod write;

pub(crate) use blocks::{begin_block, blocks_done, commit_block, forget};
pub(crate) use read::{count_nodes, has_edges, read, stream};
pub(crate) use session::{
    Backend, Chosen, Each, EdgeSelect, End, Mark, NodeSelect, PlacedEdge, Put, Run, Session,
};
pub(crate) use write::{bulk_load, delete, update_attrs, write};

/// Implements [`GraphStore`](crate::GraphStore) for a [`Backend`].
macro_rules! graph_store {
    ($store:ty, atomic: $atomic:literal) => {
        impl $crate::GraphStore for $store {
            fn schema(&self) -> &$crate::Schema {
                $crate::engine::Backend::schema(self)
            }

            fn is_atomic(&self) -> bool {
                $atomic
            }

            fn read(&self, query: &$crate::Query) -> Result<$crate::SubGraph, $crate::GraphError> {
                $crate::engine::read(self, query)
            }

            fn stream(
                &self,
                query: &$crate::Query,
                batch: usize,
                each: &mut dyn FnMut($crate::SubGraph) -> Result<(), $crate::GraphError>,
            ) -> Result<(), $crate::GraphError> {
                $crate::engine::stream(self, query, batch, each)
            }

            fn count_nodes(
                &self,
                roi: &daisy_geometry::Roi,
                filter: &$crate::Filter,
            ) -> Result<u64, $crate::GraphError> {
                $crate::engine::count_nodes(self, roi, filter)
            }

            fn has_edges(&self, roi: &daisy_geometry::Roi) -> Result<bool, $crate::GraphError> {
                $crate::engine::has_edges(self, roi)
            }

            fn write(
                &self,
                graph: &$crate::SubGraph,
                write: &$crate::Write,
            ) -> Result<$crate::Written, $crate::GraphError> {
                $crate::engine::write(self, graph, write)
            }

            fn update_attrs(
                &self,
                graph: &$crate::SubGraph,
                names: &[&str],
            ) -> Result<$crate::Count, $crate::GraphError> {
                $crate::engine::update_attrs(self, graph, names)
            }

            fn delete(
                &self,
                roi: &daisy_geometry::Roi,
            ) -> Result<$crate::Count, $crate::GraphError> {
                $crate::engine::delete(self, roi)
            }

            fn bulk_load(
                &self,
                graphs: &mut dyn Iterator<Item = $crate::SubGraph>,
            ) -> Result<$crate::Count, $crate::GraphError> {
                $crate::engine::bulk_load(self, graphs)
            }

            fn begin_block(
                &self,
                block: &$crate::BlockLease<'_>,
            ) -> Result<$crate::Begun, $crate::GraphError> {
                $crate::engine::begin_block(self, block)
            }

            fn commit_block(
                &self,
                block: &$crate::BlockLease<'_>,
                graph: &$crate::SubGraph,
                write: &$crate::Write,
            ) -> Result<$crate::Committed, $crate::GraphError> {
                $crate::engine::commit_block(self, block, graph, write)
            }

            fn blocks_done(
                &self,
                task: &str,
                run: Option<&str>,
            ) -> Result<Vec<std::ops::Range<u64>>, $crate::GraphError> {
                $crate::engine::blocks_done(self, task, run)
            }

            fn forget(
                &self,
                task: &str,
                blocks: &[std::ops::Range<u64>],
            ) -> Result<u64, $crate::GraphError> {
                $crate::engine::forget(self, task, blocks)
            }
        }
    };
}

pub(crate) use graph_store;
