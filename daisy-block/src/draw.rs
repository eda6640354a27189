//! A layout as a picture in plain text, one axis at a time.

use alloc::string::String;
use core::{fmt::Write as _, ops::Range};

use daisy_geometry::GeometryError;

use crate::{Fit, Layout, LayoutError, Tiling};

/// Draws one axis of a layout: the total ROI and under it one line for each block.
///
/// A column stands for one voxel, or for as many as are needed to stay within 120 columns; at most
/// [`MAX_DRAWN_BLOCKS`] blocks are drawn. Bars stand on the borders of the ROIs. [`Fit`] shows three
/// examples.
///
/// # Errors
/// [`LayoutError::Geometry`] where the layout has no such axis.
pub fn draw(layout: &Layout, axis: usize) -> Result<String, LayoutError> {
    let mut picture = String::new();
    let tiling = Tiling::new(layout);
    let (Some(grid), Some(origin), Some(total_end)) = (
        tiling.axes().get(axis),
        layout.total_roi().begin_at(axis),
        layout.total_roi().end_at(axis),
    ) else {
        return Err(GeometryError::AxisOutOfRange { axis, dims: layout.dims() }.into());
    };
    let uncut =
        daisy_geometry::div_ceil(layout.total_write_roi().shape_at(axis).unwrap_or(0), grid.step());
    let farthest = (grid.write(0).start + uncut * grid.step() + grid.context_hi).max(total_end);
    let unit = (farthest - origin).div_euclid(MAX_COLUMNS) + 1;
    let column = |at: i64| usize::try_from((at - origin).div_euclid(unit)).unwrap_or(0);
    let columns = |range: &Range<i64>| column(range.start)..column(range.end);
    let label_at = column(farthest) + 3;

    let mut line = Line::default();
    line.fill(&columns(&(origin..total_end)), '-');
    line.finish(&mut picture, label_at, format_args!("total ROI"));
    picture.push('\n');
    let cells = grid.num_cells();
    for cell in 0..cells.min(MAX_DRAWN_BLOCKS) {
        let (read, write) = (grid.read(cell), grid.write(cell));
        line.fill(&columns(&read), 'r');
        line.fill(&columns(&write), 'w');
        let number = cell + 1;
        let is_cut = write.end - write.start < grid.step();
        match layout.fit() {
            Fit::Overhang if read.end > total_end => {
                line.finish(&mut picture, label_at, format_args!("block {number} (overhanging)"));
            }
            Fit::Shrink if is_cut => {
                line.finish(&mut picture, label_at, format_args!("block {number} (shrunk)"));
            }
            _ => line.finish(&mut picture, label_at, format_args!("block {number}")),
        }
    }
    if cells > MAX_DRAWN_BLOCKS {
        let more = cells - MAX_DRAWN_BLOCKS;
        line.finish(&mut picture, label_at, format_args!("... and {more} more blocks"));
    } else if uncut > cells {
        line.finish(&mut picture, label_at, format_args!("no further block"));
    }
    Ok(picture)
}

/// The largest number of blocks that [`draw`] draws.
pub const MAX_DRAWN_BLOCKS: i64 = 40;

const MAX_COLUMNS: i64 = 120;

/// One line of the picture while it is drawn.
#[derive(Default)]
struct Line {
    columns: alloc::vec::Vec<char>,
}

impl Line {
    /// Draws an interval: bars on its borders, `ink` between them.
    fn fill(&mut self, interval: &Range<usize>, ink: char) {
        if self.columns.len() <= interval.end {
            self.columns.resize(interval.end + 1, ' ');
        }
        for (column, cell) in self.columns.iter_mut().enumerate() {
            if column == interval.start || column == interval.end {
                *cell = '|';
            } else if interval.contains(&column) {
                *cell = ink;
            }
        }
    }

    /// Writes the line and its label, and starts the next one.
    fn finish(&mut self, picture: &mut String, label_at: usize, label: core::fmt::Arguments<'_>) {
        self.columns.resize(label_at, ' ');
        picture.extend(self.columns.drain(..));
        // Writing to a string cannot fail.
        let _ = writeln!(picture, "{label}");
    }
}
