"""Coordinates: tuples of integers with element-wise arithmetic.

The class is written in Python since it derives from ``tuple``: coordinates index, compare, hash and
unpack as tuples do. Integers are of any size; no float is ever involved.
"""

from __future__ import annotations

import functools
import math
import numbers
import operator
import sys
from typing import Any, Callable, Optional

_Function = Callable[[int, int], int]

#: The bits that a power may have, which is more than any coordinate needs: far beyond, computing it takes for ever.
_LONGEST_POWER = 1 << 20


class Coordinate(tuple):
    """A tuple of integers, one an axis.

    Made from several integers or from one iterable of integers: ``Coordinate(1, 2)``,
    ``Coordinate((1, 2))``, ``Coordinate(np.array([1, 2]))``. Floats are taken if they are integral
    (``2.0``). An entry may be None, as for the axis of an unbounded ROI; whatever None meets is None.

    ``+ - * / // % **``, ``-c`` and ``abs`` act element by element, with a coordinate of as many axes or
    with one integer for all of them, on either side. ``/`` rounds toward zero, ``//`` down, and ``%`` has
    the divisor's sign::

        >>> Coordinate(7, -7) / 2, Coordinate(7, -7) // 2
        ((3, -3), (3, -4))
        >>> 2 * Coordinate(1, 2)
        (2, 4)

    A plain tuple is not added but, on the left, put in front, as tuples are::

        >>> (3,) + Coordinate(10, 10)
        (3, 10, 10)
    """

    __slots__ = ()

    # Numbers and arrays of numpy on the left leave the arithmetic to the methods below.
    __array_priority__ = 1000.0

    def __new__(cls, *array_like: Any) -> Coordinate:
        entries = array_like
        if len(array_like) == 1 and hasattr(array_like[0], "__iter__"):
            if isinstance(array_like[0], (str, bytes)):
                raise TypeError(f"{array_like[0]!r} is text; give integers")
            if getattr(array_like[0], "ndim", 1) != 0:
                entries = array_like[0]
        return tuple.__new__(cls, map(_entry, entries))

    @property
    def dims(self) -> int:
        """The number of axes."""
        return len(self)

    def squeeze(self, dim: int = 0) -> Coordinate:
        """The coordinate without one axis; negative numbers count from the last one."""
        if not -len(self) <= dim < len(self):
            raise IndexError(f"axis {dim} of {len(self)}; name one that exists")
        dim %= len(self)
        return of_tuple(self[:dim] + self[dim + 1 :])

    def is_multiple_of(self, coordinate: Any) -> bool:
        """Whether every entry is a multiple of the other's; zero is a multiple of everything."""
        return not any(self._with(coordinate, operator.mod))

    def round_division(self, other: Any) -> Coordinate:
        """The quotient rounded to the nearest integer, an exact half down.

        ``6/4 -> 1``, ``-6/4 -> -2``, ``3/-2 -> -2``.
        """
        return self._with(other, _div_round)

    def floor_division(self, other: Any) -> Coordinate:
        """The quotient rounded down: the same as ``//``."""
        return self._with(other, operator.floordiv)

    def ceil_division(self, other: Any) -> Coordinate:
        """The quotient rounded up."""
        return self._with(other, _div_ceil)

    def __neg__(self) -> Coordinate:
        return of_tuple(tuple(None if a is None else -a for a in self))

    def __pos__(self) -> Coordinate:
        return self

    def __abs__(self) -> Coordinate:
        return of_tuple(tuple(None if a is None else abs(a) for a in self))

    def __add__(self, other: Any) -> Coordinate:  # type: ignore[override]
        return self._before(other, operator.add, "+")

    def __radd__(self, other: Any) -> Coordinate:
        return self._behind(other, operator.add, operator.add)

    def __sub__(self, other: Any) -> Coordinate:
        return self._before(other, operator.sub, "-")

    def __rsub__(self, other: Any) -> Coordinate:
        return self._behind(other, operator.sub, operator.sub)

    def __mul__(self, other: Any) -> Coordinate:  # type: ignore[override]
        return self._before(other, operator.mul, "*")

    def __rmul__(self, other: Any) -> Coordinate:  # type: ignore[override]
        return self._behind(other, operator.mul, operator.mul)

    def __truediv__(self, other: Any) -> Coordinate:
        return self._before(other, _div_trunc, "/")

    def __rtruediv__(self, other: Any) -> Coordinate:
        return self._behind(other, _div_trunc, operator.truediv)

    def __floordiv__(self, other: Any) -> Coordinate:
        return self._before(other, operator.floordiv, "//")

    def __rfloordiv__(self, other: Any) -> Coordinate:
        return self._behind(other, operator.floordiv, operator.floordiv)

    def __mod__(self, other: Any) -> Coordinate:
        return self._before(other, operator.mod, "%")

    def __rmod__(self, other: Any) -> Coordinate:
        return self._behind(other, operator.mod, operator.mod)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        # funlib.geometry asks isinstance(): what is written with it takes these coordinates for its own.
        geometry = sys.modules.get("funlib.geometry")
        return type(self) if geometry is None else geometry.Coordinate

    def __reduce__(self) -> tuple:
        return type(self), (tuple(self),)

    def __pow__(self, other: Any) -> Coordinate:
        return self._before(other, _power, "**")

    def __rpow__(self, other: Any) -> Coordinate:
        return self._behind(other, _power, operator.pow)

    def _with(self, other: Any, function: _Function) -> Coordinate:
        """``function`` of every entry and the other's; any sequence of integers will do."""
        entries = other if isinstance(other, Coordinate) else _spread(other, len(self))
        return of_tuple(tuple(map(_lifted(function), self, _same_dims(self, entries))))

    def _before(self, other: Any, function: _Function, symbol: str) -> Any:
        """The operation with what stands on the right."""
        if isinstance(other, numbers.Number) or _is_coordinate(other):
            return self._with(other, function)
        if isinstance(other, (tuple, list)):
            # Tuples would be put one behind the other, which is hardly ever meant.
            raise TypeError(
                f"Coordinate {symbol} {type(other).__name__}: make the right side a Coordinate"
            )
        return NotImplemented

    def _behind(self, other: Any, function: _Function, python: Callable[[Any, Any], Any]) -> Any:
        """The operation with what stands on the left."""
        if isinstance(other, numbers.Number):
            return of_tuple(_spread(other, len(self)))._with(self, function)
        if hasattr(other, "__array__"):
            return python(other, tuple(self))
        return NotImplemented


def _entry(value: Any) -> Optional[int]:
    """A Python integer, or None."""
    if value is None or type(value) is int:
        return value
    try:
        return int(operator.index(value))
    except TypeError:
        pass
    if not isinstance(value, numbers.Real):
        raise TypeError(f"{value!r} is no integer; give integers, or None for an unbounded axis")
    if isinstance(value, numbers.Rational) and value.denominator == 1:
        return int(value.numerator)
    if not math.isfinite(value) or float(value) % 1 != 0:
        raise ValueError(f"{value!r} is no integer; round it first")
    return int(float(value))


def _spread(value: Any, dims: int) -> tuple:
    """The entries of a sequence, or one number so many times."""
    if hasattr(value, "__iter__") and getattr(value, "ndim", 1) != 0:
        return Coordinate(value)
    if value is None:
        raise TypeError("None is no number; give an integer or a coordinate")
    return (_entry(value),) * dims


def _same_dims(left: tuple, right: tuple) -> tuple:
    if len(left) != len(right):
        raise ValueError(
            f"{len(left)} axes meet {len(right)}: give both operands the same number of axes"
        )
    return right


@functools.lru_cache(maxsize=None)
def _lifted(function: _Function) -> Callable[[Any, Any], Optional[int]]:
    """The function for entries that may be None."""
    return lambda a, b: None if a is None or b is None else function(a, b)


def _div_trunc(a: int, b: int) -> int:
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _div_ceil(a: int, b: int) -> int:
    return -(-a // b)


def _div_round(a: int, b: int) -> int:
    # The least integer that is at least a / b - 1 / 2.
    return -((b - 2 * a) // (2 * b))


def _power(a: int, b: int) -> int:
    if b < 0:
        raise ValueError(f"{a} ** {b} is no integer; give an exponent of at least 0")
    if abs(a) > 1 and a.bit_length() * b > _LONGEST_POWER:
        raise OverflowError(f"{a} ** {b} has more than {_LONGEST_POWER} bits; use smaller numbers")
    return a**b


def _is_coordinate(value: Any) -> bool:
    """Whether this is a coordinate, ours or that of another package."""
    return isinstance(value, tuple) and hasattr(value, "round_division")


#: A coordinate of a tuple of integers and None, unchecked: what Rust makes coordinates with.
of_tuple: Callable[[tuple], Coordinate] = functools.partial(tuple.__new__, Coordinate)
