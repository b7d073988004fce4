"""Draw the embedded sky: truth, pixels, catalogues, checksums."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path

import numpy as np
import pandas as pd

import lenscal
from lenscal import config, schema
from lenscal.errors import InputError
from lenscal.mock import conditions, files, geometry, parts, pixels, population, sweeps, tables

_OURS = ("south", "catalogues", "truth", "sources", "survey-bricks.fits.gz", "mock.json", "sha256sums.txt")
_OTHERS = ("north", "randoms")  # of other releases and regions
_NEW = ".new"  # what is being drawn, until it is whole
_REACH_PX = 150  # an object of the partner brick this far outside may still reach in


def draw(
    settings: config.Settings, scale: float = 1.0, progress: Callable[[int, int], None] | None = None, workers: int = 2
) -> dict:
    """Write a seeded mock survey in the layout and formats of a release.

    Parameters
    ----------
    settings : Settings
        Uses `sky`, `seed`, `survey.root` (the folder that is written), `survey.bands`, `manifest.split_fractions`,
        `injections.grid` and `timestamp`.
    scale : float
        Multiplies the numbers of bricks, pairs and lenses.
    progress : callable (done, total), optional
        Called as bricks are finished.
    workers : int
        Processes; the bytes do not depend on it.

    Returns
    -------
    dict
        Counts of what was drawn, and the SHA-256 of the list of checksums.

    Raises
    ------
    ValueError
        When the sky cannot hold what is asked, or the folder holds something that is no mock survey.
    """
    sky = settings.sky
    if sky is None:
        raise InputError("the run file has no section 'sky': there is nothing to draw")
    if not settings.survey.mock:
        raise InputError("survey.mock is false: the embedded sky is only drawn for a run file that says it is a mock")
    if scale <= 0 or workers < 1:
        raise InputError(f"scale is {scale} and workers is {workers}; both must be positive")
    root = Path(settings.survey.root)
    _check(root)
    count, pairs, lens_count = (round(scale * number) for number in (sky.bricks, sky.overlapping_pairs, sky.lenses))
    release, grid = schema.release(sky.release, sky.region), settings.injections.grid
    bricks = geometry.bricks(
        count,
        pairs,
        sky.brick_pixels,
        settings.seed,
        settings.manifest.split_fractions,
        len(conditions.cells(sky, grid)),
        release.dec_from,
        parts.border(release),
    )
    seen, bricks = parts.of(bricks, release, sky, grid, settings.seed, settings.survey.bands)
    truth = parts.placed(population.populate(bricks, sky, lens_count, settings.seed), seen, release)
    new = _begun(root)
    drawn = _render(seen, truth, str(new), workers, progress)
    written = [entry for result in drawn.values() for entry in result["files"]]
    observed = []
    for part in seen:
        own = {brickid: result for (region, brickid), result in drawn.items() if region == part.release.region}
        summaries = {brickid: result["summary"] for brickid, result in own.items()}
        observed.append(tables.Observed(part, _sweep(part, truth, own), summaries))
    for place, content in tables.tables(observed, bricks, truth, settings.seed, release):
        written.append(files.write(new, place, content))
    summary = _summary(bricks, truth, sum(one.sweep.size for one in observed))
    about = {
        "mock": True,
        "about": "A mock survey drawn by lenscal: not the real sky. Every file of it says so.",
        **_request(settings, scale),
        "summary": summary,
    }
    written.append(files.write(new, "mock.json", (json.dumps(about, indent=1, sort_keys=True) + "\n").encode()))
    sums = "".join(f"{digest}  {place}\n" for place, digest in sorted(written))
    _, digest = files.write(new, "sha256sums.txt", sums.encode())
    _replace(root, new)
    return summary | {"root": str(root), "sha256": digest}


def _sweep(part: parts.Part, truth: pd.DataFrame, drawn: dict[int, dict]) -> np.ndarray:
    """Rows of all sweeps of a region."""
    rows = [
        sweeps.rows(
            brick, truth[truth.brickid == brick["brickid"]], drawn[brick["brickid"]]["samples"], part.seed, part.release
        )
        for brick in part.bricks.to_dict("records")
    ]
    sweep = np.concatenate(rows)
    return np.concatenate([sweep, sweeps.duplicates(sweep, part.bricks, truth, part.seed)])


def _request(settings: config.Settings, scale: float) -> dict:
    """All that the bytes of the sky depend on; of release, region and bands what is not the default, as skies drawn
    before there was a choice say nothing of them.
    """
    bands = settings.survey.bands
    default = {name: config.Sky.model_fields[name].default for name in ("release", "region")}
    sky = settings.sky.model_dump(mode="json")
    return {
        "lenscal": lenscal.__version__,
        "folders": [name for name in _folders(settings) if "." not in name],
        "timestamp": settings.timestamp,
        "seed": settings.seed,
        "scale": scale,
        "sky": {key: value for key, value in sky.items() if key not in default or value != default[key]},
        "grid": settings.injections.grid.model_dump(mode="json"),
        "split_fractions": list(settings.manifest.split_fractions),
    } | ({} if bands == list(schema.BANDS) else {"bands": bands})


def _folders(settings: config.Settings) -> list[str]:
    """Files and folders of a sky below its root."""
    release = schema.release(settings.sky.release, settings.sky.region)
    regions = [one.region for one in release.regions]
    return [*regions, *_OURS[1:], *(["randoms"] if release.drawn_randoms else [])]


def is_current(settings: config.Settings, scale: float = 1.0) -> bool:
    """Whether the sky of these settings is there, complete."""
    root = Path(settings.survey.root)
    if not (root / "sha256sums.txt").is_file():
        return False
    try:
        drawn = json.loads((root / "mock.json").read_text())
    except (OSError, ValueError):  # it lost its description: it is drawn again
        return False
    wanted = {"bands": None} | _request(settings, scale)
    return isinstance(drawn, dict) and all(drawn.get(key) == value for key, value in wanted.items())


def _check(root: Path) -> None:
    """Refuse a folder that holds anything but an earlier mock survey."""
    if root.exists() and not root.is_dir():
        raise InputError(f"'{root}' is a file; survey.root is the folder that a mock survey is drawn into")
    if root.exists() and any(root.iterdir()):
        if not (root / "mock.json").is_file() and any((root / name).exists() for name in _OURS[:4]):
            partial = root / "south" / "coadd"
            if not (root / ".mock").is_file():
                raise InputError(
                    f"'{root}' holds survey files without a mock.json ('{partial}' ...): a "
                    "mock is never drawn over them"
                )
        strange = sorted(path.name for path in root.iterdir() if path.name not in (*_OURS, *_OTHERS, ".mock", _NEW))
        if strange:
            raise InputError(
                f"'{root}' holds '{strange[0]}', which is no part of a mock survey; give "
                "survey.root a folder of its own"
            )


def _begun(root: Path) -> Path:
    """Where the new sky is drawn, beside the earlier one."""
    new = root / _NEW
    if new.exists():
        shutil.rmtree(new)
    new.mkdir(parents=True)
    (root / ".mock").touch()  # an interrupted draw is known for a mock
    return new


def _replace(root: Path, new: Path) -> None:
    """A sky that is drawn takes the place of the earlier one; the list that says it is whole
    goes first and comes last.
    """
    for name in (*_OTHERS, *reversed(_OURS)):
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for name in (*_OTHERS, *_OURS):
        if (new / name).exists():
            (new / name).rename(root / name)
    shutil.rmtree(new)


def _tasks(bricks: pd.DataFrame, truth: pd.DataFrame) -> list[tuple[dict, list[dict]]]:
    """Each brick with its objects and those of its partner that reach into it, in its own pixels."""
    by_brick = dict(iter(truth.groupby("brickid")))
    tasks = []
    for brick in bricks.to_dict("records"):
        rows = by_brick[brick["brickid"]]
        if brick["partner"] >= 0:
            rows = pd.concat([rows, by_brick[brick["partner"]]])
            x, y = geometry.to_pixel(brick["ra"], brick["dec"], brick["pixels"], rows.ra, rows.dec)
            near = (np.minimum(x, y) > -_REACH_PX) & (np.maximum(x, y) < brick["pixels"] + _REACH_PX)
            rows = rows.assign(x=x, y=y)[near]
        tasks.append((brick, rows.to_dict("records")))
    return tasks


def _render(
    seen: list[parts.Part], truth: pd.DataFrame, root: str, workers: int, progress: Callable | None
) -> dict[tuple[str, int], dict]:
    """What `pixels.draw` gives of each brick, by region and number."""
    tasks = {
        (part.release.region, brick["brickid"]): (brick, objects, root, part.seed, part.release)
        for part in seen
        for brick, objects in _tasks(part.bricks, truth)
    }
    done: dict[tuple[str, int], dict] = {}

    def keep(key: tuple[str, int], result: dict) -> None:
        done[key] = result
        if progress:
            progress(len(done), len(tasks))

    if workers == 1:
        for key, task in tasks.items():
            keep(key, pixels.draw(*task))
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context) as pool:
            resource_tracker.ensure_running()  # else its start takes Ctrl-C off the signals that are blocked
            try:
                with _undisturbed():
                    futures = {pool.submit(pixels.draw, *task): key for key, task in tasks.items()}
                for future in as_completed(futures):
                    keep(futures[future], future.result())
            except BaseException:
                for process in list((pool._processes or {}).values()):  # `terminate_workers` of Python 3.14
                    process.terminate()  # what they draw is taken by nobody; the pool, broken by it, is waited for
                raise
    return {key: done[key] for key in tasks}


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Stops wait until processes have started, which else say that they were given nothing; Ctrl-C, which a terminal
    sends to them too, they leave to this one.

    A signal that is blocked here may come to another thread, and its handler still runs in this one: so both are held
    back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
    if came:
        raise KeyboardInterrupt


def _summary(bricks: pd.DataFrame, truth: pd.DataFrame, sweep_rows: int) -> dict:
    kinds = truth.kind.value_counts().sort_index()
    splits = bricks.split.value_counts()
    return {
        "bricks": len(bricks),
        "pixels": int(bricks.healpix_128.nunique()),
        "objects": len(truth),
        "sweep_rows": int(sweep_rows),
        "lenses": int((truth.kind == "lens").sum()),
        "known_lenses": int(truth.known.sum()),
        "bricks_by_split": {name: int(splits.get(name, 0)) for name in schema.SPLITS[:3]},
        "kinds": {name: int(number) for name, number in kinds.items()},
    }
