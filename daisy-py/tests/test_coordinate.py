"""Coordinates: tuples of integers with element-wise arithmetic."""

import copy
import pickle
from fractions import Fraction

import numpy as np
import pytest

from daisy import Coordinate


def test_a_coordinate_comes_from_anything_that_gives_integers():
    expected = Coordinate(1, 2)
    for given in [(1, 2), [1, 2], np.array([1, 2]), np.array([1, 2], np.uint8), np.array([1.0, 2.0]), (x for x in (1, 2)), range(1, 3)]:
        assert Coordinate(given) == expected
    assert Coordinate(np.int64(1), np.float32(2)) == expected
    assert Coordinate(3) == Coordinate(np.array(3)) == (3,)
    assert all(type(entry) is int for entry in Coordinate(np.array([1, 2])))
    assert Coordinate(True, 2.0) == (1, 2)
    assert Coordinate(Fraction(10**30 + 1), Fraction(4, 2)) == (10**30 + 1, 2)


@pytest.mark.parametrize("given", [1.5, float("nan"), float("inf"), np.float64(0.5)])
def test_a_fraction_is_refused(given):
    with pytest.raises(ValueError, match="no integer"):
        Coordinate(given, 1)
    with pytest.raises(ValueError, match="no integer"):
        Coordinate(1, 2) * given


@pytest.mark.parametrize("given", ["12", b"12", ("1", "2"), (1j,), ((1, 2), (3, 4)), np.ones((2, 2), int), object()])
def test_what_is_no_number_is_refused(given):
    with pytest.raises(TypeError):
        Coordinate(given)


def test_a_coordinate_is_a_tuple():
    c = Coordinate(1, 2)
    assert isinstance(c, tuple) and c == (1, 2) and hash(c) == hash((1, 2))
    assert c < (1, 3) and {c: 1}[(1, 2)] == 1 and [*c] == [1, 2] and c[-1] == 2
    assert repr(c) == "(1, 2)" and c.dims == 2
    assert np.zeros((3, 4))[c] == 0 and np.zeros(c).shape == (1, 2)


def test_a_tuple_on_the_left_is_put_in_front():
    assert (3,) + Coordinate(10, 10) == (3, 10, 10)
    with pytest.raises(TypeError, match="make the right side a Coordinate"):
        Coordinate(10, 10) + (3, 3)


def test_arithmetic_goes_element_by_element():
    a, b = Coordinate(2, 3, 4), Coordinate(10, 5, 1)
    assert a * b == (20, 15, 4) and a * b * 2 + 1 == (41, 31, 9)
    assert a + b == (12, 8, 5) and a - b == (-8, -2, 3) and -a == (-2, -3, -4)
    assert abs(Coordinate(-1, 1)) == (1, 1) and a**2 == (4, 9, 16)
    for result in (a + 1, 1 + a, 2 * a, a * np.int64(2), np.int64(2) * a, -a, a // 2, 7 % a):
        assert type(result) is Coordinate
    assert 10 - a == (8, 7, 6) and 12 // a == (6, 4, 3) and -7 / Coordinate(2, -2) == (-3, 3)
    assert 2 * Coordinate(1, 2) == (2, 4)
    assert np.array([1, 2, 3]) + a == pytest.approx([3, 5, 7])
    assert a + np.array([1, 2, 3]) == pytest.approx([3, 5, 7])
    assert np.prod(a) == 24 and np.maximum(a, 3).tolist() == [3, 3, 4]


def test_division_rounds_as_its_name_says():
    c = Coordinate(7, -7)
    assert c / 2 == (3, -3) and c // 2 == (3, -4) and c / -2 == (-3, 3)
    assert c % 2 == (1, 1) and c % -2 == (-1, -1)
    assert c.floor_division(2) == (3, -4) and c.ceil_division(2) == (4, -3)
    assert c.floor_division(-2) == (-4, 3) and c.ceil_division((-2, -2)) == (-3, 4)


@pytest.mark.parametrize(
    "a, b, expected", [(2, 4, 0), (1, 2, 0), (-1, 2, -1), (6, 4, 1), (-6, 4, -2), (3, -2, -2), (5, 3, 2), (-5, 3, -2), (3, 4, 1)]
)
def test_round_division_takes_the_nearest_and_an_exact_half_down(a, b, expected):
    assert Coordinate(a).round_division(b) == (expected,)


def test_multiples():
    assert Coordinate(-4, 0).is_multiple_of((2, 3)) and Coordinate(4, 6).is_multiple_of(2)
    assert not Coordinate(4, 4).is_multiple_of(Coordinate(2, 3))


def test_what_none_meets_is_none():
    assert Coordinate(None, 2) + 1 == (None, 3)
    assert Coordinate(1, 2) * Coordinate(3, None) == (3, None)
    assert -Coordinate(None, 1) == (None, -1) and abs(Coordinate(None, -1)) == (None, 1)
    assert Coordinate(None, 7).round_division(2) == (None, 3)


def test_integers_are_of_any_size():
    big = 10**30 + 1
    assert Coordinate(big) * big == (big * big,)
    assert Coordinate(-big) / 10 == (-(10**29),) and Coordinate(-big) // 10 == (-(10**29) - 1,)


def test_differing_axes_and_zero_are_errors():
    with pytest.raises(ValueError, match="2 axes meet 3"):
        Coordinate(1, 2) + Coordinate(1, 2, 3)
    for divide in (lambda c: c / 0, lambda c: c // 0, lambda c: c % 0, lambda c: c.round_division(0)):
        with pytest.raises(ZeroDivisionError):
            divide(Coordinate(1, 2))
    for wrong in (None, "a", object()):
        with pytest.raises(TypeError):
            Coordinate(1, 2) + wrong


def test_squeeze_takes_an_axis_out():
    c = Coordinate(1, 2, 3)
    assert c.squeeze() == (2, 3) and c.squeeze(1) == (1, 3) and c.squeeze(-1) == (1, 2)
    with pytest.raises(IndexError):
        c.squeeze(3)


def test_copies_are_coordinates():
    c = Coordinate(1, None)
    for other in (pickle.loads(pickle.dumps(c)), copy.copy(c), copy.deepcopy(c)):
        assert type(other) is Coordinate and other == c


def test_coordinates_of_funlib_take_part():
    funlib = pytest.importorskip("funlib.geometry")
    theirs = funlib.Coordinate(3, 4)
    assert Coordinate(theirs) == (3, 4)
    assert type(Coordinate(1, 2) + theirs) is Coordinate and Coordinate(1, 2) + theirs == (4, 6)
    assert funlib.Coordinate(Coordinate(1, 2)) == funlib.Coordinate(1, 2)


def test_a_power_that_would_take_for_ever_is_refused():
    assert Coordinate(2, -3) ** 3 == (8, -27)
    assert (Coordinate(2) ** 4096)[0] == 1 << 4096
    assert Coordinate(1, 0, -1, None) ** 2**62 == (1, 0, 1, None)
    for power in (lambda: Coordinate(3, 3) ** 2**62, lambda: 2 ** Coordinate(2**62)):
        with pytest.raises(OverflowError, match="smaller numbers"):
            power()
