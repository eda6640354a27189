"""The voxels of an array that is stored: on disk, or in an object store."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any, Mapping, Optional, Union

import numpy as np

from ._coordinate import Coordinate
from ._daisy import StoredArray


@dataclasses.dataclass(frozen=True)
class Opening:
    """How an array is opened, here and where it is sent to."""

    #: An absolute path, or an address; and the settings of an object store.
    place: str
    storage_options: Mapping[str, Union[str, bool, float]]
    is_writable: bool
    chunk_sharing: str
    #: Which level of an image it is, and the units of space and time in which that is asked for.
    level: Optional[int] = None
    units: tuple[Optional[str], Optional[str]] = (None, None)

    @property
    def address(self) -> tuple[str, dict[str, Union[str, bool, float]]]:
        """The place as Rust takes it."""
        return self.place, dict(self.storage_options)

    def stored(self) -> StoredArray:
        """Opens it."""
        if self.level is None:
            return StoredArray.open(self.address, self.is_writable, self.chunk_sharing)
        levels = StoredArray.open_levels(self.address, self.units, self.is_writable, self.chunk_sharing)
        if self.level >= len(levels):
            raise IndexError(f"{self.place} has {len(levels)} levels; there is no level {self.level} any more")
        return levels[self.level]


class Dataset:
    """The voxels of a stored Zarr array, indexed like a numpy array by integers and slices.

    Every index reads or writes at once; a chunk is written as a whole or not at all. What a worker process
    gets of it is where it is (with ``storage_options``, and so the secret if there is one in them): it opens
    the array itself.
    """

    def __init__(self, opening: Opening, stored: Optional[StoredArray] = None) -> None:
        self._opening = opening
        self._stored = opening.stored() if stored is None else stored
        self._pid = os.getpid()

    @property
    def stored(self) -> StoredArray:
        """The array in Rust."""
        if self._pid != os.getpid():
            # The connections of an object store belong to the process that was forked.
            self._stored, self._pid = self._opening.stored(), os.getpid()
        return self._stored

    @property
    def path(self) -> str:
        """The folder of the array, or its address; of a level of an image, that of the image."""
        return self._opening.place

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
        return Dataset, (self._opening,)

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
