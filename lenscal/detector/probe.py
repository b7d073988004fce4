"""What is asked of a brought detector before its first score: does a stamp's score depend on its own pixels alone, and
does it grow for lenses?
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lenscal.detector import meaning
from lenscal.detector.declaration import Declaration
from lenscal.errors import InputError

PAIRS = 24
"""Galaxies of the probe, each with and without an arc."""
_PIXEL = 0.262  # arcsec
_NOISE = {"u": 0.006, "g": 0.003, "r": 0.005, "i": 0.008, "z": 0.012, "y": 0.03}
_RED = {"u": 0.08, "g": 0.3, "r": 1.0, "i": 1.5, "z": 2.0, "y": 2.2}
_BLUE = {"u": 0.9, "g": 1.0, "r": 1.1, "i": 1.15, "z": 1.2, "y": 1.2}
"""Of a passive lens galaxy at redshift 0.5 and of a star-forming source: flux of each band over that of r, rounded."""
Ask = Callable[[np.ndarray], np.ndarray]


def stamps(bands: Sequence[str], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Red galaxies without and with blue arcs about them, (PAIRS, band, size, size) each,
    nanomaggy; the same at every call.
    """
    rng = np.random.Generator(np.random.PCG64(20261129))
    y, x = (np.mgrid[:size, :size] - (size - 1) / 2) * _PIXEL
    colours = [np.array([table.get(band, 1.0) for band in bands]) for table in (_NOISE, _RED, _BLUE)]
    noise = np.where([band in _NOISE for band in bands], colours[0], 0.005)
    plain, lensed = (np.empty((PAIRS, len(bands), size, size)) for _ in range(2))
    for row in range(PAIRS):
        q, turn, reach = rng.uniform(0.6, 1), rng.uniform(0, np.pi), rng.uniform(0.5, 1.1)
        u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
        host = np.exp(-np.hypot(u, v / q) / reach)
        host *= 10 ** (0.4 * (22.5 - rng.uniform(17.5, 19.5))) / host.sum()
        theta, width, along = rng.uniform(1.0, 2.2), rng.uniform(0.35, 0.6), rng.uniform(0, 2 * np.pi)
        angle = np.angle(np.exp(1j * (np.arctan2(y, x) - along)))
        arc = np.exp(-0.5 * ((np.hypot(x, y) - theta) / width) ** 2)
        arc *= np.exp(-0.5 * (angle / 0.8) ** 2) + 0.5 * np.exp(-0.5 * ((np.pi - abs(angle)) / 0.4) ** 2)
        arc *= 10 ** (0.4 * (22.5 - rng.uniform(20.0, 21.5))) / arc.sum()
        sky = rng.standard_normal((len(bands), size, size)) * noise[:, None, None]
        plain[row] = colours[1][:, None, None] * host + sky
        lensed[row] = plain[row] + colours[2][:, None, None] * arc
    return plain, lensed


def star(bands: Sequence[str], size: int) -> np.ndarray:
    """A bright star in the middle, (1, band, size, size), nanomaggy."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.broadcast_to(5e4 * np.exp(-0.5 * (np.hypot(y, x) / 2.5) ** 2), (1, len(bands), size, size)).copy()


def probe(ask: Ask, declaration: Declaration) -> dict[str, object]:
    """Refuse a detector that is none.

    Parameters
    ----------
    ask : callable
        From whole stamps (n, band, size, size) [nanomaggy] to n scores, as float64.
    declaration : Declaration

    Returns
    -------
    dict
        What was seen: distinct scores, their scatter, the largest change in other company, the share of galaxies whose
        score grows by an arc.

    Raises
    ------
    InputError
        Scores that are constant, not finite, not what `output` says, change with the company or the asking, or do not
        grow for lenses.
    """
    plain, lensed = stamps(declaration.bands, declaration.size)
    company = np.concatenate([plain, lensed])
    scores = ask(company)
    meaning.check(scores, declaration)
    if np.unique(scores).size == 1:
        raise InputError(
            f"detector: {len(company)} different galaxies, with and without arcs, have one score ({scores[0]:g}); "
            "expected scores that vary: check scale, zeropoint and stretch of the declaration"
        )
    moved = _alone(ask, company, scores, declaration)
    return {
        "distinct_scores": int(np.unique(scores).size),
        "of": len(company),
        "scatter": float(scores.std()),
        "moved_by_company": moved,
        "grows_for_lenses": _grows(ask, plain, lensed, scores, declaration),
    }


def _alone(ask: Ask, company: np.ndarray, scores: np.ndarray, declaration: Declaration) -> float:
    """Largest change of a score in other company, as a share of the scatter."""
    few, order = 5, np.random.Generator(np.random.PCG64(1)).permutation(len(company))
    bright = star(declaration.bands, declaration.size)
    scale, worst = max(float(scores.std()), 1e-12), 0.0
    for how, found, expected in (
        ("asked again", ask(company), scores),
        ("in another order", ask(company[order]), scores[order]),
        ("alone", np.concatenate([ask(company[i : i + 1]) for i in range(few)]), scores[:few]),
        ("one of two", np.concatenate([ask(company[i : i + 2]) for i in range(0, few - 1, 2)]), scores[: few - 1]),
        ("beside a bright star", ask(np.concatenate([bright, company[:few]]))[1:], scores[:few]),
        ("one of many", ask(np.concatenate([company] * 3))[: len(company)], scores),
    ):
        away = float(np.abs(found - expected).max()) / scale
        worst = max(worst, away)
        if away > declaration.tolerance:
            raise InputError(
                f"detector: a stamp that is {how} has another score, by {away:.3g} of the scatter of scores; "
                f"expected one that depends on its own pixels, to {declaration.tolerance:g} (normalise by fixed "
                "numbers and not by the batch, quantise with fixed scales, switch dropout and batch norm to "
                "evaluation before the export)"
            )
    return worst


def _grows(ask: Ask, plain: np.ndarray, lensed: np.ndarray, scores: np.ndarray, declaration: Declaration) -> float:
    """Share of the galaxies whose score grows by an arc."""
    share = _share(scores[:PAIRS], scores[PAIRS:])
    if share > 0.5:
        return share
    said = (
        f"detector: an arc raises the score of {share:.0%} of {PAIRS} galaxies; expected more than half, since "
        "lenses have the higher scores. "
    )
    if len(declaration.bands) > 1:
        turned = _share(ask(plain[:, ::-1].copy()), ask(lensed[:, ::-1].copy()))
        if turned > 0.75:
            raise InputError(
                f"{said}With the bands in the order {declaration.bands[::-1]} it is {turned:.0%}: "
                "correct `bands` of the declaration"
            )
    down = _share(scores[PAIRS:], scores[:PAIRS])
    fix = (
        "It falls instead: bring the negative of the score, or the other `column`"
        if down > 0.75
        else "Check scale, zeropoint and stretch"
    )
    raise InputError(
        f"{said}{fix} (bands {declaration.bands}, scale {declaration.scale}, stretch {declaration.stretch})"
    )


def _share(before: np.ndarray, after: np.ndarray) -> float:
    return float((after > before).mean() + 0.5 * (after == before).mean())
