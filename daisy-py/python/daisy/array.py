"""Arrays whose voxels have a place in the world: what blocks read and write."""

from __future__ import annotations

import json
from typing import Any, Iterable, Optional

import numpy as np

from ._coordinate import Coordinate
from ._daisy import StoredArray
from ._roi import Roi


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


class Dataset:
    """The voxels of a Zarr array on disk, indexed like a numpy array by integers and slices.

    Every index reads or writes at once; a chunk is written as a whole or not at all. What a worker process
    gets of it is its path: it opens the array itself.
    """

    def __init__(self, stored: StoredArray) -> None:
        #: The array in Rust.
        self.stored = stored

    @property
    def path(self) -> str:
        """The folder of the array."""
        return str(self.stored.path)

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along all axes."""
        return tuple(self.stored.shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.stored.shape)

    @property
    def dtype(self) -> np.dtype:
        """The type of a voxel."""
        return self.stored.dtype

    @property
    def world_axes(self) -> tuple[int, ...]:
        """Which axes are space or time, and no channels."""
        return tuple(axis for axis, (_, kind, _) in enumerate(self.stored.axes) if kind != "channel")

    @property
    def axis_names(self) -> list[str]:
        """The names of all axes."""
        return [name for name, _, _ in self.stored.axes]

    @property
    def units(self) -> list[str]:
        """The unit of each axis of space or time; empty if it is not known."""
        return [unit for _, kind, unit in self.stored.axes if kind != "channel"]

    @property
    def chunk_shape(self) -> Coordinate:
        """Voxels per chunk (per shard, if there are any) along the axes of space and time."""
        return self.stored.write_unit

    @property
    def attrs(self) -> dict[str, Any]:
        """A copy of the attributes."""
        return json.loads(self.stored.attributes)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        box, rest, _ = self._box(key)
        return self.stored.read(*box)[rest]

    def __setitem__(self, key: Any, value: Any) -> None:
        box, rest, is_whole = self._box(key)
        value = fitting(np.asarray(value), self.dtype)
        if not is_whole:
            voxels = self.stored.read(*box)
            voxels[rest] = value
            value = voxels
        elif value.ndim:
            # The shape without the axes that a number has taken away, and then with them.
            lengths = dict(zip(self.world_axes, box[1]))
            shape = [lengths.get(axis, length) for axis, length in enumerate(self.shape)]
            kept = [length for length, part in zip(shape, rest) if isinstance(part, slice)]
            value = np.broadcast_to(value, kept).reshape(shape)
        self.stored.write(*box, value)

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> np.ndarray:
        if copy is False:
            raise ValueError("the voxels of a Dataset cannot be had without a copy; use copy=None")
        return np.asarray(self[...], dtype=dtype)

    def __reduce__(self) -> tuple:
        stored = self.stored
        return _reopened, (str(stored.path), stored.is_writable, stored.chunk_sharing)

    def __repr__(self) -> str:
        return f"<Dataset {self.path} {self.shape} {self.dtype}>"

    def _box(self, key: Any) -> tuple[tuple[list[int], list[int]], tuple[Any, ...], bool]:
        """Begin and shape of the box (world axes) that holds what is indexed, how it lies in that box, and
        whether it is all of it."""
        entries = _one_entry_an_axis(key, self.ndim)
        begin, shape, rest, is_whole = [], [], [], True
        world = self.world_axes
        for axis, (entry, length) in enumerate(zip(entries, self.shape)):
            low, count, part, fills = _range(entry, length, axis)
            if axis in world:
                begin.append(low)
                shape.append(count)
            else:
                # Channels are read as a whole.
                part = entry if isinstance(entry, slice) else part + low
                fills = count == length and fills
            rest.append(part)
            is_whole = is_whole and fills
        return (begin, shape), tuple(rest), is_whole


def _reopened(path: str, is_writable: bool, chunk_sharing: str) -> Dataset:
    return Dataset(StoredArray.open(path, is_writable, chunk_sharing))


def fitting(value: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values as another type holds them. Raises ValueError if it does not, and TypeError for what is no
    number; floats are rounded to shorter floats."""
    if value.dtype == dtype:
        return value if value.dtype.isnative else value.astype(dtype)
    if value.dtype.kind not in "biuf":
        raise TypeError(f"the value is of {value.dtype}; give numbers")
    if dtype.kind == "f" or value.size == 0 or np.can_cast(value.dtype, dtype, "safe"):
        return value.astype(dtype)
    limits = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if value.dtype.kind == "f":
        # What lies above is a power of two, so it is exact.
        fits = (value >= limits[0]) & (value < limits[1] + 1) & (np.trunc(value) == value)
        wrong = value[~fits] if value.ndim else ([] if fits else [value])
    else:
        ends = int(value.min()), int(value.max())
        wrong = [end for end in ends if not limits[0] <= end <= limits[1]]
    if len(wrong):
        raise ValueError(f"{wrong[0]} is no {dtype}; round, clip or cast the value first (value.astype)")
    return value.astype(dtype)


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


def _one_entry_an_axis(key: Any, ndim: int) -> list[Any]:
    entries = list(key) if isinstance(key, tuple) else [key]
    dots = [place for place, entry in enumerate(entries) if entry is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index has one ellipsis (...) at most")
    missing = ndim - (len(entries) - len(dots))
    if missing < 0:
        raise IndexError(f"the index has {len(entries) - len(dots)} entries, the array {ndim} axes")
    place = dots[0] if dots else len(entries)
    return entries[:place] + [slice(None)] * missing + entries[place + len(dots) :]


def _range(entry: Any, length: int, axis: int) -> tuple[int, int, Any, bool]:
    """Where the voxels of an index lie along an axis: from which, how many, how they lie in there, and
    whether they are all of those."""
    if isinstance(entry, slice):
        chosen = range(length)[entry]
        if not len(chosen):
            return 0, 0, slice(0, 0), True
        low, high = min(chosen[0], chosen[-1]), max(chosen[0], chosen[-1])
        return low, high - low + 1, slice(None, None, chosen.step), chosen.step == 1
    try:
        place = range(length)[entry]
    except TypeError:
        raise TypeError(f"{entry!r} is no index here; use integers and slices, or read first: data[...]") from None
    except IndexError:
        raise IndexError(f"index {entry} on axis {axis} of {length} voxels") from None
    return place, 1, 0, True
