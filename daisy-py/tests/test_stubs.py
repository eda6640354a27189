"""What the type stubs say is so, and the package keeps to it."""

import pathlib
import subprocess
import sys

import pytest

PACKAGE = pathlib.Path(__file__).parent.parent / "python" / "daisy"

#: What a class that is written in Rust has without meaning to: one slot serves `a + b` from either side.
NOT_MEANT = r"""
daisy\._daisy\.__all__
daisy\._daisy\.Roi\.__r(add|sub|mul|truediv|floordiv|mod)__
"""


def mypy(tmp_path, *arguments):
    pytest.importorskip("mypy")
    result = subprocess.run([sys.executable, "-m", *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_stubs_are_those_of_the_module(tmp_path):
    allowed = tmp_path / "allowed"
    allowed.write_text(NOT_MEANT)
    mypy(tmp_path, "mypy.stubtest", "daisy._daisy", "--ignore-disjoint-bases", "--allowlist", str(allowed))


def test_the_package_keeps_to_its_types(tmp_path):
    mypy(tmp_path, "mypy", "--ignore-missing-imports", str(PACKAGE))
