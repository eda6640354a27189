"""Segments a volume block by block: smooth, label, stitch, merge, relabel.

    pip install './daisy-py[examples]'
    python daisy-py/examples/segment.py [VOLUME.zarr [DATASET [THRESHOLD]]]

Without a volume it makes one of some blobs with zarr-python. The cells (``# %%``) run in a notebook too. Labels
are made in each block alone, a graph in SQLite remembers which of them touch across block faces, and its connected
components are the objects. At the end everything is computed once more on the whole volume at once, and compared.
"""

# %% The volume, and where results go.
import pathlib
import shutil
import sys

import numpy as np
import zarr
from scipy import ndimage

import daisy

OUT = pathlib.Path("target/segment-py")
CONTAINER = OUT / "results.zarr"
SIGMA = 1.5  # voxels
RADIUS = int(4 * SIGMA + 0.5)  # how far the filter looks
BLOCK = 32  # voxels, along each axis
WORKERS = 2


def make_volume(path: pathlib.Path) -> None:
    """Smooth noise whose highest parts are blobs of all sizes."""
    noise = np.random.default_rng(1).standard_normal((96, 128, 160), dtype=np.float32)
    blobs = ndimage.gaussian_filter(noise, 4, mode="wrap")
    blobs = (blobs - blobs.min()) / (blobs.max() - blobs.min())
    array = zarr.create_array(path / "raw", shape=blobs.shape, chunks=(32, 32, 32), dtype="uint8", overwrite=True)
    array[...] = np.round(blobs * 255).astype(np.uint8)
    array.attrs.update(voxel_size=[40, 4, 4], offset=[400, 0, -80], units=["nm"] * 3)


volume, dataset, threshold = (sys.argv[1:] + [None] * 3)[:3] if "ipykernel" not in sys.modules else [None] * 3
if volume is None:
    volume, dataset, threshold = OUT / "volume.zarr", "raw", 150
    make_volume(volume)
raw = daisy.open_ds(volume, dataset or "")
threshold = float(threshold or 150)
shutil.rmtree(CONTAINER, ignore_errors=True)
for file in OUT.glob("fragments.db*"):
    file.unlink()

# %% All in world units: what a block writes, and what the filter reads around it.
voxel = raw.voxel_size
block = daisy.Roi((0,) * voxel.dims, voxel * BLOCK)
around = voxel * RADIUS


def prepare(name, dtype):
    return daisy.prepare_ds(CONTAINER, name, raw.roi, voxel, dtype, write_size=block.shape)


smoothed = prepare("smoothed", np.float32)
fragments = prepare("fragments", np.uint64)
objects = prepare("objects", np.uint64)
graph = daisy.SQLiteGraphProvider(OUT / "fragments.db", mode="w", total_roi=raw.roi, write_size=block.shape)


# %% What is done with a block. Functions take along what they name: arrays and graphs travel by their paths.
def smooth(block):
    inside = raw.intersect(block.read_roi)
    voxels = inside.to_ndarray().astype(np.float32)
    voxels = ndimage.gaussian_filter(voxels, SIGMA, radius=RADIUS, mode="nearest")
    smoothed[block.write_roi] = daisy.Array(voxels, inside.roi, voxel)[block.write_roi]


def label(block):
    labels, count = ndimage.label(smoothed.to_ndarray(block.write_roi) > threshold)
    # Unique in the whole volume: the number of the block comes first.
    first = block.block_id[1] * BLOCK**voxel.dims
    fragments[block.write_roi] = np.where(labels, labels.astype(np.uint64) + np.uint64(first), np.uint64(0))


def stitch(block):
    """Nodes for the labels of a block, edges for those that touch across its high faces."""
    found = daisy.Graph()
    here = fragments.intersect(block.read_roi)
    here.materialize()
    inside = here[block.write_roi].to_ndarray()
    ids = np.unique(inside[inside > 0])
    for fragment, center in zip(ids.tolist(), ndimage.center_of_mass(inside > 0, inside, ids)):
        found.add_node(fragment, position=[o + (c + 0.5) * v for o, c, v in zip(block.write_roi.offset, center, voxel)])
    for axis in range(voxel.dims):
        step = daisy.Coordinate(int(a == axis) for a in range(voxel.dims)) * voxel
        face = daisy.Roi(block.write_roi.offset + step * (inside.shape[axis] - 1), block.write_roi.shape)
        face = face.intersect(block.write_roi)
        beyond = (face + step).intersect(here.roi)
        if beyond.empty:
            continue
        pairs = np.stack([here[face].to_ndarray().ravel(), here[beyond].to_ndarray().ravel()], axis=1)
        found.add_edges_from(np.unique(pairs[(pairs > 0).all(axis=1)], axis=0).tolist())
    # A block that is tried again leaves nothing of the first time.
    graph.write_graph(found, roi=block.write_roi, delete=True)


def merge(block):
    """The fragments of each object, as a table from fragment to object."""
    components = graph[raw.roi].get_connected_components()
    pairs = [(fragment, number) for number, members in enumerate(components, 1) for fragment in members]
    np.save(OUT / "table.npy", np.array(sorted(pairs), np.uint64).reshape(-1, 2))


def relabel(block):
    table = np.load(OUT / "table.npy")
    names, numbers = np.append(np.uint64(0), table[:, 0]), np.append(np.uint64(0), table[:, 1])
    objects[block.write_roi] = numbers[np.searchsorted(names, fragments.to_ndarray(block.write_roi))]


# %% The tasks: each block of one starts as soon as what it reads is there.
def task(name, function, total=raw.roi, read=block, write=block, **more):
    more = {"num_workers": WORKERS, "fit": "shrink", "read_write_conflict": False, **more}
    return daisy.Task(name, total, read, write, function, **more)


first = task("smooth", smooth, raw.roi.grow(around, around), block.grow(around, around), reads=raw, writes=smoothed)
second = task("label", label, upstream_tasks=[first], reads=smoothed, writes=fragments)
# One voxel more at the high faces.
third = task("stitch", stitch, raw.roi.grow(0, voxel), block.grow(0, voxel), upstream_tasks=[second], reads=fragments)
# One block that reads everything, so it waits for all.
fourth = task("merge", merge, read=raw.roi, write=raw.roi, num_workers=1, upstream_tasks=[third])
fifth = task("relabel", relabel, upstream_tasks=[second, fourth], reads=fragments, writes=objects)

if not daisy.run_blockwise([fifth]):
    sys.exit("not every block was done")

# %% The same on the whole volume at once.
expected, count = ndimage.label(
    ndimage.gaussian_filter(raw.to_ndarray().astype(np.float32), SIGMA, radius=RADIUS, mode="nearest") > threshold
)
result = objects.to_ndarray()
# Each number on one side goes with one number on the other.
pairs = np.unique(np.stack([expected.ravel(), result.ravel()]), axis=1)
is_same = pairs.shape[1] == len(np.unique(pairs[0])) == len(np.unique(pairs[1]))
is_same = is_same and np.array_equal(expected > 0, result > 0)
print(f"{len(np.unique(result[result > 0]))} objects block by block, {count} at once:", "equal" if is_same else "DIFFERENT")
if not is_same:
    sys.exit(1)
