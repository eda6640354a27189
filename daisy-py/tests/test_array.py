"""Arrays: voxels by ROIs in world units."""

import multiprocessing
import os
import pickle

import cloudpickle
import numpy as np
import pytest
from funlib.geometry import Roi as FunlibRoi

from daisy import Array, Coordinate, Roi, Task, open_ds, prepare_ds, prepare_multiscale, run_blockwise

ROI = Roi((-20, 100), (60, 50))  # 6 x 10 voxels
VOXEL = Coordinate(10, 5)
RAMP = np.arange(60, dtype=np.uint16).reshape(6, 10)


def in_memory():
    return Array(RAMP.copy(), ROI, VOXEL)


def on_disk(folder, **more):
    array = prepare_ds(folder / "a.zarr", "volumes/raw", ROI, VOXEL, np.uint16, write_size=(20, 25), **more)
    array[ROI] = RAMP
    return array


@pytest.fixture(params=["memory", "disk", "disk, Zarr 2", "zarr-python"])
def array(request, tmp_path):
    if request.param == "memory":
        return in_memory()
    if request.param == "zarr-python":
        zarr = pytest.importorskip("zarr", minversion="3")
        data = zarr.create_array(tmp_path / "b.zarr", shape=(6, 10), chunks=(2, 5), dtype="uint16")
        data[...] = RAMP
        return Array(data, ROI, VOXEL)
    return on_disk(tmp_path, zarr_format=2 if request.param.endswith("2") else None)


def test_what_an_array_is(array):
    assert (array.roi, array.data_roi, array.voxel_size) == (ROI, ROI, VOXEL)
    assert (array.shape, array.dtype, array.n_channel_dims) == ((6, 10), np.uint16, 0)
    assert (array.to_ndarray() == RAMP).all()
    assert (np.asarray(array) == RAMP).all()


def test_a_roi_gives_a_view(array):
    view = array[Roi((0, 110), (20, 15))]
    assert (view.shape, view.roi) == ((2, 3), Roi((0, 110), (20, 15)))
    assert (view.to_ndarray() == RAMP[2:4, 2:5]).all()
    array[Roi((0, 110), (10, 5))] = 7
    assert view.to_ndarray()[0, 0] == 7, "views hold no voxels"
    with pytest.raises(IndexError, match="reaches beyond"):
        view[ROI]
    assert (array[FunlibRoi((0, 110), (20, 15))].to_ndarray() == view.to_ndarray()).all()
    assert array.intersect(Roi((0, 0), (1000, 110))).shape == (4, 2)


def test_a_coordinate_gives_a_voxel(array):
    assert array[Coordinate(-20, 100)] == 0
    assert array[-15, 104] == 0, "anywhere in the voxel"
    assert array[Coordinate(39, 149)] == 59
    for outside in (Coordinate(40, 100), Coordinate(-21, 100)):
        with pytest.raises(IndexError, match="outside"):
            array[outside]
    for wrong in ("a", slice(0, 1), None):
        with pytest.raises(TypeError, match="neither a ROI nor a coordinate"):
            array[wrong]


def test_a_roi_that_cuts_through_voxels_is_refused(array):
    cut = Roi((0, 101), (20, 15))
    for use in (array.__getitem__, array.to_ndarray, lambda roi: array.to_ndarray(roi, 0)):
        with pytest.raises(ValueError, match="cuts through voxels on axis 1"):
            use(cut)
    with pytest.raises(ValueError, match="cuts through"):
        array[cut] = 0
    assert (array.to_ndarray() == RAMP).all()


def test_what_lies_outside_is_filled(array):
    larger = array.to_ndarray(Roi((-30, 90), (30, 20)), fill_value=9)
    assert larger.tolist() == [[9, 9, 9, 9], [9, 9, 0, 1], [9, 9, 10, 11]]
    away = array.to_ndarray(Roi((1000, 1000), (20, 5)), fill_value=9)
    assert away.tolist() == [[9], [9]]
    with pytest.raises(IndexError, match="fill_value"):
        array.to_ndarray(Roi((-30, 90), (30, 20)))


def test_values_are_broadcast(array):
    roi = Roi((0, 110), (20, 15))
    array[roi] = np.array([1, 2, 3], np.uint16)
    assert (array.to_ndarray(roi) == [[1, 2, 3], [1, 2, 3]]).all()
    array[roi] = array[Roi((-20, 100), (20, 15))]
    assert (array.to_ndarray(roi) == RAMP[:2, :3]).all()
    with pytest.raises(ValueError, match=r"shape \(3, 2\), the ROI \(2, 3\)"):
        array[roi] = np.zeros((3, 2), np.uint16)
    with pytest.raises(IndexError):
        array[ROI.grow(VOXEL, VOXEL)] = 0
    with pytest.raises(TypeError, match="no ROI"):
        array[0, 100] = 1


def test_values_are_stored_as_they_are_or_not_at_all(array):
    roi = Roi((0, 110), (10, 10))
    array[roi] = np.array([[1.0, 65535.0]])
    array[roi] = np.array([[1, 65535]], np.int64)
    assert array.to_ndarray(roi).tolist() == [[1, 65535]]
    for wrong in (-1, 65536, 0.5, np.nan, 65536.0, np.array([[0, 2**40]])):
        with pytest.raises(ValueError, match="is no uint16"):
            array[roi] = wrong
    with pytest.raises(TypeError, match="give numbers"):
        array[roi] = "a"
    assert array.to_ndarray(roi).tolist() == [[1, 65535]]


@pytest.mark.parametrize("dtype", ["bool", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8"])
def test_every_type_goes_to_disk_and_back(tmp_path, dtype):
    dtype = np.dtype(dtype)
    values = [0, 1] if dtype.kind == "b" else [-1.5, 2.25] if dtype.kind == "f" else [np.iinfo(dtype).min, np.iinfo(dtype).max]
    array = prepare_ds(tmp_path / "a.zarr", "x", Roi((0,), (2,)), (1,), dtype, compressor=None)
    array[array.roi] = np.array(values, dtype)
    back = open_ds(tmp_path / "a.zarr", "x").to_ndarray()
    assert back.dtype == dtype and back.tolist() == np.array(values, dtype).tolist()
    swapped = np.array(values, dtype).astype(dtype.newbyteorder())
    array[array.roi] = swapped
    assert array.to_ndarray().tolist() == swapped.tolist()


def test_numbers_at_the_edge_of_64_bits_are_not_rounded(tmp_path):
    array = prepare_ds(tmp_path / "a.zarr", "x", Roi((0,), (1,)), (1,), np.uint64)
    array[array.roi] = 2**64 - 1
    assert array.to_ndarray().tolist() == [2**64 - 1]
    for wrong in (np.int64(-1), 2.0**64, -0.5):
        with pytest.raises(ValueError, match="is no uint64"):
            array[array.roi] = wrong


def test_channels_come_first(tmp_path):
    array = prepare_ds(tmp_path / "a.zarr", "affs", ROI, VOXEL, np.float32, write_size=(20, 25), num_channels=3)
    assert (array.shape, array.n_channel_dims) == ((3, 6, 10), 1)
    array[Roi((0, 110), (10, 10))] = np.array([1.5, 2, 3])[:, None, None]
    assert array[Coordinate(0, 115)].tolist() == [1.5, 2.0, 3.0]
    again = open_ds(tmp_path / "a.zarr", "affs")
    assert again.to_ndarray(Roi((0, 110), (10, 15))).tolist() == [[[1.5, 1.5, 0]], [[2, 2, 0]], [[3, 3, 0]]]
    memory = Array(again.to_ndarray(), ROI, VOXEL)
    assert (memory.to_ndarray(ROI.grow(VOXEL, VOXEL), 7) == again.to_ndarray(ROI.grow(VOXEL, VOXEL), 7)).all()


def test_channels_may_stand_elsewhere(tmp_path):
    zarr = pytest.importorskip("zarr", minversion="3")
    data = zarr.create_array(tmp_path / "t.zarr", shape=(4, 2, 6), chunks=(1, 1, 3), dtype="uint8")
    data.attrs.update(voxel_size=[100, 2], offset=[0, -6], types=["time", "channel", "space"])
    data[...] = np.arange(48, dtype=np.uint8).reshape(4, 2, 6)
    array = open_ds(tmp_path / "t.zarr", mode="r+")
    assert (array.roi, array.shape) == (Roi((0, -6), (400, 12)), (4, 2, 6))
    part = Roi((100, -2), (200, 4))
    assert (array.to_ndarray(part) == data[1:3, :, 2:4]).all()
    assert array[Coordinate(350, 5)].tolist() == [41, 47]
    array[part] = 0
    assert (data[1:3, :, 2:4] == 0).all() and data[1, 0, 4] == 16


def test_an_array_may_show_a_part_of_its_data():
    array = Array(RAMP.copy(), Roi((0, 110), (20, 15)), VOXEL, data_offset=(-20, 100))
    assert (array.shape, array.data_roi) == ((2, 3), ROI)
    assert (array.to_ndarray() == RAMP[2:4, 2:5]).all()
    array.materialize()
    assert (array.data.shape, array.data_roi) == ((2, 3), array.roi)
    assert array[Coordinate(0, 110)] == RAMP[2, 2]
    assert array.to_ndarray(ROI, 0)[0, 0] == 0, "outside of what is shown, not of the data"


def test_what_does_not_fit_together_is_refused():
    for arguments, message in (
        ((RAMP, ROI, (10,)), "one value an axis"),
        ((RAMP, ROI, (0, 5)), "at least 1"),
        ((RAMP, ROI, VOXEL, (0,)), "data_offset"),
        ((RAMP, ROI, VOXEL, (-21, 100)), "cuts through voxels"),
        ((RAMP, Roi((None, None), (None, None)), VOXEL, (0, 0)), "bounded"),
        ((RAMP[0], ROI, VOXEL), "have 1 axes"),
    ):
        with pytest.raises(ValueError, match=message):
            Array(*arguments)
    with pytest.raises(IndexError, match="reaches beyond"):
        Array(RAMP, ROI.grow(0, (10, 5)), VOXEL)


def test_writes_of_parts_of_chunks_can_be_refused(tmp_path):
    array = on_disk(tmp_path)
    assert array.chunk_shape == (2, 5)
    array.check_write_chunk_align = True
    array[Roi((0, 100), (20, 25))] = 1
    for part in (Roi((0, 100), (10, 25)), Roi((0, 105), (20, 20))):
        with pytest.raises(ValueError, match="a part of a chunk on axis"):
            array[part] = 2
    end = Array(np.zeros(7), Roi((0,), (7,)), (1,), chunk_shape=(5,), check_write_chunk_align=True)
    end[Roi((5,), (2,))] = 1  # the last chunk is cut by the end of the array
    assert end.to_ndarray().tolist() == [0, 0, 0, 0, 0, 1, 1]


KEYS = [
    (), (0,), (-1, 3), (slice(None), 4), (slice(1, 4), slice(2, None)), (slice(4, 1, -1),), (..., 2), (1, ...),
    (slice(0, 6, 2), slice(None, None, -3)), (slice(5, 2),), (slice(-2, None), -1), (slice(None), slice(3, 3)),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_data_are_indexed_as_numpy_does(tmp_path, key):
    data = on_disk(tmp_path).data
    assert np.array_equal(data[key], RAMP[key])
    expected = RAMP.copy()
    expected[key] = 1000
    data[key] = 1000
    assert np.array_equal(data[...], expected)
    values = np.arange(RAMP[key].size, dtype=np.uint16).reshape(RAMP[key].shape)
    expected[key] = values
    data[key] = values
    assert np.array_equal(data[...], expected)


def test_data_with_channels_are_indexed_as_numpy_does(tmp_path):
    data = prepare_ds(tmp_path / "a.zarr", "x", ROI, VOXEL, np.uint16, num_channels=2).data
    expected = np.stack([RAMP, RAMP + 100])
    data[...] = expected
    for key in ((1,), (slice(1, None), 2), (0, slice(1, 3), slice(5)), (slice(None, None, -1), 0, 0), (1, 1, 1)):
        assert np.array_equal(data[key], expected[key]), key
        data[key] = expected[key] = 7
        assert np.array_equal(data[...], expected), key


def test_wrong_indices_of_data_are_refused(tmp_path):
    data = on_disk(tmp_path).data
    for key, error in (((6,), IndexError), ((0, 0, 0), IndexError), ((..., ...), IndexError), (([0, 1],), TypeError), (("a",), TypeError)):
        with pytest.raises(error):
            data[key]
    with pytest.raises(ValueError):
        data[0] = np.zeros(9, np.uint16)


def test_zarr_python_reads_what_is_made(tmp_path):
    zarr = pytest.importorskip("zarr", minversion="3")
    for zarr_format in (2, 3):
        container = tmp_path / f"{zarr_format}.zarr"
        array = prepare_ds(
            container, "volumes/raw", ROI, VOXEL, np.uint16, write_size=(20, 25), num_channels=2,
            zarr_format=zarr_format, axis_names=["z", "y"], units=["nm", "nm"], fill_value=3,
            compressor={"id": "gzip", "level": 1},
        )  # fmt: skip
        array[Roi((-20, 100), (20, 25))] = 5
        found = zarr.open(container, mode="r")["volumes/raw"]
        assert (found.shape, found.chunks, found.dtype) == ((2, 6, 10), (2, 2, 5), np.uint16)
        assert (found[...] == array.data[...]).all() and found[0, 5, 9] == 3
        assert list(found.attrs["voxel_size"]) == [10, 5] and list(found.attrs["offset"]) == [-20, 100]
        assert (array.data.axis_names[1:], array.data.units) == (["z", "y"], ["nm", "nm"])
        # A second array in a group of that format.
        assert prepare_ds(container, "volumes/mask", ROI, VOXEL, bool).data.shape == (6, 10)
        assert "mask" in zarr.open(container, mode="r")["volumes"]


def test_chunks_divide_what_blocks_write(tmp_path):
    def chunk(**more):
        more = {"write_size": (3000, 700), **more}
        total = Roi((0, 0), (6000, 1400))
        return prepare_ds(tmp_path / "a.zarr", "x", total, (10, 1), np.uint8, delete=True, **more).chunk_shape

    assert chunk() == (300, 350)  # divisors of 300 and 700, near 256
    assert chunk(force_exact_write_size=True) == (300, 700)
    assert chunk(chunk_shape=(30, 70)) == (30, 70)
    assert chunk(chunk_shape=(30, 70), shard_shape=(300, 700)) == (300, 700)
    assert chunk(write_size=None, write_roi=Roi((5, 5), (1000, 100))) == (100, 100)
    with pytest.raises(ValueError, match="multiple"):
        chunk(write_size=(15, 7))


def test_an_existing_array_is_opened_only_if_it_is_the_same(tmp_path):
    on_disk(tmp_path)

    def again(roi=ROI, voxel=VOXEL, dtype=np.uint16, write_size=(20, 25), **more):
        return prepare_ds(tmp_path / "a.zarr", "volumes/raw", roi, voxel, dtype, write_size=write_size, **more)

    assert (again().to_ndarray() == RAMP).all()
    for change, field in (
        ({"roi": ROI + 10}, "offset is (-20, 100), wanted (-10, 110)"),
        ({"voxel": (5, 5)}, "voxel_size"),
        ({"dtype": np.uint32}, "dtype is u16, wanted u32"),
        ({"write_size": (40, 25)}, "chunk_shape"),
        ({"num_channels": 2}, "channels"),
    ):
        with pytest.raises(ValueError) as error:
            again(**change)
        assert field in str(error.value)
    assert (open_ds(tmp_path / "a.zarr", "volumes/raw").to_ndarray() == RAMP).all(), "nothing was deleted"
    assert (again(delete=True).to_ndarray() == RAMP).all(), "what is the same keeps its voxels"
    assert again(dtype=np.uint32, delete=True).to_ndarray().sum() == 0


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_many_processes_may_replace_one_array_at_once(tmp_path, zarr_format):
    context = multiprocessing.get_context("fork")
    barrier, rounds, size = context.Barrier(8, timeout=60), 20, Roi((0,), (8,))

    def child(own):
        for number in range(rounds):
            barrier.wait()
            array = prepare_ds(
                tmp_path / f"{number}.zarr", "a/raw", size, (1,), np.uint16, chunk_shape=(1,), delete=True
            )
            array[Roi((own,), (1,))] = own + 1

    for number in range(rounds):
        make = (tmp_path / f"{number}.zarr", "a/raw", size, (1,))
        old = prepare_ds(*make, np.uint8, chunk_shape=(1,), zarr_format=zarr_format)
        old[size] = 7
    children = [context.Process(target=child, args=(own,)) for own in range(8)]
    for process in children:
        process.start()
    for process in children:
        process.join(60)
    assert [process.exitcode for process in children] == [0] * 8
    for number in range(rounds):
        voxels = open_ds(tmp_path / f"{number}.zarr", "a/raw").to_ndarray()
        assert list(voxels) == [1, 2, 3, 4, 5, 6, 7, 8], number


def test_a_run_that_goes_on_keeps_what_is_in_an_array(tmp_path):
    block = Roi((0, 0), (20, 25))

    def run(fails):
        array = prepare_ds(tmp_path / "a.zarr", "raw", ROI, VOXEL, np.uint16, write_size=(20, 25), delete=True)

        def function(block):
            if fails and block.block_id[1] > 2:
                raise ValueError("later")
            array[block.write_roi] = 1

        task = Task("one", ROI, block, block, function, max_retries=0)
        return run_blockwise([task], False, journal=tmp_path / "journal", progress=False), array

    done, _ = run(fails=True)
    assert not done
    _, array = run(fails=False)
    assert array.to_ndarray().sum() == 60, "what the first run has written is there"


def test_names_stay_in_their_folder_and_out_of_arrays(tmp_path):
    on_disk(tmp_path)
    for name in ("../b.zarr/raw", "volumes/../../raw", ".."):
        for call in (open_ds, prepare_multiscale_like, prepare_like):
            with pytest.raises(ValueError, match="leads out of its folder"):
                call(tmp_path / "a.zarr", name)
    for name in ("volumes/raw/c/0", "volumes/raw/labels", "volumes/raw/c/1/mask"):
        for call in (prepare_multiscale_like, prepare_like):
            with pytest.raises(ValueError, match="among the chunks of the array at"):
                call(tmp_path / "a.zarr", name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr"]
    assert (open_ds(tmp_path / "a.zarr", "./volumes//raw/").to_ndarray() == RAMP).all()


def prepare_like(folder, name):
    return prepare_ds(folder, name, ROI, VOXEL, np.uint16)


def prepare_multiscale_like(folder, name):
    return prepare_multiscale(folder, name, ROI, VOXEL, np.uint16, [(2, 2)])


def test_what_is_no_file_is_no_chunk(tmp_path):
    array = on_disk(tmp_path)
    chunk = next(path for path in (tmp_path / "a.zarr/volumes/raw/c").rglob("*") if path.is_file())
    chunk.unlink()
    os.mkfifo(chunk)
    with pytest.raises(OSError, match="no regular file"):
        array.to_ndarray()


def test_what_only_pretends_to_have_a_length_is_taken_for_what_it_gives(tmp_path):
    class Long(list):
        def __len__(self):
            return 2**62

    stored = on_disk(tmp_path).data.stored
    assert stored.read(Long([0, 0]), Long([6, 10])).shape == (6, 10)
    with pytest.raises(TypeError, match="give integers"):
        stored.read("00", [6, 10])


@pytest.mark.parametrize("path", ["\ud800", b"\xff".decode("utf8", "surrogateescape") + "\ud800", "a\0b"])
def test_a_path_that_is_none_is_named(path):
    with pytest.raises((ValueError, OSError)) as error:
        open_ds(path)
    assert "Place" not in str(error.value)


def test_wrong_descriptions_are_refused(tmp_path):
    for more, error in (
        ({"voxel_size": (7, 5)}, ValueError),
        ({"voxel_size": (10,)}, ValueError),
        ({"dtype": "complex64"}, TypeError),
        ({"dtype": "float16"}, TypeError),
        ({"compressor": "lzma"}, ValueError),
        ({"compressor": {"id": "zstd", "level": 99}}, ValueError),
        ({"compressor": 5}, TypeError),
        ({"zarr_format": 4}, ValueError),
        ({"chunk_sharing": "maybe"}, ValueError),
        ({"total_roi": Roi((None, 0), (None, 5))}, ValueError),
        ({"filename": tmp_path / "a.h5"}, ValueError),
        ({"chunk_shape": (2,)}, ValueError),
    ):
        arguments = {
            "filename": tmp_path / "a.zarr", "ds_name": "x", "total_roi": ROI, "voxel_size": VOXEL, "dtype": "u1", **more,
        }  # fmt: skip
        with pytest.raises(error):
            prepare_ds(**arguments)
    assert not (tmp_path / "a.zarr" / "x").exists()


def test_what_cannot_be_opened(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_ds(tmp_path / "a.zarr", "x")
    array = on_disk(tmp_path)
    with pytest.raises(ValueError, match="not a Zarr array"):
        open_ds(tmp_path / "a.zarr", "volumes")
    with pytest.raises(ValueError, match="mode is 'w'"):
        open_ds(tmp_path / "a.zarr", "volumes/raw", mode="w")
    reader = open_ds(tmp_path / "a.zarr", "volumes/raw")
    with pytest.raises(PermissionError, match="open for reading"):
        reader[ROI] = 0
    (tmp_path / "a.zarr/volumes/raw/zarr.json").write_text("{")
    with pytest.raises(ValueError):
        open_ds(tmp_path / "a.zarr", "volumes/raw")
    assert array.shape == (6, 10)


def test_voxel_sizes_that_are_not_whole_are_refused(tmp_path):
    zarr = pytest.importorskip("zarr", minversion="3")
    zarr.create_array(tmp_path / "a.zarr", shape=(4,), dtype="uint8").attrs["voxel_size"] = [1.5]
    with pytest.raises(ValueError, match="voxel_size"):
        open_ds(tmp_path / "a.zarr")


def test_attributes_of_daisy_0_2_are_understood(tmp_path):
    zarr = pytest.importorskip("zarr", minversion="3")
    data = zarr.create_array(tmp_path / "a.zarr", shape=(2, 4, 5), dtype="uint8", zarr_format=2)
    data.attrs.update(resolution=[40, 4], offset=[80, -8])
    array = open_ds(tmp_path / "a.zarr")
    assert (array.roi, array.voxel_size, array.n_channel_dims) == (Roi((80, -8), (160, 20)), (40, 4), 1)


def test_hdf5_is_opened_where_h5py_is_there(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = RAMP
        file["raw"].attrs.update(resolution=VOXEL, offset=(-20, 100))
    array = open_ds(tmp_path / "a.h5", "raw")
    assert (array.roi, array.voxel_size) == (ROI, VOXEL)
    assert (array.to_ndarray(Roi((0, 110), (20, 15))) == RAMP[2:4, 2:5]).all()


@pytest.mark.parametrize("library", [pickle, cloudpickle], ids=lambda library: library.__name__)
def test_arrays_on_disk_are_sent_by_their_path(tmp_path, library):
    array = on_disk(tmp_path, chunk_sharing="lock")[Roi((0, 110), (20, 15))]
    packed = library.dumps(array)
    assert len(packed) < 1000
    again = library.loads(packed)
    assert (again.roi, again.data.stored.chunk_sharing) == (array.roi, "lock")
    again[again.roi] = 1
    assert (array.to_ndarray() == 1).all()
    memory = library.loads(library.dumps(in_memory()))
    assert (memory.to_ndarray() == RAMP).all()


def test_a_forked_process_reads_and_writes(tmp_path):
    array = on_disk(tmp_path)

    def child():
        array[Roi((0, 100), (20, 25))] = array.to_ndarray(Roi((0, 125), (20, 25)))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(30)
    assert process.exitcode == 0
    assert (array.to_ndarray(Roi((0, 100), (20, 25))) == RAMP[2:4, 5:]).all()


def add_one(raw, result):
    def process(block):
        result[block.write_roi] = raw.to_ndarray(block.write_roi) + 1

    return process


def test_worker_processes_write_one_array(tmp_path):
    raw = on_disk(tmp_path)
    result = prepare_ds(tmp_path / "a.zarr", "result", ROI, VOXEL, np.uint16, write_size=(20, 25))
    block = Roi((0, 0), (20, 25))
    task = Task("add", ROI, block, block, add_one(raw, result), num_workers=2, reads=raw, writes=result)
    assert run_blockwise([task], progress=False)
    assert (result.to_ndarray() == RAMP + 1).all()


def test_blocks_that_would_share_chunks_are_refused(tmp_path):
    raw = on_disk(tmp_path)

    def task(size, array, name="write", **more):
        block = Roi((0, 0), size)
        return Task(name, ROI, block, block, lambda block: None, writes=[array], fit="shrink", **more)

    with pytest.raises(ValueError, match="task 'write' writes array .* axis 0"):
        run_blockwise([task((30, 25), raw)], progress=False)
    assert run_blockwise([task((40, 25), raw)], progress=False)
    with pytest.raises(ValueError, match="'a' and 'b'|'b' and 'a'"):
        run_blockwise([task((20, 25), raw, "a"), task((20, 25), raw, "b")], progress=False)
    first = task((20, 25), raw, "a")
    assert run_blockwise([task((20, 25), raw, "b", upstream_tasks=[first])], progress=False)
    for sharing in ("lock", "unchecked"):
        free = open_ds(tmp_path / "a.zarr", "volumes/raw", "r+", chunk_sharing=sharing)
        assert run_blockwise([task((30, 25), free)], multiprocessing=False, progress=False)


def test_only_arrays_on_disk_can_be_declared():
    block = Roi((0, 0), (20, 25))
    for wrong in ("a.zarr", in_memory(), RAMP):
        with pytest.raises(TypeError, match=r"(?s)writes is .* daisy.open_ds"):
            Task("t", ROI, block, block, print, writes=wrong)


