"""A Python function, or any callable, that takes a batch of images and gives their scores."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

from lenscal.detector import architectures
from lenscal.detector.adapters.runtime import Runtime, digests, release
from lenscal.detector.declaration import Declaration
from lenscal.errors import InputError

LISTED = "expected 'module:function' of an importable module, or 'file.py:function'"


def found(name: str) -> Callable:
    """The callable that ``module:function`` or ``file.py:function`` names.

    Raises
    ------
    InputError
        The module cannot be imported, or holds no such callable.
    """
    place, _, attribute = name.rpartition(":")
    if not place or not attribute:
        raise InputError(f"detector: '{name}' names no function; {LISTED}")
    module = _of_file(Path(place)) if place.endswith(".py") else _of_name(place, name)
    value: object = module
    for part in attribute.split("."):
        if not hasattr(value, part):
            here = ", ".join(sorted(n for n, v in vars(module).items() if callable(v) and not n.startswith("_")))
            raise InputError(f"detector: '{place}' holds no '{attribute}'; it holds {here or 'no function'}")
        value = getattr(value, part)
    if not callable(value):
        raise InputError(f"detector: '{name}' is {type(value).__name__}, which cannot be called; {LISTED}")
    return value


def _of_name(place: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(place)
    except ImportError as error:
        raise InputError(f"detector: '{name}' cannot be imported ({error}); {LISTED}") from error


def _of_file(path: Path) -> ModuleType:
    """The module of a file, imported once under a name of its own; modules beside it can be imported by it."""
    path = path.expanduser().resolve()
    if not path.is_file():
        raise InputError(f"detector: '{path}' is missing; {LISTED}")
    name = f"lenscal_brought_{path.stem}_{abs(hash(str(path))):x}"
    if (known := sys.modules.get(name)) is not None:
        return known
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise InputError(
            f"detector: '{path}' cannot be imported ({type(error).__name__}: {error}); try `python {path.name}`"
        ) from error
    return module


def read(function: Callable, declaration: Declaration) -> Runtime:
    """The runtime of a callable.

    What it imports counts by the version class of the libraries; other modules and weights that it reads belong to
    `files` of the declaration.
    """
    if not callable(function):
        raise InputError(
            f"detector: {function!r} is no function; expected one from images (n, band, {declaration.size}, "
            f"{declaration.size}) to n scores"
        )
    files = tuple(Path(name) for name in declaration.files)
    about = {
        "runtime": "python",
        "name": getattr(function, "__qualname__", type(function).__qualname__),
        "code": architectures.code_of(function),
        "imports": {name: release(name) for name in _imports(function)},
        "files": digests(files),
    }
    return Runtime(function, about, files)


@cache
def _distributions() -> dict[str, list[str]]:
    """Installed distributions by the module that they bring; to list them takes a second."""
    from importlib.metadata import packages_distributions

    return dict(packages_distributions())


def _imports(function: Callable) -> list[str]:
    """Installed distributions that the module of a function imports by name."""
    module = sys.modules.get(getattr(function, "__module__", "") or "")
    try:
        tree = ast.parse(inspect.getsource(module)) if module is not None else None
    except (OSError, TypeError, SyntaxError):
        tree = None
    if tree is None:
        return []
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    known = _distributions()
    return sorted({known[name][0] for name in names if name in known} - {"lenscal"})
