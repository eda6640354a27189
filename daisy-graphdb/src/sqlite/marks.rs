//! The marks of blocks: a table of their own.

use std::ops::Range;

use rusqlite::OptionalExtension as _;

use super::session::{SqliteSession, failed};
use super::tables::MARKS;
use crate::engine::Mark;
use crate::names::signed_runs;
use crate::{BlockLease, GraphError};

pub(super) fn mark(
    session: &SqliteSession<'_>,
    block: &BlockLease<'_>,
) -> Result<Option<Mark>, GraphError> {
    ensure(session)?;
    let text = "SELECT lease, done FROM daisy_blocks WHERE task = ?1 AND run = ?2 AND block = ?3";
    let key = (block.task, block.run, block.block.cast_signed());
    let mark = session.prepare(text)?.query_row(key, |row| {
        Ok(Mark { lease: row.get::<_, i64>(0)?.cast_unsigned(), is_done: row.get(1)? })
    });
    mark.optional().map_err(failed("look at the mark of a block"))
}

pub(super) fn set_mark(
    session: &SqliteSession<'_>,
    block: &BlockLease<'_>,
    is_done: bool,
) -> Result<bool, GraphError> {
    let (number, lease) = (block.block.cast_signed(), block.lease.cast_signed());
    let text = "INSERT OR REPLACE INTO daisy_blocks (task, run, block, lease, done)
                VALUES (?1, ?2, ?3, ?4, ?5)";
    let row = (block.task, block.run, number, lease, is_done);
    session.prepare(text)?.execute(row).map_err(failed("mark a block"))?;
    Ok(true)
}

pub(super) fn done(
    session: &SqliteSession<'_>,
    task: &str,
    run: Option<&str>,
) -> Result<Vec<u64>, GraphError> {
    let there = "SELECT 1 FROM sqlite_master WHERE name = 'daisy_blocks'";
    if !session.prepare(there)?.exists(()).map_err(failed("look for blocks"))? {
        return Ok(Vec::new()); // Tables of another program, and no block was ever marked.
    }
    let text = "SELECT DISTINCT block FROM daisy_blocks
                WHERE task = ?1 AND (?2 IS NULL OR run = ?2) AND done";
    let mut prepared = session.prepare(text)?;
    let rows = prepared.query_map((task, run), |row| row.get::<_, i64>(0));
    let rows = rows.map_err(failed("read the marks of blocks"))?;
    let blocks: Result<Vec<_>, _> = rows.map(|block| block.map(i64::cast_unsigned)).collect();
    let mut blocks = blocks.map_err(failed("read the marks of blocks"))?;
    blocks.sort_unstable();
    Ok(blocks)
}

pub(super) fn forget(
    session: &SqliteSession<'_>,
    task: &str,
    blocks: &[Range<u64>],
) -> Result<u64, GraphError> {
    ensure(session)?;
    let text = "DELETE FROM daisy_blocks WHERE task = ?1 AND block BETWEEN ?2 AND ?3";
    let mut prepared = session.prepare(text)?;
    let mut count = 0;
    for (first, last) in blocks.iter().flat_map(signed_runs) {
        let removed = prepared.execute((task, first, last));
        count += removed.map_err(failed("forget blocks"))? as u64;
    }
    Ok(count)
}

/// Tables of other programs: marks are kept in one more table, made when it is needed.
fn ensure(session: &SqliteSession<'_>) -> Result<(), GraphError> {
    if session.tables.has_cells {
        return Ok(());
    }
    session.connection.execute_batch(MARKS).map_err(failed("create the table of blocks"))
}
