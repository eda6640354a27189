"""Arrays on disk: opening them, and making new ones."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import Any, Mapping, Optional, Sequence, Union

import numpy as np

from ._coordinate import Coordinate
from ._daisy import StoredArray
from ._roi import Roi
from .array import Array
from .dataset import Dataset, Opening

_Path = Union[str, os.PathLike]
_Options = Mapping[str, Union[str, bool, float]]

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
    storage_options: Optional[_Options] = None,
) -> Array:
    """Opens an array: Zarr v2 and v3, N5 (for reading), HDF5 (if h5py is installed).

    Where its voxels lie is read from the attributes ``voxel_size`` (or ``resolution``) and ``offset``; without
    them a voxel is one world unit and the array begins at zero. If they have fewer entries than the array has
    axes, the first axes are channels. Of an image in OME-NGFF, use :func:`open_multiscale`: what its group says
    is not looked at here.

    Args:
        filename: the folder or file, or an address: ``s3://bucket/volume.zarr``, and for reading
            ``https://host/volume.zarr``.
        ds_name: the array in it, as ``volumes/raw``; by default ``filename`` is the array itself.
        mode: ``"r"`` for reading, ``"r+"`` (or ``"a"``) for reading and writing.
        attr_filename: not supported: attributes are those of the array.
        chunk_sharing: what becomes of blocks that may write one chunk at the same time, in a run whose tasks
            say that they write this array (``Task(writes=...)``): ``"refuse"`` the run, ``"lock"`` each chunk
            while it is written (not in object stores), or leave them ``"unchecked"``.
        storage_options: how S3 is reached: ``anon`` (True for public buckets), ``key`` and ``secret``,
            ``region``, ``endpoint_url`` (of another server than Amazon's). What is not given comes from the
            environment (``AWS_ACCESS_KEY_ID`` and the like); with ``role=True``, credentials are asked of the
            machine's role, on the network. ``timeout``, of web servers too: for how many seconds a server may
            say nothing, and what failed is tried again; 30 for S3 and 10 for others by default.

    Raises FileNotFoundError, PermissionError, ValueError, and OSError for a store that cannot be reached. Ctrl-C
    ends the waiting for a store.
    """
    if attr_filename is not None:
        raise ValueError("attr_filename is not supported; put the attributes into the array's own")
    if pathlib.PurePath(filename).suffix in _HDF5:
        _check_mode(mode)
        return _open_hdf5(filename, ds_name, mode)
    return _shown(Dataset(_opening(_inside(filename, ds_name), mode, chunk_sharing, storage_options)))


def open_multiscale(
    filename: _Path,
    ds_name: str = "",
    mode: str = "r",
    *,
    space_unit: Optional[str] = None,
    time_unit: Optional[str] = None,
    chunk_sharing: str = "refuse",
    storage_options: Optional[_Options] = None,
) -> list[Array]:
    """Opens the levels of an OME-NGFF image (0.4 or 0.5), the finest first.

    Scales become voxel sizes and translations offsets (where the first voxel begins), exactly: numbers that
    are not whole world units are refused with ValueError, so choose a finer unit.

    Args:
        filename, ds_name, mode, chunk_sharing, storage_options: as for :func:`open_ds`; the group of the image.
        space_unit: the world unit of axes of space, as ``nm`` or ``nanometer``; that of each axis in the file
            by default.
        time_unit: the same of axes of time.
    """
    opening = _opening(_inside(filename, ds_name), mode, chunk_sharing, storage_options)
    opening = dataclasses.replace(opening, units=(space_unit, time_unit))
    return _levels(opening, StoredArray.open_levels(opening.address, opening.units, mode != "r", chunk_sharing))


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
    storage_options: Optional[_Options] = None,
) -> Array:
    """Makes a Zarr array for the results of blocks, or opens the one that is there if it is the same.

    Chunks divide what a block writes, so that no two blocks write one chunk: along each axis the divisor of
    ``write_size`` that is nearest to 256 voxels.

    Args:
        filename: the folder of the Zarr group, or its address (``s3://bucket/volume.zarr``); made if it is
            missing.
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
            differences: nothing is deleted without being asked for. One that is the same keeps its voxels.
        force_exact_write_size: makes a chunk of what a block writes.
        chunk_shape: voxels per chunk, instead of the above.
        shard_shape: voxels per shard, a multiple of the chunk: what is written as a whole.
        fill_value: what voxels hold that were never written; 0 by default.
        axis_names: names of the axes of ``total_roi``.
        units: their units, as ``nm``.
        zarr_format: 2 or 3; by default that of the group on disk, or 3.
        chunk_sharing, storage_options: as for :func:`open_ds`.

    Several processes may do so at once. Raises ValueError, TypeError, FileExistsError.
    """
    if write_size is None and write_roi is not None:
        write_size = write_roi.shape
    voxel_size = Coordinate(voxel_size)
    if write_size is not None and force_exact_write_size and chunk_shape is None:
        chunk_shape = _voxels(write_size, voxel_size)
    new = _description(
        (total_roi, voxel_size, dtype),
        (write_size, chunk_shape, shard_shape),
        num_channels=num_channels,
        compressor=compressor,
        fill_value=fill_value,
        axis_names=axis_names,
        units=units,
        zarr_format=_format(filename, zarr_format),
    )
    opening = _opening(_inside(filename, ds_name), "r+", chunk_sharing, storage_options)
    _make_groups(filename, ds_name, opening, new["zarr_format"])
    return _shown(Dataset(opening, StoredArray.create(opening.address, new, delete, chunk_sharing)))


def prepare_multiscale(
    filename: _Path,
    ds_name: str,
    total_roi: Roi,
    voxel_size: Any,
    dtype: Any,
    factors: Sequence[Any],
    write_size: Any = None,
    num_channels: int = 1,
    compressor: Any = "default",
    delete: bool = False,
    *,
    chunk_shape: Any = None,
    shard_shape: Any = None,
    fill_value: Any = None,
    axis_names: Optional[Sequence[str]] = None,
    units: Optional[Sequence[str]] = None,
    zarr_format: Optional[int] = None,
    chunk_sharing: str = "refuse",
    storage_options: Optional[_Options] = None,
) -> list[Array]:
    """Makes the arrays of an OME-NGFF image, the finest first, or opens those that are there if they are the
    same. Nothing is computed: blocks write each level.

    Args:
        factors: for each coarser level, how many times coarser it is than the finest one along each axis, as
            ``[(2, 2, 2), (4, 4, 4)]``: voxels as much larger, and as many fewer, rounded up.
        zarr_format: 3, which is OME-NGFF 0.5, or 2, which is 0.4; by default that of the group on disk, or 3.
        axis_names: two or three of space, last, and ``"t"`` first if there is one; ``z``, ``y`` and ``x`` by
            default.

    All others as for :func:`prepare_ds`; they describe the finest level, which is called ``0``.
    """
    dims = Coordinate(voxel_size).dims
    if axis_names is None and dims <= 3:
        axis_names = ("z", "y", "x")[-dims:]
    new = _description(
        (total_roi, voxel_size, dtype),
        (write_size, chunk_shape, shard_shape),
        num_channels=num_channels,
        compressor=compressor,
        fill_value=fill_value,
        axis_names=axis_names,
        units=units,
        zarr_format=_format(filename, zarr_format),
    )
    new["factors"] = [list(Coordinate(factor)) for factor in factors]
    opening = _opening(_inside(filename, ds_name), "r+", chunk_sharing, storage_options)
    _make_groups(filename, ds_name, opening, new["zarr_format"])
    return _levels(opening, StoredArray.create_levels(opening.address, new, delete, chunk_sharing))


def _description(
    voxels: tuple[Roi, Any, Any],
    sizes: tuple[Any, Any, Any],
    *,
    num_channels: Optional[int],
    compressor: Any,
    fill_value: Any,
    axis_names: Optional[Sequence[str]],
    units: Optional[Sequence[str]],
    zarr_format: int,
) -> dict[str, Any]:
    """What Rust is told of a new array."""
    total_roi, voxel_size, dtype = Roi(voxels[0].offset, voxels[0].shape), Coordinate(voxels[1]), np.dtype(voxels[2])
    if total_roi.unbounded:
        raise ValueError(f"total_roi is {total_roi}; give a bounded one")
    if voxel_size.dims != total_roi.dims:
        raise ValueError(f"voxel_size is {voxel_size}, total_roi has {total_roi.dims} axes")
    if min(voxel_size) < 1 or not total_roi.shape.is_multiple_of(voxel_size):
        raise ValueError(f"total_roi is {total_roi} and a voxel {voxel_size}; give whole voxels")
    write_size, chunk_shape, shard_shape = (None if size is None else list(Coordinate(size)) for size in sizes)
    return {
        "shape": list(total_roi.shape / voxel_size),
        "dtype": dtype.name,
        "voxel_size": list(voxel_size),
        "offset": list(total_roi.begin),
        "channels": [num_channels] if num_channels is not None and num_channels > 1 else [],
        "axis_names": None if axis_names is None else list(axis_names),
        "units": None if units is None else list(units),
        "write_size": write_size,
        "chunk_shape": chunk_shape,
        "shard_shape": shard_shape,
        "target": _TARGET,
        "fill_value": None if fill_value is None else dtype.type(fill_value).item(),
        "compression": _compression(compressor),
        "zarr_format": zarr_format,
        "factors": [],
    }


def _shown(data: Dataset) -> Array:
    stored = data.stored
    return Array(data, stored.roi, stored.voxel_size, stored.roi.begin)


def _levels(opening: Opening, levels: Sequence[StoredArray]) -> list[Array]:
    each = enumerate(levels)
    return [_shown(Dataset(dataclasses.replace(opening, level=level), stored)) for level, stored in each]


def _opening(place: str, mode: str, chunk_sharing: str, storage_options: Optional[_Options]) -> Opening:
    _check_mode(mode)
    return Opening(place, dict(storage_options or {}), mode != "r", chunk_sharing)


def _check_mode(mode: str) -> None:
    if mode not in ("r", "r+", "a"):
        raise ValueError(f"mode is {mode!r}; use 'r' or 'r+', and prepare_ds to make a new array")


def _is_address(filename: _Path) -> bool:
    return "://" in os.fspath(filename)


def _inside(filename: _Path, ds_name: Optional[str]) -> str:
    """The place of an array in a folder: an absolute path, so that it is the same in another folder, or an
    address."""
    names = _names(ds_name)
    if _is_address(filename):
        return "/".join([os.fspath(filename).rstrip("/"), *names])
    return os.path.abspath(os.path.join(filename, *names))


def _names(ds_name: Optional[str]) -> list[str]:
    """The names on the way from a folder to an array in it."""
    names = [name for name in (ds_name or "").split("/") if name not in ("", ".")]
    if ".." in names:
        raise ValueError(f"ds_name is {ds_name!r}, which leads out of its folder; give a name without '..'")
    return names


def _format(filename: _Path, zarr_format: Optional[int]) -> int:
    """The version of Zarr in which something new is made."""
    suffix = pathlib.PurePath(filename).suffix
    if suffix in (*_HDF5, ".n5"):
        raise ValueError(f"{filename} cannot be written by many workers; use Zarr: a name that ends in .zarr")
    if zarr_format is None:
        zarr_format = 2 if os.path.exists(os.path.join(filename, ".zgroup")) else 3
    if zarr_format not in (2, 3):
        raise ValueError(f"zarr_format is {zarr_format!r}; use 2 or 3")
    return zarr_format


def _make_groups(filename: _Path, ds_name: Optional[str], opening: Opening, zarr_format: int) -> None:
    """Makes groups of the places above an array, where they are none yet, so that every reader finds it."""
    place = _inside(filename, None)
    for name in _names(ds_name):
        StoredArray.ensure_group((place, opening.address[1]), zarr_format)
        place = f"{place}/{name}"


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
