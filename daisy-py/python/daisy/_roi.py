"""Regions of interest: the class is written in Rust, its older method names are added here."""

from ._daisy import Roi


def _add_getter(name: str) -> None:
    def getter(self):
        return getattr(self, name)

    getter.__name__ = f"get_{name}"
    getter.__qualname__ = f"Roi.get_{name}"
    getter.__doc__ = f"The same as ``{name}``."
    setattr(Roi, f"get_{name}", getter)


def _add_setter(name: str) -> None:
    def setter(self, value):
        setattr(self, name, value)

    setter.__name__ = f"set_{name}"
    setter.__qualname__ = f"Roi.set_{name}"
    setter.__doc__ = f"The same as setting ``{name}``."
    setattr(Roi, f"set_{name}", setter)


for _name in ("offset", "shape", "begin", "end", "center", "size"):
    _add_getter(_name)
for _name in ("offset", "shape"):
    _add_setter(_name)

__all__ = ["Roi"]
