"""What is read column by column, as arrays."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Union

import numpy

from ._attr_types import dtype


def as_arrays(
    columns: Any, store: Any, position: Union[str, list[str]], ends: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Nodes and edges as dicts of names and arrays, each node and each edge once."""
    (ids, axes, node_attrs), (pairs, edge_attrs) = columns
    ids = numpy.frombuffer(ids, numpy.uint64)
    positions = numpy.frombuffer(axes, numpy.float64).reshape(-1, store.dims)
    nodes: dict[str, Any] = {"id": ids}
    if isinstance(position, str):
        nodes[position] = positions
    else:
        nodes.update((name, positions[:, axis]) for axis, name in enumerate(position))
    pairs = numpy.frombuffer(pairs, numpy.uint64).reshape(-1, 2)
    edges: dict[str, Any] = {ends[0]: pairs[:, 0], ends[1]: pairs[:, 1]}
    nodes.update(_arrays(node_attrs, store.node_attrs))
    edges.update(_arrays(edge_attrs, store.edge_attrs))
    names = pairs if store.directed else numpy.sort(pairs, axis=1)
    return _once(nodes, ids), _once(edges, names)


def _once(columns: dict[str, Any], names: Any) -> dict[str, Any]:
    """The rows without those whose name comes again: in a database without snapshots, a node that moves
    while it is read may."""
    _, first = numpy.unique(names, axis=0, return_index=True)
    if len(first) == len(names):
        return columns
    first.sort()
    return {name: column[first] for name, column in columns.items()}


def _arrays(columns: Mapping[str, list[Any]], types: Optional[Mapping[str, str]]) -> dict[str, Any]:
    types = types or {}
    return {name: _array(values, types.get(name)) for name, values in columns.items()}


def _array(values: list[Any], text: Optional[str]) -> Any:
    kinds = {type(value) for value in values}
    if type(None) in kinds or bytes in kinds or (text is None and len(kinds - {int, float}) > 1):
        return _objects(values)
    if text is not None:
        array = numpy.array(values, dtype(text))
        is_vector = "[" in text and not values
        return array.reshape(0, int(text[:-1].partition("[")[2])) if is_vector else array
    try:
        return numpy.array(values)
    except ValueError:  # lists of different lengths
        return _objects(values)


def _objects(values: list[Any]) -> Any:
    array = numpy.empty(len(values), object)
    array[:] = values
    return array
