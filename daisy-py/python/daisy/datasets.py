"""Arrays on disk: opening them, and making new ones."""

from __future__ import annotations

import json
import os
import pathlib
import uuid
from typing import Any, Mapping, Optional, Sequence, Union

import numpy as np

from ._coordinate import Coordinate
from ._daisy import StoredArray
from ._roi import Roi
from .array import Array, Dataset

_Path = Union[str, os.PathLike]

#: Files of a third library.
_HDF5 = (".h5", ".hdf", ".hdf5")

#: The chunk length per axis that is come near to.
_TARGET = 256

_COMPRESSORS = {"default": ("zstd", 3), "zstd": ("zstd", 3), "gzip": ("gzip", 5), "blosc": ("blosc-lz4", 5)}


def open_ds(
    filename: _Path,
    ds_name: str = "",
    mode: str = "r",
    attr_filename: Optional[str] = None,
    *,
    chunk_sharing: str = "refuse",
) -> Array:
    """Opens an array: Zarr v2 and v3, N5 (for reading), HDF5 (if h5py is installed).

    Where its voxels lie is read from the attributes ``voxel_size`` (or ``resolution``) and ``offset``; without
    them a voxel is one world unit and the array begins at zero. If they have fewer entries than the array has
    axes, the first axes are channels.

    Args:
        filename: the folder or file.
        ds_name: the array in it, as ``volumes/raw``; by default ``filename`` is the array itself.
        mode: ``"r"`` for reading, ``"r+"`` (or ``"a"``) for reading and writing.
        attr_filename: not supported: attributes are those of the array.
        chunk_sharing: what becomes of blocks that may write one chunk at the same time, in a run whose tasks
            say that they write this array (``Task(writes=...)``): ``"refuse"`` the run, ``"lock"`` each chunk
            while it is written, or leave them ``"unchecked"``.

    Raises FileNotFoundError, PermissionError, ValueError.
    """
    if attr_filename is not None:
        raise ValueError("attr_filename is not supported; put the attributes into the array's own")
    if mode not in ("r", "r+", "a"):
        raise ValueError(f"mode is {mode!r}; use 'r' or 'r+', and prepare_ds to make a new array")
    if pathlib.PurePath(filename).suffix in _HDF5:
        return _open_hdf5(filename, ds_name, mode)
    stored = StoredArray.open(_inside(filename, ds_name), mode != "r", chunk_sharing)
    return Array(Dataset(stored), stored.roi, stored.voxel_size, stored.roi.begin)


def prepare_ds(
    filename: _Path,
    ds_name: str,
    total_roi: Roi,
    voxel_size: Any,
    dtype: Any,
    write_roi: Optional[Roi] = None,
    write_size: Any = None,
    num_channels: int = 1,
    compressor: Any = "default",
    delete: bool = False,
    force_exact_write_size: bool = False,
    *,
    chunk_shape: Any = None,
    shard_shape: Any = None,
    fill_value: Any = None,
    axis_names: Optional[Sequence[str]] = None,
    units: Optional[Sequence[str]] = None,
    zarr_format: Optional[int] = None,
    chunk_sharing: str = "refuse",
) -> Array:
    """Makes a Zarr array for the results of blocks, or opens the one that is there if it is the same.

    Chunks divide what a block writes, so that no two blocks write one chunk: along each axis the divisor of
    ``write_size`` that is nearest to 256 voxels.

    Args:
        filename: the folder of the Zarr group; made if it is missing.
        ds_name: the array in it, as ``volumes/labels``; groups on the way are made.
        total_roi: the part of the world that the array covers, in world units.
        voxel_size: world units per voxel; divides ``total_roi``'s shape and ``write_size``.
        dtype: the type of a voxel: bool, uint8 to uint64, int8 to int64, float32 or float64.
        write_roi: an older way to give ``write_size``: the ROI that a block writes.
        write_size: what a block writes, in world units.
        num_channels: with 2 or more there is a channel axis in front.
        compressor: ``"default"`` (zstd), ``"zstd"``, ``"gzip"``, ``"blosc"``, None, or a dict such as
            ``{"id": "gzip", "level": 5}``, or a codec of numcodecs.
        delete: whether an existing array that differs is deleted. Otherwise it is refused, with all
            differences: nothing is deleted without being asked for.
        force_exact_write_size: makes a chunk of what a block writes.
        chunk_shape: voxels per chunk, instead of the above.
        shard_shape: voxels per shard, a multiple of the chunk: what is written as a whole.
        fill_value: what voxels hold that were never written; 0 by default.
        axis_names: names of the axes of ``total_roi``.
        units: their units, as ``nm``.
        zarr_format: 2 or 3; by default that of the group, or 3.
        chunk_sharing: as for :func:`open_ds`.

    Several processes may do so at once. Raises ValueError, TypeError, FileExistsError.
    """
    folder = pathlib.Path(filename)
    if folder.suffix in (*_HDF5, ".n5"):
        raise ValueError(f"{folder} cannot be written by many workers; use Zarr: a name that ends in .zarr")
    total_roi = Roi(total_roi.offset, total_roi.shape)
    voxel_size = Coordinate(voxel_size)
    if total_roi.unbounded:
        raise ValueError(f"total_roi is {total_roi}; give a bounded one")
    if voxel_size.dims != total_roi.dims:
        raise ValueError(f"voxel_size is {voxel_size}, total_roi has {total_roi.dims} axes")
    if min(voxel_size) < 1 or not total_roi.shape.is_multiple_of(voxel_size):
        raise ValueError(f"total_roi is {total_roi} and a voxel {voxel_size}; give whole voxels")
    if write_size is None and write_roi is not None:
        write_size = write_roi.shape
    if write_size is not None and force_exact_write_size and chunk_shape is None:
        chunk_shape = _voxels(write_size, voxel_size)
    dtype = np.dtype(dtype)
    if zarr_format is None:
        zarr_format = 2 if (folder / ".zgroup").exists() else 3
    if zarr_format not in (2, 3):
        raise ValueError(f"zarr_format is {zarr_format!r}; use 2 or 3")
    new = {
        "shape": list(total_roi.shape / voxel_size),
        "dtype": dtype.name,
        "voxel_size": list(voxel_size),
        "offset": list(total_roi.begin),
        "channels": [num_channels] if num_channels is not None and num_channels > 1 else [],
        "axis_names": None if axis_names is None else list(axis_names),
        "units": None if units is None else list(units),
        "write_size": None if write_size is None else list(Coordinate(write_size)),
        "chunk_shape": None if chunk_shape is None else list(Coordinate(chunk_shape)),
        "shard_shape": None if shard_shape is None else list(Coordinate(shard_shape)),
        "target": _TARGET,
        "fill_value": None if fill_value is None else dtype.type(fill_value).item(),
        "compression": _compression(compressor),
        "zarr_format": zarr_format,
    }
    path = _inside(folder, ds_name)
    _make_groups(folder, path, zarr_format)
    stored = StoredArray.create(path, new, delete, chunk_sharing)
    return Array(Dataset(stored), stored.roi, stored.voxel_size, stored.roi.begin)


def _inside(filename: _Path, ds_name: Optional[str]) -> pathlib.Path:
    return pathlib.Path(filename) / (ds_name or "").strip("/")


def _voxels(size: Any, voxel_size: Coordinate) -> Coordinate:
    size = Coordinate(size)
    if size.dims != voxel_size.dims or not size.is_multiple_of(voxel_size):
        raise ValueError(f"write_size is {size} and a voxel {voxel_size}; give whole voxels")
    return size / voxel_size


def _compression(compressor: Any) -> Optional[tuple[str, int]]:
    """Name and level."""
    if compressor is None:
        return None
    if isinstance(compressor, str):
        if compressor not in _COMPRESSORS:
            raise ValueError(f"unknown compressor {compressor!r}; use one of {sorted(_COMPRESSORS)}, or None")
        return _COMPRESSORS[compressor]
    config = compressor.get_config() if hasattr(compressor, "get_config") else compressor
    if not isinstance(config, Mapping) or "id" not in config:
        raise TypeError(f'compressor is {compressor!r}; give a name, or a dict such as {{"id": "gzip", "level": 5}}')
    name = config["id"]
    if name == "blosc":
        return f"blosc-{config.get('cname', 'lz4')}", int(config.get("clevel", 5))
    # The Rust side knows which names there are.
    return name, int(config.get("level", _COMPRESSORS.get(name, ("", 0))[1]))


def _make_groups(folder: pathlib.Path, path: pathlib.Path, zarr_format: int) -> None:
    """Makes groups of the folders above an array, where they are none yet, so that every reader finds it."""
    name, metadata = {
        2: (".zgroup", {"zarr_format": 2}),
        3: ("zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": {}}),
    }[zarr_format]
    inner = path.relative_to(folder).parts
    groups = [folder.joinpath(*inner[:depth]) for depth in range(len(inner))]
    for group in groups:
        group.mkdir(parents=True, exist_ok=True)
        if any((group / known).exists() for known in (".zgroup", "zarr.json", ".zarray")):
            continue
        # Others may do the same: whoever is last writes the same again.
        temporary = group / f".{uuid.uuid4().hex}"
        temporary.write_text(json.dumps(metadata))
        temporary.replace(group / name)


def _open_hdf5(filename: _Path, ds_name: str, mode: str) -> Array:
    try:
        import h5py
    except ImportError:
        raise ImportError(f"{filename} is HDF5: install h5py to open it, or convert it to Zarr") from None
    data = h5py.File(filename, mode)[ds_name]
    found = {}
    for key, names in {"voxel_size": ("voxel_size", "resolution"), "offset": ("offset",)}.items():
        name = next((name for name in names if name in data.attrs), None)
        # Numbers that are not whole are refused by Coordinate.
        found[key] = None if name is None else Coordinate(data.attrs[name].tolist())
    dims = next((value.dims for value in found.values() if value is not None), len(data.shape))
    voxel_size = found["voxel_size"] or Coordinate((1,) * dims)
    offset = found["offset"] or Coordinate((0,) * dims)
    if voxel_size.dims != offset.dims:
        raise ValueError(f"{filename}/{ds_name}: voxel_size is {voxel_size}, offset {offset}; give both as many axes")
    return Array(data, Roi(offset, Coordinate(data.shape[-dims:]) * voxel_size), voxel_size, offset)
