"""What a kernel computes does not follow what was compiled before it."""

import importlib
import os
import pkgutil
import subprocess
import sys

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
    assert any(is_kept(value) for _, value in called(noise._aperture_snr.py_func))


def test_relaxed_arithmetic_is_inlined_by_force():
    relaxed = [(name, value) for module in MODULES for name, value in vars(module).items() if isinstance(value, Dispatcher) and value.targetoptions.get("fastmath")]
    assert len(relaxed) > 5
    assert not [name for name, value in relaxed if not (value.targetoptions.get("forceinline") or value.targetoptions.get("inline") == "always")]


PROGRAM = """
import hashlib, numpy as np, pandas as pd, lenscal
rng = np.random.default_rng(1)
n = 40
table = pd.DataFrame(dict(theta_e=rng.uniform(0.5, 2, n), q=rng.uniform(0.5, 1, n), phi=rng.uniform(0, 3, n), gamma1=0.02, gamma2=-0.03, lens_x=0.0,
    lens_y=0.0, n=rng.uniform(0.5, 2, n), r_e=rng.uniform(0.15, 0.5, n), source_q=0.6, source_phi=0.3, source_x=rng.uniform(-0.5, 0.5, n),
    source_y=0.1, mag_g=24.0, mag_r=23.0, mag_z=22.0))
print(hashlib.blake2b(lenscal.render(table, shape=(65, 65)).values.tobytes()).hexdigest())
"""


def test_images_are_the_same_bits_from_kernels_just_compiled_and_from_kept_ones(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    compiled, kept = (subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert len(compiled) > 64
    assert compiled == kept
