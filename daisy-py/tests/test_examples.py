"""The examples run, and are right."""

import pathlib
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"


def test_the_segmentation(tmp_path):
    pytest.importorskip("zarr", minversion="3")
    command = [sys.executable, str(EXAMPLES / "segment.py")]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.rstrip().endswith("equal")
