//! A task's layout as it travels: three ROIs of the same number of axes and the fit. Whether they make sense
//! together is for `daisy_block::Layout` to say; here they only have to be well-formed.

use super::{error::WireError, limits::AXES_LIMIT, reader::Reader, writer::Writer};

/// A box: where it begins and how long it is along each axis.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoiFrame {
    /// The first corner, in voxels or world units.
    pub begin: Vec<i64>,
    /// The lengths.
    pub shape: Vec<i64>,
}

/// Everything a worker needs to compute the ROIs of its blocks from their cells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LayoutFrame {
    /// The task's total ROI, context included.
    pub total: RoiFrame,
    /// The read ROI of the first block, before it is shifted.
    pub read: RoiFrame,
    /// The write ROI of the first block, before it is shifted.
    pub write: RoiFrame,
    /// 0 valid, 1 overhang, 2 shrink.
    pub fit: u8,
}

const FIT_LIMIT: u8 = 2;

impl LayoutFrame {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let at = "Welcome.layout.axes";
        let axes = reader.byte(at)?;
        if axes == 0 {
            return Err(WireError::Empty { at });
        }
        if usize::from(axes) > AXES_LIMIT {
            return Err(WireError::TooLong {
                at,
                limit: AXES_LIMIT as u64,
                found: u64::from(axes),
            });
        }
        Ok(Self {
            total: RoiFrame::read(reader, axes, "Welcome.layout.total")?,
            read: RoiFrame::read(reader, axes, "Welcome.layout.read")?,
            write: RoiFrame::read(reader, axes, "Welcome.layout.write")?,
            fit: reader.code("Welcome.layout.fit", FIT_LIMIT)?,
        })
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        let at = "Welcome.layout.axes";
        let axes = self.total.begin.len();
        if axes == 0 {
            return Err(WireError::Empty { at });
        }
        if axes > AXES_LIMIT {
            return Err(WireError::TooLong { at, limit: AXES_LIMIT as u64, found: axes as u64 });
        }
        if self.fit > FIT_LIMIT {
            let (at, limit) = ("Welcome.layout.fit", FIT_LIMIT);
            return Err(WireError::UnknownCode { at, limit, found: self.fit });
        }
        writer.byte(axes as u8);
        self.total.write(writer, axes, "Welcome.layout.total")?;
        self.read.write(writer, axes, "Welcome.layout.read")?;
        self.write.write(writer, axes, "Welcome.layout.write")?;
        writer.byte(self.fit);
        Ok(())
    }
}

impl RoiFrame {
    fn read(reader: &mut Reader<'_>, axes: u8, at: &'static str) -> Result<Self, WireError> {
        let mut side = || (0..axes).map(|_| reader.i64(at)).collect::<Result<Vec<_>, _>>();
        Ok(Self { begin: side()?, shape: side()? })
    }

    fn write(
        &self,
        writer: &mut Writer<'_>,
        expected: usize,
        at: &'static str,
    ) -> Result<(), WireError> {
        for side in [&self.begin, &self.shape] {
            if side.len() != expected {
                return Err(WireError::Axes { at, expected, found: side.len() });
            }
            side.iter().for_each(|value| writer.i64(*value));
        }
        Ok(())
    }
}
