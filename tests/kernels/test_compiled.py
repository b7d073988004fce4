"""What a kernel computes does not follow what was compiled before it."""

import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from numba.core.caching import NullCache
from numba.core.dispatcher import Dispatcher

import lenscal.kernels

MODULES = [
    importlib.import_module(f"lenscal.kernels.{module.name}")
    for module in pkgutil.iter_modules(lenscal.kernels.__path__)
]


def is_kept(value):
    return isinstance(value, Dispatcher) and not isinstance(value._cache, NullCache)


def called(function):
    """Compiled functions that a function names, by itself or in a module."""
    code = function.__code__
    names = set(code.co_names).union(*(inside.co_names for inside in code.co_consts if hasattr(inside, "co_names")))
    for name in names & set(function.__globals__):
        value = function.__globals__[name]
        yield from (
            (name, part)
            for part in ([value] if isinstance(value, Dispatcher) else [getattr(value, other, None) for other in names])
        )


def test_a_kernel_that_is_kept_calls_none_that_is_kept():
    kept = {
        f"{module.__name__}.{name}": value
        for module in MODULES
        for name, value in vars(module).items()
        if is_kept(value)
    }
    assert len(kept) > 15
    wrong = [
        (name, inner) for name, kernel in kept.items() for inner, value in called(kernel.py_func) if is_kept(value)
    ]
    assert not wrong


def test_the_rule_would_see_a_kept_kernel_in_another(monkeypatch):
    from lenscal.kernels import draws, noise

    monkeypatch.setattr(noise, "pair_sum", draws._hash)
    assert any(is_kept(value) for _, value in called(noise._aperture_snr.py_func))


def test_relaxed_arithmetic_is_inlined_by_force():
    relaxed = [
        (name, value)
        for module in MODULES
        for name, value in vars(module).items()
        if isinstance(value, Dispatcher) and value.targetoptions.get("fastmath")
    ]
    assert len(relaxed) > 5
    assert not [
        name
        for name, value in relaxed
        if not (value.targetoptions.get("forceinline") or value.targetoptions.get("inline") == "always")
    ]


PROGRAM = """
import hashlib, numpy as np, pandas as pd, lenscal
rng = np.random.default_rng(1)
n = 40
table = pd.DataFrame(dict(
    theta_e=rng.uniform(0.5, 2, n), q=rng.uniform(0.5, 1, n), phi=rng.uniform(0, 3, n), gamma1=0.02, gamma2=-0.03,
    lens_x=0.0, lens_y=0.0, n=rng.uniform(0.5, 2, n), r_e=rng.uniform(0.15, 0.5, n), source_q=0.6, source_phi=0.3,
    source_x=rng.uniform(-0.5, 0.5, n), source_y=0.1, mag_g=24.0, mag_r=23.0, mag_z=22.0))
print(hashlib.blake2b(lenscal.render(table, shape=(65, 65)).values.tobytes()).hexdigest())
"""


def test_images_are_the_same_bits_from_kernels_just_compiled_and_from_kept_ones(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    compiled, kept = (
        subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    )
    assert len(compiled) > 64
    assert compiled == kept


def started(tmp_path, locked, **more):
    """A copy of the package that cannot be written to, with a home that cannot either: what
    importing its kernels says.
    """
    package = tmp_path / "packages" / "lenscal"
    shutil.copytree(Path(lenscal.kernels.__file__).parents[1], package, ignore=shutil.ignore_patterns("__pycache__"))
    home = tmp_path / "home"
    home.mkdir()
    places = [home, package.parent, *package.parent.rglob("*")] if locked else []
    for place in places:
        place.chmod(0o555 if place.is_dir() else 0o444)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "XDG"))}
    env |= {
        "HOME": str(home),
        "PYTHONPATH": str(package.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "IPYTHONDIR": str(home / "ipython"),
    } | more
    # Root may write anywhere: without these capabilities rights hold for it as well.
    as_user = (
        ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"] if os.geteuid() == 0 else []
    )
    code = f"import {', '.join(module.__name__ for module in MODULES)}; import numba; print(numba.config.CACHE_DIR)"
    try:
        return subprocess.run(
            [*as_user, sys.executable, "-c", code], env=env, capture_output=True, text=True, cwd=tmp_path, check=False
        )
    finally:
        for place in places:
            place.chmod(0o755 if place.is_dir() else 0o644)


def test_where_nothing_can_be_kept_kernels_start_all_the_same_and_say_so(tmp_path):
    done = started(tmp_path, locked=True)
    assert done.returncode == 0, done.stderr
    assert "lenscal-kernels-" in done.stdout
    assert "set NUMBA_CACHE_DIR to keep them" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not Path(done.stdout.strip()).exists(), "what was compiled for this process alone goes with it"


def test_a_folder_that_the_user_names_is_taken_without_a_word(tmp_path):
    (tmp_path / "kept").mkdir()
    done = started(tmp_path, locked=True, NUMBA_CACHE_DIR=str(tmp_path / "kept"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(str(tmp_path / "kept"))


def test_beside_the_sources_is_where_kernels_are_kept_when_that_can_be_written(tmp_path):
    done = started(tmp_path, locked=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(str(tmp_path / "packages/lenscal/kernels/__pycache__"))


COUNTED = f"""
from numba.core import event
compiled = []
class Counting(event.Listener):
    def on_start(self, one):
        compiled.append(one.data["dispatcher"].py_func.__name__)
    def on_end(self, one):
        pass
event.register("numba:compile", Counting())
{PROGRAM}
print(compiled.count("pixels"))
"""


def test_a_kernel_that_another_process_compiles_is_waited_for_and_not_compiled_twice(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen([sys.executable, "-c", COUNTED], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=300)[0].split() for process in running]
    assert sorted(counts for _, counts in said) == ["0", "1"]
    assert len({digest for digest, _ in said}) == 1


def test_a_kernel_is_compiled_after_some_time_although_another_process_seems_to_be_at_it(tmp_path, monkeypatch):
    import fcntl

    from lenscal.kernels import compiled

    monkeypatch.setattr(compiled, "WAIT_S", 0.2)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    @compiled.kept()
    def twice(x):
        return 2 * x

    lock = Path(twice._cache._cache_path) / f"{twice._cache._impl.filename_base}.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert twice(4) == 8
    assert twice._cache._lock is None


def test_a_function_of_kernels_that_python_calls_says_so():
    from lenscal.kernels import rays

    with pytest.raises(TypeError, match=r"rays\.pack_lens' is called by compiled kernels only"):
        rays.pack_lens(1.0)
