//! The marks of blocks: who may write a result, and that it is written once.

use std::ops::Range;

use super::session::{Backend, Mark, Session};
use super::write::{check, check_writable, write_in};
use crate::store::runs;
use crate::{Begun, BlockLease, Committed, GraphError, SubGraph, Write};

/// What a mark says to somebody with a lease.
enum Verdict {
    Go,
    AlreadyDone,
    StaleLease { stored: u64 },
}

impl Verdict {
    fn new(mark: Option<Mark>, lease: u64) -> Self {
        match mark {
            Some(mark) if mark.is_done => Self::AlreadyDone,
            Some(mark) if mark.lease > lease => Self::StaleLease { stored: mark.lease },
            _ => Self::Go,
        }
    }
}

/// [`GraphStore::begin_block`](crate::GraphStore::begin_block).
pub(crate) fn begin_block(
    store: &impl Backend,
    block: &BlockLease<'_>,
) -> Result<Begun, GraphError> {
    check_writable(store)?;
    let mut begun = Begun::AlreadyDone;
    store.writing(&mut |session| {
        begun = match settle(session, block, false, &mut |_| Ok(()))? {
            Verdict::Go => Begun::Begun,
            Verdict::AlreadyDone => Begun::AlreadyDone,
            Verdict::StaleLease { stored } => Begun::StaleLease { stored },
        };
        Ok(())
    })?;
    Ok(begun)
}

/// [`GraphStore::commit_block`](crate::GraphStore::commit_block).
pub(crate) fn commit_block(
    store: &impl Backend,
    block: &BlockLease<'_>,
    graph: &SubGraph,
    write: &Write,
) -> Result<Committed, GraphError> {
    check(store, graph, write)?;
    let mut committed = Committed::AlreadyDone;
    store.writing(&mut |session| {
        let mut written = Default::default();
        let verdict = settle(session, block, true, &mut |session| {
            written = write_in(session, graph, write)?;
            Ok(())
        })?;
        committed = match verdict {
            Verdict::Go => Committed::Written(written),
            Verdict::AlreadyDone => Committed::AlreadyDone,
            Verdict::StaleLease { stored } => Committed::StaleLease { stored },
        };
        Ok(())
    })?;
    Ok(committed)
}

/// [`GraphStore::blocks_done`](crate::GraphStore::blocks_done).
pub(crate) fn blocks_done(
    store: &impl Backend,
    task: &str,
    run: Option<&str>,
) -> Result<Vec<Range<u64>>, GraphError> {
    let mut done = Vec::new();
    store.reading(&mut |session| {
        done = runs(session.done(task, run)?.into_iter());
        Ok(())
    })?;
    Ok(done)
}

/// [`GraphStore::forget`](crate::GraphStore::forget).
pub(crate) fn forget(
    store: &impl Backend,
    task: &str,
    blocks: &[Range<u64>],
) -> Result<u64, GraphError> {
    check_writable(store)?;
    let mut count = 0;
    store.writing(&mut |session| {
        count = session.forget(task, blocks)?;
        Ok(())
    })?;
    Ok(count)
}

/// Does something and changes the mark, if the mark that is there allows it.
fn settle(
    session: &mut dyn Session,
    block: &BlockLease<'_>,
    is_done: bool,
    work: &mut dyn FnMut(&mut dyn Session) -> Result<(), GraphError>,
) -> Result<Verdict, GraphError> {
    let verdict = Verdict::new(session.mark(block)?, block.lease);
    if !matches!(verdict, Verdict::Go) {
        return Ok(verdict);
    }
    work(session)?;
    if session.set_mark(block, is_done)? {
        return Ok(Verdict::Go);
    }
    // Only where sessions are not atomic: somebody else was faster.
    Ok(Verdict::new(session.mark(block)?, block.lease))
}
