"""Names of 1.x that live in modules of their own."""

import subprocess
import sys

import pytest

import daisy


def test_modules_of_1x_are_where_scripts_look_for_them():
    import daisy.block
    import daisy.coordinate
    import daisy.logging
    import daisy.roi

    program = "import daisy; print(daisy.block.BlockStatus, daisy.server.Server, daisy.scheduler.Scheduler)"
    subprocess.run([sys.executable, "-c", program], check=True)
    from daisy.convenience import run_blockwise
    from daisy.serial_server import SerialServer

    assert (run_blockwise, SerialServer) == (daisy.run_blockwise, daisy.SerialServer)
    assert daisy.block.BlockStatus is daisy.BlockStatus and daisy.coordinate.Coordinate is daisy.Coordinate
    assert daisy.roi.Roi is daisy.Roi and daisy.logging.set_log_basedir is daisy.set_log_basedir


def test_the_folder_of_logs_is_told():
    before = daisy.get_log_basedir()
    try:
        daisy.set_log_basedir("elsewhere")
        assert str(daisy.get_log_basedir()) == "elsewhere"
        daisy.set_log_basedir(None)
        assert daisy.get_log_basedir() is None and daisy.get_worker_log_basename(1) is None
    finally:
        daisy.set_log_basedir(before)


def test_a_context_has_the_folder_of_logs(tmp_path, monkeypatch):
    before = daisy.get_log_basedir()
    try:
        for folder in (tmp_path / "a:b", None):
            daisy.set_log_basedir(folder)
            told = daisy.Context(hostname="host", port=1)
            monkeypatch.setenv(daisy.Context.ENV_VARIABLE, told.to_env())
            daisy.set_log_basedir("elsewhere")
            found = daisy.Context.from_env()["logdir"]
            assert found == told["logdir"] == (None if folder is None else str(folder))
    finally:
        daisy.set_log_basedir(before)
    monkeypatch.delenv(daisy.Context.ENV_VARIABLE)
    with pytest.raises(KeyError, match="DAISY_CONTEXT"):
        daisy.Context.from_env()


def test_output_is_redirected_with_that_of_children(tmp_path):
    program = """
import daisy, os, sys
daisy.redirect_stdouterr(sys.argv[1])
print("printed")
print("said", file=sys.stderr, flush=True)
sys.stdout.flush()
os.system("echo child")
"""
    base = tmp_path / "logs" / "worker"
    result = subprocess.run([sys.executable, "-c", program, str(base)], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert base.with_suffix(".out").read_text() == "printed\nchild\n"
    assert base.with_suffix(".err").read_text() == "said\n"


def test_rois_grow_to_whole_blocks():
    read, write = daisy.Roi((0,), (8,)), daisy.Roi((2,), (5,))
    assert daisy.expand_write_roi_to_grid(daisy.Roi((-1,), (7,)), write) == daisy.Roi((-5,), (15,))
    total = daisy.Roi((-10,), (40,))  # the first block writes [-8, -3)
    assert daisy.expand_roi_to_grid(daisy.Roi((-4,), (2,)), total, read, write) == daisy.Roi((-8,), (10,))
