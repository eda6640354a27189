"""Coordinates and ROIs of funlib.geometry, which those of daisy 1.x are, and ours: each works with the other's."""

import copy
import pickle
import subprocess
import sys

import cloudpickle
import pytest
from funlib import geometry

import daisy

THEIR_POINT, OUR_POINT = geometry.Coordinate(1, 2), daisy.Coordinate(3, 4)
THEIR_ROI, OUR_ROI = geometry.Roi((0, 0), (10, 10)), daisy.Roi((5, 5), (2, 2))


@pytest.mark.parametrize("operation", ["a + b", "a - b", "a * b", "a / b", "a // b", "a == b", "a < b"])
def test_coordinates_meet(operation):
    def result(a, b):
        return eval(operation, {"a": a, "b": b})

    expected = result(THEIR_POINT, geometry.Coordinate(OUR_POINT))
    assert result(THEIR_POINT, OUR_POINT) == expected
    assert result(daisy.Coordinate(THEIR_POINT), geometry.Coordinate(OUR_POINT)) == expected


@pytest.mark.parametrize(
    "operation",
    ["a.intersect(b)", "a.union(b)", "a.contains(b)", "a.intersects(b)", "a == b", "a + b.offset", "a * b.shape",
     "a / b.shape", "a.contains(b.offset)", "a.grow(b.shape, b.shape)", "a.snap_to_grid(b.shape)", "a.shift(b.offset)"],
)  # fmt: skip
def test_rois_meet(operation):
    def result(a, b):
        return eval(operation, {"a": a, "b": b})

    expected = result(THEIR_ROI, geometry.Roi(OUR_ROI.offset, OUR_ROI.shape))
    assert result(THEIR_ROI, OUR_ROI) == expected
    ours = result(daisy.Roi(THEIR_ROI.offset, THEIR_ROI.shape), geometry.Roi(OUR_ROI.offset, OUR_ROI.shape))
    assert ours == expected


def test_what_asks_for_a_class_of_funlib_takes_ours():
    assert isinstance(OUR_POINT, geometry.Coordinate) and isinstance(OUR_ROI, geometry.Roi)
    assert isinstance(OUR_POINT, daisy.Coordinate) and isinstance(OUR_ROI, daisy.Roi)
    assert not isinstance(THEIR_ROI, daisy.Roi) and not isinstance((1, 2), geometry.Coordinate)
    assert type(OUR_POINT + 1) is daisy.Coordinate and type(OUR_ROI + 1) is daisy.Roi


@pytest.mark.parametrize("value", [OUR_POINT, OUR_ROI, daisy.Coordinate(None, 1), daisy.Roi((None,), (None,))], ids=repr)
@pytest.mark.parametrize("library", [pickle, cloudpickle])
def test_they_stay_what_they_are(value, library):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = library.loads(library.dumps(value, protocol))
        assert type(again) is type(value) and again == value
    for again in (copy.copy(value), copy.deepcopy(value)):
        assert type(again) is type(value) and again == value


def test_without_funlib_they_are_of_their_own_class():
    program = (
        "import daisy, sys\n"
        "assert daisy.Coordinate(1).__class__ is daisy.Coordinate and daisy.Roi((0,), (1,)).__class__ is daisy.Roi\n"
        "assert 'funlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
