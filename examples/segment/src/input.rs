//! The input volume: any Zarr array with three axes, seen as brightness 0 to 255.

use std::{ops::Range, sync::Arc};

use daisy::{BoxError, Roi};
use daisy_array::{Array, Dtype, Element};
use ndarray::{Array3, Ix3, Slice};

/// Sections read at once to find the range of values.
const SECTIONS: i64 = 16;

/// A volume and the range of its values that becomes 0 to 255.
#[derive(Clone)]
pub(crate) struct Input {
    pub(crate) array: Arc<Array>,
    range: (f64, f64),
}

/// Calls a generic function with the type of the elements of an array.
macro_rules! with_type {
    ($array:expr, $function:ident ( $($argument:expr),* )) => {
        match $array.dtype() {
            Dtype::U8 => $function::<u8>($($argument),*),
            Dtype::U16 => $function::<u16>($($argument),*),
            Dtype::U32 => $function::<u32>($($argument),*),
            Dtype::I8 => $function::<i8>($($argument),*),
            Dtype::I16 => $function::<i16>($($argument),*),
            Dtype::I32 => $function::<i32>($($argument),*),
            Dtype::F32 => $function::<f32>($($argument),*),
            Dtype::F64 => $function::<f64>($($argument),*),
            other => Err(format!("values of type {other} cannot be seen as brightness").into()),
        }
    };
}

impl Input {
    /// Takes a volume. Bytes are taken as they are; of other types the range of values is found first,
    /// and becomes 0 to 255.
    pub(crate) fn new(array: Array) -> Result<Self, BoxError> {
        if array.shape().dims() != 3 || !array.channels().is_empty() {
            let (shape, channels) = (array.shape(), array.channels().len());
            let text = format!("a volume has 3 axes, this one is {shape} and {channels} more");
            return Err(text.into());
        }
        let range = if array.dtype() == Dtype::U8 {
            (0.0, 255.0)
        } else {
            with_type!(array, range_of(&array))?
        };
        Ok(Self { array: Arc::new(array), range })
    }

    /// The brightness in a ROI; outside the volume it is 0.
    pub(crate) fn read(&self, roi: &Roi) -> Result<Array3<u8>, BoxError> {
        if self.array.dtype() == Dtype::U8 {
            return Ok(self.array.read_or_fill::<u8>(roi, 0)?.into_dimensionality::<Ix3>()?);
        }
        with_type!(self.array, scaled(&self.array, roi, self.range))
    }
}

fn scaled<T: Element + Into<f64>>(
    array: &Array,
    roi: &Roi,
    (low, high): (f64, f64),
) -> Result<Array3<u8>, BoxError> {
    let scale = if high > low { 255.0 / (high - low) } else { 0.0 };
    let brightness = |value: T| ((value.into() - low) * scale).round().clamp(0.0, 255.0) as u8;
    let voxels = voxels_of(array, roi)?;
    let mut result = Array3::zeros([0, 1, 2].map(|axis| voxels[axis].len()));
    let inside = array.roi().intersect(roi)?;
    if inside.is_empty() {
        return Ok(result);
    }
    let part = array.read::<T>(&inside)?.into_dimensionality::<Ix3>()?;
    let place = voxels_of(array, &inside)?;
    result
        .slice_each_axis_mut(|axis| {
            let axis = axis.axis.index();
            let begin = place[axis].start - voxels[axis].start;
            Slice::from(begin..begin + place[axis].end - place[axis].start)
        })
        .assign(&part.mapv(brightness));
    Ok(result)
}

/// A ROI in voxels of an array, counted from the low corner of the array.
fn voxels_of(array: &Array, roi: &Roi) -> Result<[Range<isize>; 3], BoxError> {
    let voxels = (roi - array.offset()).div_floor(array.voxel_size())?;
    let (begin, end) = voxels.bounds().ok_or("the ROI has no bounds")?;
    Ok([0, 1, 2].map(|axis| begin[axis] as isize..end[axis] as isize))
}

fn range_of<T: Element + Into<f64>>(array: &Array) -> Result<(f64, f64), BoxError> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    let (Some(begin), Some(shape)) = (array.roi().begin(), array.roi().shape()) else {
        return Err("the volume has no bounds".into());
    };
    let step = SECTIONS * array.voxel_size()[0];
    let mut z = 0;
    while z < shape[0] {
        let (mut from, mut size) = (begin.clone(), shape.clone());
        from[0] += z;
        size[0] = step.min(shape[0] - z);
        for value in array.read::<T>(&Roi::new(from, size)?)? {
            let value: f64 = value.into();
            (low, high) = (low.min(value), high.max(value));
        }
        z += step;
    }
    Ok((low, high))
}
