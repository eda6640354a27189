"""How a worker finds its run."""

from __future__ import annotations

import os
import urllib.parse
from typing import Any, Iterator, Optional, Union

from .logging import get_log_basedir


class Context:
    """Where a run is, by which key it knows its workers, and what a worker is: values by name.

    It travels as one line of text in the environment variable ``DAISY_CONTEXT``. Whoever has that text can
    take part in the run: treat it like a password. Whatever values were, they arrive as texts; any text survives.

    Args:
        **kwargs: ``hostname`` and ``port`` (or ``addresses``, a list of ``"host:port"``), ``task_id``,
            ``worker_id``, ``key``, ``logdir`` (by default that of :func:`daisy.set_log_basedir`), and whatever else
            is to travel along.

    Example::

        >>> context = Context(hostname="127.0.0.1", port=4711, task_id="a : b")
        >>> Context.from_text(context.to_env())["task_id"]
        'a : b'
    """

    #: The environment variable.
    ENV_VARIABLE = "DAISY_CONTEXT"

    def __init__(self, **kwargs: Any) -> None:
        logs = get_log_basedir()
        self._values = {"logdir": None if logs is None else str(logs), **kwargs}
        if "addresses" in self._values:
            _first_address(self._values)

    def to_env(self) -> str:
        """The text for the environment variable."""
        values = dict(self._values)
        addresses = values.pop("addresses", None)
        host, port = values.pop("hostname", None), values.pop("port", None)
        if addresses is None and host is not None:
            host = f"[{host}]" if ":" in str(host) else host
            addresses = [host if port is None else f"{host}:{port}"]
        values = {_SHORT.get(name, name): value for name, value in values.items()}
        values.setdefault("key", "none")
        values["logdir"] = values["logdir"] or ""
        pairs = [("address", address) for address in addresses or []]
        pairs += [(name, value) for name, value in values.items() if value is not None]
        return ":".join(f"{name}={_escaped(str(value))}" for name, value in pairs)

    @classmethod
    def from_text(cls, text: str) -> Context:
        """The context of a text that ``to_env`` made.

        Raises ValueError for a text that is none.
        """
        values: dict[str, Any] = {}
        for part in text.strip().split(":"):
            name, equals, value = part.partition("=")
            if not equals:
                raise ValueError("a part of the context is no name=value; pass the text on as it was given")
            value = urllib.parse.unquote(value, errors="strict")
            if name == "address":
                values.setdefault("addresses", []).append(value)
            else:
                values[_LONG.get(name, name)] = value
        if "logdir" in values:
            values["logdir"] = values["logdir"] or None
        return cls(**values)

    @classmethod
    def from_file(cls, path: Union[str, os.PathLike], task_id: Optional[str] = None) -> Context:
        """The context of a task in a ``key_file`` of :func:`daisy.run_blockwise`; by default that of its only task.

        Raises ValueError if the file does not have the task, or has several and none is named.
        """
        with open(path, encoding="utf-8") as file:
            contexts = [cls.from_text(line) for line in file if line.strip()]
        meant = [context for context in contexts if task_id in (None, context["task_id"])]
        if len(meant) != 1:
            known = ", ".join(repr(context["task_id"]) for context in contexts)
            raise ValueError(f"{os.fspath(path)} has contexts of the tasks {known}; name one of these")
        return meant[0]

    @classmethod
    def from_env(cls) -> Context:
        """The context in the environment of this process.

        Raises KeyError if there is none: the process was not started as a worker.
        """
        text = os.environ.get(cls.ENV_VARIABLE)
        if text is None:
            raise KeyError(f"there is no {cls.ENV_VARIABLE} in the environment: this process was not started by a run")
        return cls.from_text(text)

    def copy(self) -> Context:
        """A context of its own with the same values."""
        return Context(**self._values)

    def get(self, name: str, default: Any = None) -> Any:
        """A value, or the default if there is none of that name."""
        return self._values.get(name, default)

    def keys(self) -> Any:
        """The names."""
        return self._values.keys()

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._values[name] = value
        if name in ("hostname", "port"):
            self._values.pop("addresses", None)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Context) and self._values == other._values

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = {name: "..." if name == "key" else value for name, value in self._values.items()}
        return f"Context({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


#: What values are called in the text, and here.
_SHORT = {"task_id": "task", "worker_id": "worker"}
_LONG = {short: long for long, short in _SHORT.items()}


def of_text(text: Optional[str]) -> Context:
    """The context of a text, or one without values."""
    return Context() if text is None else Context.from_text(text)


def _first_address(values: dict[str, Any]) -> None:
    for address in values["addresses"]:
        host, colon, port = address.rpartition(":")
        if colon and port.isdigit():
            values["hostname"], values["port"] = host.strip("[]"), port
            return


def _escaped(text: str) -> str:
    return urllib.parse.quote(text, safe="-._/[]")
