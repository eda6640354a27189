//! The five tasks: smooth -> label -> stitch -> merge -> relabel.
//!
//! Ids are unique across blocks because each block counts from its own number times the number of
//! voxels of a block; they are the nodes of a graph in a database, and those that touch across the face of a block are joined by
//! edges: its connected components are the objects. A block's part of the graph is there once, however often the block is run. All arrays lie on the grid of the input; a block that sticks out of it (fit
//! `overhang`) is cut where it is read and written.

use std::{
    fs, io,
    ops::Range,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use daisy::{
    Block, BlockResult, BoxError, Coordinate, Fit, GeometryError, Loan, Roi, Task, TaskBuilder,
};
use daisy_array::{Array, ArraySpec, Compression, Dtype, IfExists};
use daisy_graphdb::{
    AttrType, BlockLease, Committed, Edge, EdgesBy, GraphStore, Node, Open, Position, Query,
    Schema, SqliteStore, SubGraph, Value, Write,
};
use ndarray::{Array3, Ix3};

use super::{
    input::Input,
    ops::{self, Kernel, Mapping},
};

/// What can be chosen.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Voxels of a block.
    pub(crate) block: [i64; 3],
    pub(crate) fit: Fit,
    /// Threads of each task.
    pub(crate) workers: u32,
    /// Processes of each task, instead of threads.
    pub(crate) processes: Option<u32>,
    /// The least brightness, after smoothing, of what is labelled.
    pub(crate) threshold: u8,
    pub(crate) kernel: Kernel,
}

/// What came of a run, in memory.
pub(crate) struct Volumes {
    pub(crate) input: Array3<u8>,
    pub(crate) smoothed: Array3<u8>,
    pub(crate) labels: Array3<u64>,
}

/// Which object a node of the graph belongs to, once that is known.
const OBJECT: &str = "object";

/// The arrays and the graph of a run.
pub(crate) struct Segmentation {
    pub(crate) input: Input,
    pub(crate) smoothed: Array,
    /// Ids that are unique but end at the faces of blocks.
    fragments: Array,
    pub(crate) labels: Array,
    /// Fragments by their ids, and which touch.
    graph: SqliteStore,
    /// Which id becomes which, once it was read.
    mapping: Mutex<Option<Arc<Mapping>>>,
    settings: Settings,
}

impl Segmentation {
    /// Makes the output arrays in a folder, or takes those that are there: what a worker process does, or a run
    /// that goes on.
    pub(crate) fn create(
        input: Input,
        folder: &Path,
        settings: Settings,
        is_fresh: bool,
    ) -> Result<Arc<Self>, BoxError> {
        fs::create_dir_all(folder)?;
        let array = |name: &str, dtype| {
            let like = &input.array;
            let spec = ArraySpec::new(like.shape().clone(), dtype)
                .chunk_shape(Coordinate::from(settings.block))
                .voxel_size(like.voxel_size().clone())
                .offset(like.offset().clone())
                .axis_names(like.axis_names().to_vec())
                .units(like.units().to_vec())
                .compression(Compression::Zstd { level: 1 });
            let there = if is_fresh { IfExists::Overwrite } else { IfExists::ReuseIfCompatible };
            Array::create(folder.join(name), &spec, there)
        };
        let write = input.array.voxel_size() * Coordinate::from(settings.block);
        Ok(Arc::new(Self {
            smoothed: array("smoothed.zarr", Dtype::U8)?,
            fragments: array("fragments.zarr", Dtype::U64)?,
            labels: array("labels.zarr", Dtype::U64)?,
            graph: open_graph(&folder.join("graph.sqlite"), write, is_fresh)?,
            mapping: Mutex::new(None),
            input,
            settings,
        }))
    }

    /// The last of the five tasks; the others are upstream of it.
    pub(crate) fn tasks(self: &Arc<Self>) -> Result<Task, BoxError> {
        let voxel = self.input.array.voxel_size().clone();
        let context = &voxel * self.settings.kernel.radius() as i64;
        let smooth = self.builder("smooth", &context, &context)?;
        let smooth = smooth.reads(&self.input.array).writes(&self.smoothed);
        let smooth = smooth.process(self.method(Self::smooth)).build()?;
        let none = Coordinate::zeros(3);
        let label = self.builder("label", &none, &none)?.upstream(&smooth);
        let label = label.reads(&self.smoothed).writes(&self.fragments);
        let label = label.process_loan(self.loaned(Self::label)).build()?;
        // One voxel on the high side: every face between two blocks is seen once.
        let stitch = self.builder("stitch", &none, &voxel)?.upstream(&label);
        let stitch =
            stitch.reads(&self.fragments).process_loan(self.loaned(Self::stitch)).build()?;
        let all = self.input.array.roi();
        let merge = Task::builder("merge", all.clone(), all.clone(), all.clone());
        let merge = self
            .manned(merge, 1)
            .upstream_tasks([&label, &stitch])
            .process(self.method(|own, _| own.merge()))
            .build()?;
        let relabel = self.builder("relabel", &none, &none)?.upstream(&merge);
        let relabel = relabel.reads(&self.fragments).writes(&self.labels);
        Ok(relabel.process(self.method(Self::relabel)).build()?)
    }

    /// A task over all of the volume, with a context of so much on the low and the high sides.
    fn builder(
        &self,
        name: &str,
        low: &Coordinate,
        high: &Coordinate,
    ) -> Result<TaskBuilder, BoxError> {
        let array = &self.input.array;
        let shape = array.voxel_size() * Coordinate::from(self.settings.block);
        let write = Roi::new(array.offset().clone(), shape)?;
        let total = array.roi().grow(low, high)?;
        let builder = Task::builder(name, total, write.grow(low, high)?, write)
            .fit(self.settings.fit)
            // No task writes what it reads.
            .read_write_conflict(false);
        Ok(self.manned(builder, u32::MAX))
    }

    /// With threads or processes, at most so many.
    fn manned(&self, builder: TaskBuilder, most: u32) -> TaskBuilder {
        match self.settings.processes {
            Some(processes) => builder.num_workers(processes.min(most)).in_processes(),
            None => builder.num_workers(self.settings.workers.min(most)),
        }
    }

    /// A block function that calls a method.
    fn method<F>(
        self: &Arc<Self>,
        method: F,
    ) -> impl Fn(&Block) -> BlockResult + Send + Sync + use<F>
    where
        F: Fn(&Self, &Block) -> BlockResult + Send + Sync,
    {
        let own = Arc::clone(self);
        move |block| method(&own, block)
    }

    /// The same for one that wants to know which loan of the block it works on.
    fn loaned<F>(
        self: &Arc<Self>,
        method: F,
    ) -> impl Fn(&Block, Loan) -> BlockResult + Send + Sync + use<F>
    where
        F: Fn(&Self, &Block, Loan) -> BlockResult + Send + Sync,
    {
        let own = Arc::clone(self);
        move |block, loan| method(&own, block, loan)
    }

    /// What a block writes within the volume.
    fn inside(&self, block: &Block) -> Result<Roi, GeometryError> {
        block.write_roi.intersect(self.input.array.roi())
    }

    fn smooth(&self, block: &Block) -> BlockResult {
        let write = self.inside(block)?;
        let context = self.input.array.voxel_size() * self.settings.kernel.radius() as i64;
        let padded = self.input.read(&write.grow(&context, &context)?)?;
        let smoothed = ops::smooth(&padded.view(), &self.settings.kernel);
        Ok(self.smoothed.write(&write, smoothed.view())?)
    }

    fn label(&self, block: &Block, loan: Loan) -> BlockResult {
        let write = self.inside(block)?;
        let smoothed = self.smoothed.read::<u8>(&write)?.into_dimensionality::<Ix3>()?;
        let most: u64 = self.settings.block.iter().map(|length| length.unsigned_abs()).product();
        let first = block.key.cell.checked_mul(most).ok_or("too many voxels for 64-bit ids")? + 1;
        let (labels, count) = ops::label(&smoothed.view(), self.settings.threshold, first);
        self.fragments.write(&write, labels.view())?;
        let mut graph = self.graph.schema().sub_graph();
        let begin = block.write_roi.begin().ok_or("an unbounded block")?;
        let place = Position::new(begin.iter().map(|axis| axis as f64).collect::<Vec<_>>())?;
        for id in first..first + count {
            graph.insert_node(Node::new(id, place));
        }
        self.commit(&mark("label", block, loan), &graph, &Write::replace(write))
    }

    fn stitch(&self, block: &Block, loan: Loan) -> BlockResult {
        let write = self.inside(block)?;
        let read = write.grow(0, self.input.array.voxel_size())?;
        let labels = self.fragments.read_or_fill::<u64>(&read, 0)?.into_dimensionality::<Ix3>()?;
        let own: Vec<Range<usize>> = labels.shape().iter().map(|length| 0..length - 1).collect();
        let own = own.try_into().map_err(|_| "a block has three axes")?;
        let mut graph = self.graph.schema().sub_graph();
        for (low, high) in ops::touching_pairs(&labels.view(), &own) {
            // The lower id is this block's: it was numbered before those on its high sides.
            graph.insert_edge(Edge::new(low, high));
        }
        self.commit(&mark("stitch", block, loan), &graph, &Write::upsert())
    }

    /// Stores a block's part of the graph, unless it is there.
    fn commit(&self, mark: &BlockLease<'_>, graph: &SubGraph, write: &Write) -> BlockResult {
        match self.graph.commit_block(mark, graph, write)? {
            Committed::Written(_) | Committed::AlreadyDone => Ok(()),
            other => Err(format!("not stored: {other:?}").into()),
        }
    }

    fn merge(&self) -> BlockResult {
        let mut graph = self.graph.read(&Query::new(Roi::unbounded(3)))?;
        let objects = graph.connected_components();
        for (object, fragments) in (1_u64..).zip(objects) {
            for id in fragments {
                let node = graph.node(id).ok_or("an edge to a fragment that is not there")?;
                graph.insert_node(node.clone().with(OBJECT, object));
            }
        }
        self.graph.update_attrs(&graph, &[OBJECT])?;
        Ok(())
    }

    fn relabel(&self, block: &Block) -> BlockResult {
        let write = self.inside(block)?;
        let mapping = self.mapping()?;
        let fragments = self.fragments.read::<u64>(&write)?.into_dimensionality::<Ix3>()?;
        let labels = ops::relabel(&fragments.view(), &mapping)?;
        Ok(self.labels.write(&write, labels.view())?)
    }

    /// What `merge` found; read by the first block that needs it.
    pub(crate) fn mapping(&self) -> Result<Arc<Mapping>, BoxError> {
        let mut mapping = self.mapping.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*mapping {
            return Ok(Arc::clone(known));
        }
        let all = Query::new(Roi::unbounded(3)).edges_by(EdgesBy::Nothing);
        let graph = self.graph.read(&all)?;
        let object = |node: &Node| match node.attrs.value(OBJECT) {
            Some(Value::U64(object)) => Ok((node.id.0, *object)),
            _ => Err("a fragment without an object: run merge before relabel"),
        };
        let pairs: Vec<(u64, u64)> = graph.nodes().map(object).collect::<Result<_, _>>()?;
        let read = Arc::new(Mapping::from_pairs(pairs));
        *mapping = Some(Arc::clone(&read));
        Ok(read)
    }

    /// The whole input, smoothed volume and final labels.
    pub(crate) fn volumes(&self) -> Result<Volumes, BoxError> {
        let roi = self.input.array.roi();
        let smoothed = self.smoothed.read::<u8>(roi)?.into_dimensionality::<Ix3>()?;
        let labels = self.labels.read::<u64>(roi)?.into_dimensionality::<Ix3>()?;
        Ok(Volumes { input: self.input.read(roi)?, smoothed, labels })
    }
}

/// The mark that a block's part of the graph is stored; a graph and a journal are of one run.
fn mark<'a>(task: &'a str, block: &Block, loan: Loan) -> BlockLease<'a> {
    BlockLease { run: "segment", task, block: block.key.cell, lease: loan.lease }
}

/// The graph of a run; cells of its index are blocks.
fn open_graph(path: &Path, block: Coordinate, is_fresh: bool) -> Result<SqliteStore, BoxError> {
    for suffix in ["", "-wal", "-shm"].into_iter().filter(|_| is_fresh) {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    let schema = Schema::new(block)?.undirected().node_attr(OBJECT, AttrType::U64)?;
    Ok(SqliteStore::open(path, Open::Create(schema))?)
}
