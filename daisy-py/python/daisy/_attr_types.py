"""Types of attributes: as Python scripts give them, and as the stores name them."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Union

import numpy

#: Names of attributes and their types: "int64", or a type and the length of a vector.
AttrTypes = dict[str, Union[str, tuple[str, int]]]

#: By the kind of a dtype.
_KINDS = {"b": "bool", "i": "i64", "u": "u64", "f": "f64", "U": "text", "S": "bytes"}

#: What stores call them, and Python.
_NAMES = {"bool": "bool", "i64": "int64", "u64": "uint64", "f64": "float64", "text": "str", "bytes": "bytes"}


def as_text(attrs: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and types as stores name these.

    Raises TypeError for what is no type of an attribute.
    """
    return [(name, _text(name, given)) for name, given in attrs.items()]


def as_python(attrs: Optional[Mapping[str, str]]) -> Optional[AttrTypes]:
    """Names and types from those of a store."""
    return None if attrs is None else {name: _python(text) for name, text in attrs.items()}


def dtype(text: str) -> Any:
    """What an array of such values is made of."""
    element = text.partition("[")[0]
    return {"text": numpy.str_, "bytes": object}.get(element, _NAMES[element])


def _text(name: str, given: Any) -> str:
    if isinstance(given, tuple) and len(given) == 2:
        element, length = given
        text = _scalar(element)
        if text in ("i64", "u64", "f64") and isinstance(length, int) and length >= 1:
            return f"{text}[{length}]"
    else:
        text = _scalar(given)
        if text is not None:
            return text
    raise TypeError(
        f"attribute {name!r} cannot be of type {given!r}; give bool, int, float, str, bytes, a dtype of "
        "NumPy with at most 64 bits, or a vector of numbers such as (float, 3)"
    )


def _scalar(given: Any) -> Optional[str]:
    if given is None:  # which is float for NumPy
        return None
    try:
        found = numpy.dtype(given)
    except TypeError:
        return None
    is_number = found.kind in "biuf" and found.itemsize <= 8
    return _KINDS.get(found.kind) if found.shape == () and (is_number or found.kind in "US") else None


def _python(text: str) -> Union[str, tuple[str, int]]:
    element, bracket, length = text.partition("[")
    return (_NAMES[element], int(length[:-1])) if bracket else _NAMES[element]
