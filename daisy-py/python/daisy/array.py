"""Arrays whose voxels have a place in the world: what blocks read and write."""

from __future__ import annotations

from typing import Any, Iterable, Optional

import numpy as np

from ._coordinate import Coordinate
from ._roi import Roi
from .dataset import Dataset, fitting


class Array:
    """Voxels with a place in the world, indexed by ROIs in world units.

    ::

        raw = daisy.open_ds("volume.zarr", "raw")
        voxels = raw.to_ndarray(block.read_roi, fill_value=0)
        labels = daisy.open_ds("volume.zarr", "labels", mode="r+")
        labels[block.write_roi] = segment(voxels)

    Axes beyond those of the ROI are channels; they come first unless ``data`` says otherwise. ``array[roi]``
    is a view: nothing is read until :meth:`to_ndarray`.

    Args:
        data: what has ``shape``, ``dtype`` and is indexed by slices: a :class:`Dataset`, a numpy array, an
            array of zarr or h5py.
        roi: the part of the world that is shown, a multiple of ``voxel_size`` away from ``data_offset``.
        voxel_size: world units per voxel, one integer an axis of ``roi``.
        data_offset: where the first voxel of ``data`` begins; the beginning of ``roi`` by default.
        chunk_shape: voxels per chunk, one an axis of ``roi``; that of ``data`` by default, if it has chunks.
        check_write_chunk_align: whether a write that covers a chunk in part is refused.

    Raises ValueError for what does not fit together.
    """

    def __init__(
        self,
        data: Any,
        roi: Roi,
        voxel_size: Any,
        data_offset: Any = None,
        chunk_shape: Any = None,
        check_write_chunk_align: bool = False,
    ) -> None:
        self.data = data
        self._roi = Roi(roi.offset, roi.shape)
        self._voxel_size = Coordinate(voxel_size)
        self._data_offset = Coordinate(roi.begin if data_offset is None else data_offset)
        dims, axes = self._roi.dims, len(data.shape)
        if self._roi.unbounded:
            raise ValueError(f"roi is {self._roi}; give a bounded one")
        for name, value in (("voxel_size", self._voxel_size), ("data_offset", self._data_offset)):
            if value.dims != dims:
                raise ValueError(f"{name} is {value}, the ROI has {dims} axes; give one value an axis")
        if min(self._voxel_size) < 1:
            raise ValueError(f"voxel_size is {self._voxel_size}; give at least 1 an axis")
        if axes < dims:
            raise ValueError(f"the data have {axes} axes, the ROI {dims}; give data with at least those")
        #: Which axes of the data are those of the ROI.
        self._world = tuple(getattr(data, "world_axes", None) or range(axes - dims, axes))
        if len(self._world) != dims:
            raise ValueError(f"the ROI has {dims} axes, the data {len(self._world)} that are no channels")
        lengths = Coordinate(data.shape[axis] for axis in self._world)
        self._data_roi = Roi(self._data_offset, lengths * self._voxel_size)
        self._check_inside(self._roi, self._data_roi)
        self.check_write_chunk_align = check_write_chunk_align
        if chunk_shape is None:
            chunk_shape = _chunks(data, self._world)
        self._chunk_shape = None if chunk_shape is None else Coordinate(chunk_shape)

    @property
    def roi(self) -> Roi:
        """The part of the world that is shown: half-open, in world units."""
        return self._roi.copy()

    @property
    def data_roi(self) -> Roi:
        """The part of the world that the data cover."""
        return self._data_roi.copy()

    @property
    def voxel_size(self) -> Coordinate:
        """World units per voxel."""
        return self._voxel_size

    @property
    def dtype(self) -> np.dtype:
        """The type of a voxel."""
        return np.dtype(self.data.dtype)

    @property
    def n_channel_dims(self) -> int:
        """How many axes of the data are channels."""
        return len(self.data.shape) - self._roi.dims

    @property
    def chunk_shape(self) -> Optional[Coordinate]:
        """Voxels per chunk along the axes of the ROI; None if the data have no chunks."""
        return self._chunk_shape

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels of the ROI along all axes of the data, channels included."""
        return self._shape_of(self._roi)

    def __getitem__(self, key: Any) -> Any:
        """With a ROI within this one, a view of it; with a coordinate, the voxel there, with all channels.

        Raises IndexError outside, and ValueError for a ROI that cuts through voxels.
        """
        if _is_roi(key):
            self._check_inside(key, self._roi)
            view = object.__new__(type(self))
            view.__dict__.update(self.__dict__)
            view._roi = Roi(key.offset, key.shape)
            return view
        coordinate = self._coordinate(key)
        index: list[Any] = [slice(None)] * len(self.data.shape)
        for axis, voxel in zip(self._world, (coordinate - self._data_offset) // self._voxel_size):
            index[axis] = int(voxel)
        return self.data[tuple(index)]

    def __setitem__(self, roi: Roi, value: Any) -> None:
        """Writes the voxels of a ROI: a number, an array that broadcasts to its shape, or another Array.

        Numbers are stored as they are or not at all: integers that the type of the array does not hold are
        a ValueError, and so are fractions where it holds integers. Floats are rounded to shorter ones.
        """
        if not _is_roi(roi):
            raise TypeError(f"{roi!r} is no ROI; write array[roi] = value")
        self._check_inside(roi, self._roi)
        if self.check_write_chunk_align:
            self._check_chunks(roi)
        if isinstance(value, Array):
            value = value.to_ndarray()
        value = fitting(np.asarray(value), self.dtype)
        shape = self._shape_of(roi)
        try:
            self.data[self._slices(roi)] = value if value.ndim == 0 else np.broadcast_to(value, shape)
        except ValueError:
            if value.ndim and _broadcasts(value.shape, shape):
                raise
            raise ValueError(f"the value has shape {value.shape}, the ROI {shape}; make them agree") from None

    def to_ndarray(self, roi: Optional[Roi] = None, fill_value: Any = None) -> np.ndarray:
        """A copy of the voxels of a ROI, of all by default: channels, then the axes of the ROI, mostly.

        With ``fill_value`` the ROI may reach beyond this array; that is what stands outside of it.
        """
        if roi is None:
            return self._read(self._roi)
        if fill_value is None:
            self._check_inside(roi, self._roi)
            return self._read(roi)
        self._check_grid(roi)
        inside = self._roi.intersect(roi)
        if not inside.empty and inside == Roi(roi.offset, roi.shape):
            return self._read(roi)
        result = np.full(self._shape_of(roi), fill_value, dtype=self.dtype)
        if not inside.empty:
            begin = (inside.begin - roi.offset) / self._voxel_size
            result[self._box(begin, inside)] = self.data[self._slices(inside)]
        return result

    def materialize(self) -> None:
        """Copies the voxels of the ROI to memory; from then on this array is the copy."""
        self.data = self.to_ndarray()
        self._data_offset = self._roi.begin
        self._data_roi = self._roi.copy()

    def intersect(self, roi: Roi) -> Array:
        """The part of this array that lies in a ROI, as a view."""
        return self[self._roi.intersect(roi)]

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> np.ndarray:
        if copy is False:
            raise ValueError("the voxels of an Array cannot be had without a copy; use copy=None")
        return np.asarray(self.to_ndarray(), dtype=dtype)

    def __repr__(self) -> str:
        data = self.data
        what = repr(data) if isinstance(data, Dataset) else f"{type(data).__name__} {data.shape} {data.dtype}"
        return f"Array({what}, roi={self._roi}, voxel_size={self._voxel_size})"

    def _read(self, roi: Roi) -> np.ndarray:
        voxels = self.data[self._slices(roi)]
        # Of numpy arrays that was a view; everything else has made a copy.
        return voxels.copy() if isinstance(self.data, np.ndarray) else np.asarray(voxels)

    def _shape_of(self, roi: Roi) -> tuple[int, ...]:
        shape = list(self.data.shape)
        for axis, length in zip(self._world, Coordinate(roi.shape) / self._voxel_size):
            shape[axis] = length
        return tuple(shape)

    def _slices(self, roi: Roi) -> tuple[slice, ...]:
        """The ROI as voxels of the data."""
        roi = Roi(roi.offset, roi.shape)
        # An empty ROI may have no offset.
        offset = self._data_offset if roi.empty else roi.offset
        return self._box((offset - self._data_offset) / self._voxel_size, roi)

    def _box(self, begin: Coordinate, roi: Roi) -> tuple[slice, ...]:
        """As many voxels as the ROI has, from one of them on, with all channels."""
        index: list[slice] = [slice(None)] * len(self.data.shape)
        for axis, start, length in zip(self._world, begin, roi.shape / self._voxel_size):
            index[axis] = slice(start, start + length)
        return tuple(index)

    def _coordinate(self, key: Any) -> Coordinate:
        try:
            coordinate = Coordinate(key)
        except TypeError:
            coordinate = Coordinate(None)
        if None in coordinate:
            raise TypeError(f"{key!r} is neither a ROI nor a coordinate; give one, in world units")
        if coordinate.dims != self._roi.dims:
            raise ValueError(f"{coordinate} has {coordinate.dims} axes, the array {self._roi.dims}")
        if not self._roi.contains(coordinate):
            raise IndexError(f"{coordinate} lies outside of the array, which is {self._roi}")
        return coordinate

    def _check_grid(self, roi: Roi) -> None:
        """Refuses a ROI that cuts through voxels."""
        roi = Roi(roi.offset, roi.shape)
        if roi.dims != self._voxel_size.dims:
            raise ValueError(f"{roi} has {roi.dims} axes, the array {self._voxel_size.dims}; give as many")
        if roi.unbounded:
            raise ValueError(f"{roi} is unbounded; intersect it with the ROI of the array first")
        if roi.empty:
            return
        bounds = zip(roi.begin - self._data_offset, roi.end - self._data_offset, self._voxel_size)
        for axis, (begin, end, size) in enumerate(bounds):
            if begin % size or end % size:
                raise ValueError(
                    f"{roi} cuts through voxels on axis {axis}, where they are {size} wide and begin at "
                    f"{self._data_offset[axis]}; snap it to that grid first (roi.snap_to_grid)"
                )

    def _check_inside(self, roi: Roi, outer: Roi) -> None:
        self._check_grid(roi)
        if not outer.contains(roi):
            raise IndexError(
                f"{Roi(roi.offset, roi.shape)} reaches beyond the array, which is {outer}; intersect the "
                "two, or read it by to_ndarray with a fill_value"
            )

    def _check_chunks(self, roi: Roi) -> None:
        """Refuses a ROI that covers a chunk in part."""
        if self._chunk_shape is None:
            return
        lengths = [self.data.shape[axis] for axis in self._world]
        slices = [self._slices(roi)[axis] for axis in self._world]
        for axis, (part, chunk, length) in enumerate(zip(slices, self._chunk_shape, lengths)):
            if part.start % chunk or (part.stop % chunk and part.stop != length):
                raise ValueError(
                    f"{roi} covers a part of a chunk on axis {axis}, where chunks are {chunk} voxels long; "
                    "write whole chunks, so that nobody else writes the rest of one meanwhile"
                )


def _is_roi(value: Any) -> bool:
    return hasattr(value, "offset") and hasattr(value, "shape")


def _broadcasts(shape: Iterable[int], to: Iterable[int]) -> bool:
    try:
        return np.broadcast_shapes(tuple(shape), tuple(to)) == tuple(to)
    except ValueError:
        return False


def _chunks(data: Any, axes: tuple[int, ...]) -> Optional[Coordinate]:
    if isinstance(data, Dataset):
        return data.chunk_shape
    chunks = getattr(data, "chunks", None)
    # h5py says True or None where there are no chunks yet.
    return Coordinate(chunks[axis] for axis in axes) if isinstance(chunks, tuple) else None
