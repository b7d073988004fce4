"""The door of the package: what `__init__.pyi` lists is imported when it is first used (SPEC 1,
scientific-python.org/specs/spec-0001).

`lazy_loader.attach_stub` does the same, but ignores ``as`` in a stub, and it reads the stub at import; here the stub is
the only list, names may differ from those of their modules, and `import lenscal` reads nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

Attribute = tuple[str, str]
"""Module, and name within it; no name for the module itself."""


@cache
def entries(stub: str) -> dict[str, Attribute]:
    """What a stub re-exports: public name, and where it is found, in the order of the stub.

    Parameters
    ----------
    stub : str
        Path of an ``__init__.pyi`` of relative imports, ``from .module import name as public``.
    """
    import ast

    with open(stub, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            for alias in node.names:
                where = (node.module, alias.name) if node.module else (alias.name, "")
                found[alias.asname or alias.name] = where
    return found


def attach(package: str, stub: str, own: Callable[[str], Any]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package whose stub is its only list of public names.

    Parameters
    ----------
    package : str
        Its name.
    stub : str
        Path of its stub.
    own : callable
        Gives what the package itself holds and defers, such as ``__version__``; raises AttributeError for any other
        name.
    """

    def getattr_(name: str) -> Any:
        if name == "__all__":
            return sorted(entries(stub))
        if name.startswith("__"):
            return own(name)
        if name not in (listed := entries(stub)):
            return own(name)
        from lenscal.extras import named

        module, attribute = listed[name]
        with named():
            loaded = import_module(f"{package}.{module}")
            return getattr(loaded, attribute) if attribute else loaded

    return getattr_, lambda: sorted([*entries(stub), "__version__"])
