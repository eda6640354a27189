"""Which version of its code a function has: a hash of what it does, as far as that can be seen.

It is the same in every process that runs the same script with the same Python, and another one as soon as the function,
or one of its own module that it calls, or a value that it uses, is another one. Comments, line numbers and the names of
files do not count; of other modules only the names do.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import types
from typing import Any, Iterator, Optional

#: What keeps the results of a function.
CACHED: Any = type(functools.lru_cache(lambda: None))

#: What a class has that says nothing of what it does.
_NOT_OF_A_CLASS = {
    "__dict__", "__weakref__", "__module__", "__doc__", "__firstlineno__", "__static_attributes__", "_abc_impl",
    "__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__",
}  # fmt: skip


def version_of(function: Any) -> Optional[str]:
    """The version of a function; None where it cannot be told."""
    try:
        return _Values(function).hash.hexdigest()[:20]
    except Exception:
        # Values that refer to themselves in their own ways, that cannot be compared, and the like.
        return None


class _Values:
    """Values, and what they are made of, as one hash."""

    def __init__(self, function: Any) -> None:
        self.hash = hashlib.sha256(repr(sys.version_info[:2]).encode())
        target = function
        while isinstance(target, functools.partial):
            target = target.func
        module = getattr(target, "__module__", None) or type(target).__module__
        self._own = {"__main__", str(module).partition(".")[0]}
        #: By identity: the places of values that were met, which are kept alive with them.
        self._met: dict[int, tuple[int, Any]] = {}
        self._add(function)

    def _note(self, *texts: Any) -> None:
        for text in texts:
            data = text if isinstance(text, bytes) else str(text).encode("utf-8", "surrogatepass")
            self.hash.update(len(data).to_bytes(8, "little"))
            self.hash.update(data)

    def _add(self, value: Any) -> None:
        if value is None or value is Ellipsis or isinstance(value, (bool, int, float, complex, str, bytes, range)):
            return self._note(type(value).__name__, repr(value))
        if id(value) in self._met:
            return self._note("again", self._met[id(value)][0])
        self._met[id(value)] = (len(self._met), value)
        self._note(type(value).__module__, type(value).__qualname__)
        add = self._HOW.get(type(value))
        if add is not None:
            add(self, value)
        elif isinstance(value, type):
            self._class(value)
        elif hasattr(value, "tobytes") and hasattr(value, "dtype") and hasattr(value, "shape"):
            self._note(value.dtype, value.shape, value.tobytes())
        else:
            self._object(value)

    def _all(self, values: Any) -> None:
        values = list(values)
        self._note(len(values))
        for value in values:
            self._add(value)

    def _set(self, values: Any) -> None:
        # Their order is another one in every process.
        self._note(*sorted(repr(value) for value in values))

    def _dict(self, values: Any) -> None:
        self._all(item for pair in values.items() for item in pair)

    def _code(self, code: types.CodeType) -> None:
        self._note(code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_flags)
        self._note(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
        self._note(getattr(code, "co_exceptiontable", b""))
        self._all(code.co_consts)

    def _function(self, function: types.FunctionType) -> None:
        self._note(function.__module__, function.__qualname__)
        if not self._is_own(function):
            return
        self._add(function.__code__)
        self._all(function.__defaults__ or ())
        self._dict(function.__kwdefaults__ or {})
        for cell in function.__closure__ or ():
            try:
                self._add(cell.cell_contents)
            except ValueError:
                self._note("empty")
        for name in sorted(set(_names(function.__code__)) & function.__globals__.keys()):
            self._note(name)
            self._add(function.__globals__[name])

    def _class(self, cls: type) -> None:
        self._note(cls.__module__, cls.__qualname__)
        if not self._is_own(cls):
            return
        self._all(cls.__bases__)
        for name in sorted(set(vars(cls)) - _NOT_OF_A_CLASS):
            self._note(name)
            self._add(vars(cls)[name])

    def _object(self, value: Any) -> None:
        try:
            made = value.__reduce_ex__(4)
        except Exception:
            return  # It cannot be sent to another process; it is known by its type.
        if isinstance(made, str):
            return self._note(made)
        make, arguments, state, items, pairs = (*made, None, None, None)[:5]
        self._add(make)
        self._all(arguments)
        self._add(state)
        self._all(items or ())
        self._all(pairs or ())

    def _is_own(self, value: Any) -> bool:
        return str(value.__module__).partition(".")[0] in self._own

    _HOW: dict[type, Any] = {
        tuple: _all,
        list: _all,
        dict: _dict,
        set: _set,
        frozenset: _set,
        types.CodeType: _code,
        types.FunctionType: _function,
        types.ModuleType: lambda self, module: self._note(module.__name__),
        types.BuiltinFunctionType: lambda self, function: self._note(function.__module__, function.__qualname__),
        types.MethodType: lambda self, method: self._all((method.__func__, method.__self__)),
        staticmethod: lambda self, method: self._add(method.__func__),
        classmethod: lambda self, method: self._add(method.__func__),
        property: lambda self, value: self._all((value.fget, value.fset, value.fdel)),
        CACHED: lambda self, value: self._all((value.__wrapped__, *value.cache_parameters().values())),
        functools.partial: lambda self, value: self._all((value.func, value.args, value.keywords)),
    }


def _names(code: types.CodeType) -> Iterator[str]:
    """All names that a function, and those inside it, may take from its module."""
    yield from code.co_names
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from _names(const)
