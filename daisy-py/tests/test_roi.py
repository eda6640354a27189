"""Regions of interest: half-open boxes, bounded or unbounded along each axis."""

import copy
import pickle

import numpy as np
import pytest

from daisy import Coordinate, Roi


def test_a_roi_is_half_open():
    roi = Roi((0, 5), (10, 4))
    assert repr(roi) == str(roi) == "[0:10, 5:9] (10, 4)"
    assert roi.begin == roi.offset == (0, 5) and roi.end == (10, 9) and roi.shape == (10, 4)
    assert roi.center == (5, 7) and roi.dims == 2 and roi.size == 40
    assert not roi.empty and not roi.unbounded
    assert type(roi.shape) is Coordinate
    assert roi.contains((9, 8)) and not roi.contains((10, 8)) and not roi.contains((9, 9))


def test_a_roi_comes_from_tuples_lists_arrays_and_coordinates():
    expected = Roi((1, 2), (3, 4))
    for make in (list, np.array, Coordinate, iter):
        assert Roi(make([1, 2]), make([3, 4])) == expected
    assert Roi(offset=(1.0, 2), shape=(np.int8(3), np.float32(4))) == expected
    assert Roi(5, 3) == Roi((5,), (3,))


@pytest.mark.parametrize(
    "offset, shape, error",
    [
        ((0, 0), (1, 2, 3), ValueError),
        ((1.5,), (4,), ValueError),
        (("0",), (4,), TypeError),
        ("0", "4", TypeError),
        ((None,), (5,), ValueError),
        ((2**62,), (5,), OverflowError),
        ((2**80,), (5,), OverflowError),
    ],
)
def test_what_is_no_roi_is_refused(offset, shape, error):
    with pytest.raises(error):
        Roi(offset, shape)


def test_unbounded_axes():
    slab = Roi((None, 2), (None, 5))
    assert repr(slab) == "[:, 2:7] (None, 5)" and slab.unbounded and not slab.empty
    assert slab.begin == (None, 2) and slab.end == (None, 7) and slab.shape == (None, 5)
    assert slab.center == (None, 4) and slab.size is None
    assert Roi((3, 2), (None, 5)) == slab  # without a shape there is no offset
    assert slab.intersect(Roi((0, 0), (4, 4))) == Roi((0, 2), (4, 2))
    assert slab.union(Roi((0, 0), (4, 4))) == Roi((None, 0), (None, 7))
    assert slab + 1 == Roi((None, 3), (None, 5)) and slab + Coordinate(None, 1) == slab + 1
    assert slab.grow(1, 1) == Roi((None, 1), (None, 7)) and slab * 2 == Roi((None, 4), (None, 10))
    assert slab.snap_to_grid((3, 3)) == Roi((None, 0), (None, 9))
    assert slab.contains((10**9, 2)) and slab.contains(slab) and not Roi((0, 0), (9, 9)).contains(slab)
    with pytest.raises(ValueError, match="axis 0"):
        Roi((0,), (4,)) + Coordinate(None)


def test_the_canonical_empty_roi():
    nothing = Roi((0,), (4,)).intersect(Roi((4,), (4,)))  # touching edges do not meet
    assert nothing == Roi((None,), (0,)) and nothing.empty and repr(nothing) == "[empty] (0)"
    assert nothing.offset == (None,) and nothing.shape == (0,) and nothing.size == 0
    assert Roi((0,), (4,)).contains(nothing) and nothing.contains(nothing)
    assert Roi((0,), (4,)).union(nothing) == Roi((0,), (4,))
    assert nothing + 5 == nothing and nothing * 2 == nothing and nothing.grow(1, 1) == nothing


def test_an_empty_roi_with_an_offset_lies_where_it_begins():
    assert not Roi((0,), (10,)).contains(Roi((10,), (0,)))
    assert Roi((0,), (10,)).contains(Roi((9,), (0,)))
    assert Roi((0,), (-5,)).empty and Roi((0,), (-5,)).size == 0


def test_intersects():
    assert Roi((0,), (4,)).intersects(Roi((3,), (4,)))
    assert not Roi((0,), (4,)).intersects(Roi((4,), (4,)))
    assert not Roi((0,), (4,)).intersects(Roi((2,), (0,)))
    with pytest.raises(ValueError, match="1 axes meet 2"):
        Roi((0,), (4,)).intersects(Roi((0, 0), (4, 4)))


def test_moving_and_scaling():
    roi = Roi((1, 1, 1), (10, 10, 10)) * Coordinate(10, 5, 1)
    assert roi == Roi((10, 5, 1), (100, 50, 10)) and roi + 1 == Roi((11, 6, 2), (100, 50, 10))
    assert Roi((1,), (4,)).shift((2,)) == Roi((1,), (4,)) + 2 == Roi((3,), (4,))
    assert Roi((1,), (4,)) - Coordinate(2) == Roi((-1,), (4,))
    assert Roi((-3,), (5,)) / 2 == Roi((-1,), (2,)) and Roi((-3,), (5,)) // 2 == Roi((-2,), (2,))
    assert Roi((-3,), (5,)) % 2 == Roi((1,), (1,))
    with pytest.raises(ZeroDivisionError):
        Roi((1,), (4,)) / 0
    with pytest.raises(TypeError, match="no meaning"):
        Roi((1,), (4,)) + Roi((1,), (4,))


def test_growing():
    roi = Roi((0, 0), (4, 4))
    assert roi.grow(1) == Roi((-1, -1), (5, 5)) and roi.grow(amount_pos=2) == Roi((0, 0), (6, 6))
    assert roi.grow((1, 0), Coordinate(0, 2)) == Roi((-1, 0), (5, 6))
    assert roi.grow(-1, -1) == Roi((1, 1), (2, 2)) and roi.grow(-3, -3).empty


@pytest.mark.parametrize("mode, expected", [("grow", (0, 6)), ("shrink", (2, 2)), ("closest", (0, 4))])
def test_snapping(mode, expected):
    begin, shape = expected
    assert Roi((1,), (4,)).snap_to_grid((2,), mode) == Roi((begin,), (shape,))
    assert Roi((1,), (4,)).snap_to_grid(2, mode=mode) == Roi((begin,), (shape,))


def test_snapping_past_nothing_and_nonsense():
    assert Roi((1,), (1,)).snap_to_grid((10,), "shrink").shape == (0,)
    for size in (0, -2):
        with pytest.raises(ValueError, match="voxel size"):
            Roi((1,), (4,)).snap_to_grid((size,))
    with pytest.raises(ValueError, match="grow, shrink, closest"):
        Roi((1,), (4,)).snap_to_grid((2,), "tighten")


def test_slices_index_arrays():
    array = np.arange(20).reshape(4, 5)
    assert array[Roi((1, 2), (2, 3)).to_slices()].tolist() == [[7, 8, 9], [12, 13, 14]]
    assert array[Roi((None, 2), (None, 1)).get_bounding_box()].tolist() == [[2], [7], [12], [17]]
    assert array[Roi((None, None), (0, 0)).to_slices()].shape == (0, 0)
    assert Roi((-1,), (4,)).to_slices() == (slice(-1, 3),)


def test_offset_and_shape_can_be_set():
    roi = Roi((0, 0), (5, 5))
    roi.offset = (1, 2)
    assert roi == Roi((1, 2), (5, 5))
    roi.shape = [3, np.int64(4)]
    assert roi == Roi((1, 2), (3, 4))
    roi.shape = (None, 4)
    assert roi == Roi((None, 2), (None, 4))
    with pytest.raises(ValueError):
        roi.offset = (1,)
    assert roi == Roi((None, 2), (None, 4))
    with pytest.raises(AttributeError):
        roi.ofset = (1, 2)
    with pytest.raises(TypeError, match="unhashable"):
        hash(roi)


def test_the_older_names():
    roi = Roi((1,), (4,))
    assert (roi.get_begin(), roi.get_end(), roi.get_offset()) == ((1,), (5,), (1,))
    assert (roi.get_shape(), roi.get_center(), roi.get_size()) == ((4,), (3,), 4)
    roi.set_offset((2,))
    roi.set_shape((3,))
    assert roi == Roi((2,), (3,))


def test_squeeze_takes_an_axis_out():
    roi = Roi((1, 2, 3), (4, 5, 6))
    assert roi.squeeze() == Roi((2, 3), (5, 6)) and roi.squeeze(-1) == Roi((1, 2), (4, 5))
    for axis in (3, -4):
        with pytest.raises(IndexError):
            roi.squeeze(axis)


def test_copies_are_independent():
    for roi in (Roi((1, None), (4, None)), Roi((None,), (0,))):
        for other in (roi.copy(), copy.copy(roi), copy.deepcopy(roi), pickle.loads(pickle.dumps(roi))):
            assert other == roi and other is not roi
    roi = Roi((1,), (4,))
    other = roi.copy()
    other.offset = (2,)
    assert roi.offset == (1,)


def test_equality_is_that_of_the_bounds():
    assert Roi((0,), (5,)) == Roi((0,), (5,)) and not Roi((0,), (5,)) != Roi((0,), (5,))
    assert Roi((0,), (5,)) != Roi((0,), (6,)) and Roi((0,), (5,)) != 1 and Roi((0,), (5,)) != (0, 5)
    assert Roi((0,), (5,)) in [Roi((0,), (5,))]


def test_rois_of_funlib_take_part():
    funlib = pytest.importorskip("funlib.geometry")
    ours, theirs = Roi((0, 0), (4, 4)), funlib.Roi((2, 2), (4, 4))
    assert ours.intersect(theirs) == Roi((2, 2), (2, 2)) and ours.union(theirs) == Roi((0, 0), (6, 6))
    assert ours.intersects(theirs) and not ours.contains(theirs) and ours + funlib.Coordinate(1, 1) == ours + 1
    assert Roi((2, 2), (4, 4)) == theirs
    # And the other way round, as far as their functions ask for no type of theirs.
    assert theirs.intersect(ours) == funlib.Roi((2, 2), (2, 2)) and theirs.intersects(ours)
    assert theirs.union(ours) == funlib.Roi((0, 0), (6, 6))
    assert funlib.Roi(ours.offset, ours.shape) == funlib.Roi((0, 0), (4, 4))
