"""Arrays in S3 (of a server on this machine) and over HTTP, and images of several levels."""

import functools
import http.server
import json
import multiprocessing
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest

import daisy
from daisy import Roi, Task, open_ds, open_multiscale, prepare_ds, prepare_multiscale, run_blockwise

ROI = Roi((-20, 100), (60, 50))  # 6 x 10 voxels
VOXEL = (10, 5)
RAMP = np.arange(60, dtype=np.uint16).reshape(6, 10)


@pytest.fixture(scope="module")
def s3():
    """The settings of an S3 server, on which there is an empty bucket, ``volumes``; and its client."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {"endpoint_url": f"http://{host}:{port}", "region": "us-east-1", "key": "a", "secret": "b"}
    client = pytest.importorskip("boto3").client(
        "s3",
        endpoint_url=settings["endpoint_url"],
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    client.create_bucket(Bucket="volumes")
    yield settings, client
    server.stop()


@pytest.fixture
def web(tmp_path):
    """The address at which the files of a folder can be read, and the folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", tmp_path
    server.shutdown()
    server.server_close()


def double(block, source, target):
    target[block.write_roi] = source.to_ndarray(block.write_roi) * 2


def test_worker_processes_read_and_write_arrays_in_s3(s3):
    settings, client = s3
    place = "s3://volumes/run.zarr"
    source = prepare_ds(place, "in/raw", ROI, VOXEL, np.uint16, write_size=(20, 25), storage_options=settings)
    target = prepare_ds(place, "out", ROI, VOXEL, np.uint16, write_size=(20, 25), storage_options=settings)
    source[ROI] = RAMP
    block = Roi((0, 0), (20, 25))
    function = functools.partial(double, source=source, target=target)
    task = Task("double", ROI, block, block, function, num_workers=2, reads=[source], writes=[target])
    assert run_blockwise([task])
    again = open_ds(place, "out", storage_options=settings)
    assert again.roi == ROI
    assert (again.to_ndarray() == RAMP * 2).all()
    for group in ("", "in/"):
        found = client.get_object(Bucket="volumes", Key=f"run.zarr/{group}zarr.json")["Body"].read()
        assert json.loads(found)["node_type"] == "group"


def test_an_array_in_s3_that_is_there_is_opened_if_it_is_the_same(s3):
    settings, _ = s3
    make = functools.partial(prepare_ds, "s3://volumes/same.zarr", "a", ROI, VOXEL, storage_options=settings)
    make(np.uint16)[ROI] = RAMP
    assert (make(np.uint16).to_ndarray() == RAMP).all()
    with pytest.raises(ValueError, match="dtype"):
        make(np.uint8)
    assert (make(np.uint8, delete=True).to_ndarray() == 0).all()


def read_in_child(array, queue):
    queue.put(array.to_ndarray())


def test_forked_and_spawned_processes_have_connections_of_their_own(s3):
    settings, _ = s3
    array = prepare_ds("s3://volumes/fork.zarr", "a", ROI, VOXEL, np.uint16, storage_options=settings)
    array[ROI] = RAMP
    assert (pickle.loads(pickle.dumps(array)).to_ndarray() == RAMP).all()
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        queue = context.Queue()
        child = context.Process(target=read_in_child, args=(array, queue))
        child.start()
        assert (queue.get(timeout=60) == RAMP).all()
        child.join(60)
        assert child.exitcode == 0


def test_over_http_arrays_are_read_only(web):
    address, folder = web
    prepare_ds(folder / "a.zarr", "raw", ROI, VOXEL, np.uint16)[ROI] = RAMP
    array = open_ds(f"{address}/a.zarr", "raw")
    assert (array.to_ndarray() == RAMP).all()
    assert array.data.path == f"{address}/a.zarr/raw"
    with pytest.raises(PermissionError, match="mode 'r'"):
        open_ds(f"{address}/a.zarr", "raw", mode="r+")
    with pytest.raises(PermissionError):
        prepare_ds(f"{address}/b.zarr", "raw", ROI, VOXEL, np.uint16)
    with pytest.raises(FileNotFoundError):
        open_ds(f"{address}/a.zarr", "labels")


@pytest.mark.parametrize(
    "place, settings, expected",
    [
        ("gs://volumes/a.zarr", {}, "no arrays at gs://"),
        ("s3://volumes/a.zarr", {"token": "x"}, "'token' is no setting|\"token\" is no setting"),
        ("s3://volumes/a.zarr", {"anon": "yes"}, "not of this type"),
        ("s3://volumes/a.zarr", {"key": "x"}, "both key and secret"),
        ("s3://volumes/a.zarr", {"timeout": "5"}, "not of this type"),
        ("s3://volumes/a.zarr", {"anon": None}, "anon of storage_options is None"),
        ("http://127.0.0.1/a.zarr", {"anon": True}, "over HTTP"),
        ("http://127.0.0.1/a.zarr", {"timeout": 0}, "positive number of seconds"),
        ("a.zarr", {"anon": True}, "leave them out"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(place, settings, expected):
    with pytest.raises(ValueError, match=expected):
        open_ds(place, "raw", storage_options=settings)


@pytest.fixture
def silent():
    """The address of a server that takes requests and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_server_that_says_nothing_is_given_up(silent):
    with pytest.raises(OSError, match="check address, network"):
        open_ds(f"{silent}/a.zarr", "raw", storage_options={"timeout": 0.1})
    settings = {"endpoint_url": silent, "key": "a", "secret": "b", "timeout": 0.1}
    with pytest.raises(OSError, match="check address, network"):
        prepare_ds("s3://volumes/a.zarr", "raw", ROI, VOXEL, np.uint16, storage_options=settings)


def test_ctrl_c_ends_the_waiting_for_a_server(silent):
    script = f"import daisy; print('asks', flush=True); daisy.open_ds('{silent}/a', storage_options={{'timeout': 3600}})"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "asks\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_credentials_are_not_looked_for_unless_asked(monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with pytest.raises(OSError, match="there are no credentials"):
        open_ds("s3://volumes/a.zarr", "raw")


IMAGE = Roi((0, 40, 80), (320, 320, 480))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_the_levels_of_an_image(tmp_path, zarr_format):
    path = tmp_path / "image.zarr"
    make = functools.partial(
        prepare_multiscale, path, "", IMAGE, (40, 4, 4), np.uint8, [(1, 2, 2), (2, 4, 4)], units=["nm"] * 3
    )
    fine, middle, coarse = make(zarr_format=zarr_format, chunk_shape=(4, 16, 16))
    assert [level.voxel_size for level in (fine, middle, coarse)] == [(40, 4, 4), (40, 8, 8), (80, 16, 16)]
    assert fine.roi == middle.roi == coarse.roi == IMAGE
    fine[IMAGE] = np.arange(8 * 80 * 120, dtype=np.uint8).reshape(8, 80, 120)
    coarse[IMAGE] = 7
    for space_unit, factor in ((None, 1), ("angstrom", 10)):
        levels = open_multiscale(path, space_unit=space_unit)
        assert [level.roi for level in levels] == [IMAGE * factor] * 3
        assert (levels[0].to_ndarray() == fine.to_ndarray()).all()
        sent = pickle.loads(pickle.dumps(levels[2]))
        assert (sent.roi, sent.voxel_size) == (coarse.roi * factor, coarse.voxel_size * factor)
        assert (sent.to_ndarray() == 7).all()
    assert (make(zarr_format=zarr_format, chunk_shape=(4, 16, 16))[2].to_ndarray() == 7).all(), "it is opened"
    # Whoever knows nothing of images sees arrays.
    assert open_ds(path, "0").shape == (8, 80, 120)
    with pytest.raises(ValueError, match="whole"):
        open_multiscale(path, space_unit="um")


def test_an_image_in_a_group_and_in_s3(s3):
    settings, client = s3
    place = ("s3://volumes/image.zarr", "fly/raw")
    levels = prepare_multiscale(*place, IMAGE, (40, 4, 4), np.uint8, [(1, 2, 2)], storage_options=settings)
    levels[1][IMAGE] = 9
    read = open_multiscale(*place, storage_options=settings)
    assert [level.roi for level in read] == [IMAGE, IMAGE]
    assert (read[1].to_ndarray() == 9).all()
    found = json.loads(client.get_object(Bucket="volumes", Key="image.zarr/fly/zarr.json")["Body"].read())
    assert found["node_type"] == "group"


def test_images_of_other_libraries_are_read(tmp_path):
    zarr = pytest.importorskip("zarr", minversion="3")
    group = zarr.open_group(tmp_path / "other.zarr", mode="w", zarr_format=3)
    group.create_array("s0", data=RAMP, chunks=(2, 5))
    transformations = [{"type": "scale", "scale": [0.01, 0.005]}, {"type": "translation", "translation": [0.5, 1.0]}]
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    datasets = [{"path": "s0", "coordinateTransformations": transformations}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    (level,) = open_multiscale(tmp_path / "other.zarr", space_unit="nm")
    assert (level.voxel_size, level.roi.offset) == (daisy.Coordinate(10, 5), daisy.Coordinate(500, 1000))
    assert (level.to_ndarray() == RAMP).all()
