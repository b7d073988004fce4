"""What a kernel computes does not follow what was compiled before it."""

import importlib
import pkgutil

from numba.core.caching import NullCache
from numba.core.dispatcher import Dispatcher

import lenscal.kernels

MODULES = [importlib.import_module(f"lenscal.kernels.{module.name}") for module in pkgutil.iter_modules(lenscal.kernels.__path__)]


def is_kept(value):
    return isinstance(value, Dispatcher) and not isinstance(value._cache, NullCache)


def called(function):
    """Compiled functions that a function names, by itself or in a module."""
    code = function.__code__
    names = set(code.co_names).union(*(inside.co_names for inside in code.co_consts if hasattr(inside, "co_names")))
    for name in names & set(function.__globals__):
        value = function.__globals__[name]
        yield from ((name, part) for part in ([value] if isinstance(value, Dispatcher) else [getattr(value, other, None) for other in names]))


def test_a_kernel_that_is_kept_calls_none_that_is_kept():
    kept = {f"{module.__name__}.{name}": value for module in MODULES for name, value in vars(module).items() if is_kept(value)}
    assert len(kept) > 15
    wrong = [(name, inner) for name, kernel in kept.items() for inner, value in called(kernel.py_func) if is_kept(value)]
    assert not wrong


def test_the_rule_would_see_a_kept_kernel_in_another(monkeypatch):
    from lenscal.kernels import draws, noise

    monkeypatch.setattr(noise, "pair_sum", draws._hash)
    assert any(is_kept(value) for _, value in called(noise.aperture_snr.py_func))
