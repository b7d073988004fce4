"""A detector that is known by its scores alone: a table by id, made elsewhere from exported images."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from lenscal.detector import calibration, meaning
from lenscal.detector.brought import FORMAT, hash_of
from lenscal.detector.declaration import Declaration
from lenscal.detector.tables import read_table
from lenscal.detector.trained_on import rows_of
from lenscal.errors import InputError

COLUMNS = ("id", "score")
"""Of the table: id as `lenscal export` wrote it (galaxy_id of a cutout, injection_id of an
injection), and the score.
"""


class ScoreTable:
    """Scores by id, frozen with their declaration.

    Parameters
    ----------
    ids : (n,) int64 array
        Of rows with one finite score each, sorted.
    scores : (n,) float64 array
    declaration : Declaration
    counts : dict
        Of rows in the table: rows, repeated (alike), contradictory, not_finite.

    Attributes
    ----------
    hash : str
        Of ids, scores and declaration.
    asked : bool
        False: it has no answer for images that are not in the table.
    """

    mock = scientific = False
    asked = False
    bands: tuple[str, ...] = ()
    size = 0

    def __init__(self, ids: np.ndarray, scores: np.ndarray, declaration: Declaration, counts: dict[str, int]) -> None:
        self.ids, self.scores, self.declaration, self.counts = ids, scores, declaration, counts
        digest = hashlib.blake2b(ids.astype("<i8").tobytes() + scores.astype("<f8").tobytes(), digest_size=32)
        decides = {"declaration": declaration.decides(), "runtime": {"runtime": "table", "scores": digest.hexdigest()}}
        self.hash = hash_of(decides)
        self.prevalence, self.missing_max = declaration.prevalence, declaration.missing_max
        self.training_ids, self.training_positions = rows_of(declaration.trained_on)
        trained = declaration.trained_on
        self.survey = None if trained is None else {"layer": trained.layer, "mock": trained.mock}
        self.about = {**decides, "seen": counts, "undeclared": []}

    def __repr__(self) -> str:
        return f"<ScoreTable of {self.ids.size:,} ids {self.hash[:12]}>"

    @property
    def origin(self) -> str:
        """On what it was trained, by its own word."""
        return meaning.origin(self.survey)

    def score(self, images: np.ndarray, batch: int = 128) -> np.ndarray:
        """Refuse, by name: there is nothing to ask.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError(
            "detector: it is known by a table of scores, which has none for these images; bring the detector itself "
            "(a function, TorchScript, ONNX) for whatever asks about new images"
        )

    def of_ids(self, ids: np.ndarray) -> np.ndarray:
        """Score of each id (n,), float64; NaN where the table has none."""
        ids = np.asarray(ids, np.int64)
        if not self.ids.size:
            return np.full(ids.shape, np.nan)
        place = np.minimum(np.searchsorted(self.ids, ids), self.ids.size - 1)
        return np.where(self.ids[place] == ids, self.scores[place], np.nan)

    def check(self, expected: np.ndarray) -> dict[str, int]:
        """Hold the table against the ids that a run needs.

        Parameters
        ----------
        expected : (n,) int64 array
            Of everything with an image, without repetition.

        Returns
        -------
        dict
            Numbers of rows, repeated, contradictory, not_finite, unknown and missing ids.

        Raises
        ------
        InputError
            More than `missing_max` of the expected ids have no score, or more than this share of the table's ids are
            unknown.
        """
        expected = np.unique(np.asarray(expected, np.int64))
        known = np.isin(self.ids, expected)
        found = {**self.counts, "unknown": int((~known).sum()), "missing": int(expected.size - known.sum())}
        said = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in found.items())
        if found["missing"] > self.missing_max * expected.size:
            raise InputError(
                f"detector: the table of scores lacks {found['missing']:,} of the {expected.size:,} ids of this run "
                f"({said}); at most a share of {self.missing_max:g} may be missing (`missing_max` of its "
                "declaration): score what `lenscal export` wrote for this run"
            )
        if found["unknown"] > self.missing_max * max(self.ids.size, 1):
            raise InputError(
                f"detector: {found['unknown']:,} of {self.ids.size:,} ids of the table of scores are not of this run "
                f"({said}); is it that of another run, or of another grid of injections? Export again, or raise "
                "`missing_max` of its declaration"
            )
        return found

    def probability(self, scores: np.ndarray) -> np.ndarray:
        """Probability of scores, float32: what the table declares it to be, else the logistic
        function, fitted to nothing.
        """
        return meaning.probability(scores, self.declaration)

    def reliability(self, scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Calibration measures of `probability`, see `calibration.reliability`."""
        return calibration.reliability(self.probability(scores), labels, self.prevalence)


def read(path: Path, declaration: Declaration) -> ScoreTable:
    """The detector of a table of scores.

    Raises
    ------
    InputError
        Columns are missing, ids are no whole numbers, nothing is finite or varies, or scores are not what `output`
        says.
    """
    table = read_table(path, COLUMNS)
    if lacking := [name for name in COLUMNS if name not in table]:
        raise InputError(
            f"detector: '{path.name}' has columns {sorted(table)}; expected {' and '.join(COLUMNS)}, "
            f"{', '.join(lacking)} missing"
        )
    ids, scores = table["id"], np.asarray(table["score"])
    if ids.dtype.kind not in "iu":
        raise InputError(
            f"detector: column id of '{path.name}' is {ids.dtype}; expected whole numbers, all of them "
            "(floats lose digits above 2^53)"
        )
    if scores.dtype.kind not in "fiu":
        raise InputError(f"detector: column score of '{path.name}' is {scores.dtype}; expected numbers")
    ids, scores, counts = _tidied(ids.astype(np.int64), scores.astype(np.float64))
    if np.unique(scores).size < 2:
        raise InputError(
            f"detector: '{path.name}' holds {np.unique(scores).size} different finite scores in {len(table['id']):,} "
            "rows; expected scores that vary"
        )
    meaning.check(scores, declaration, f" in '{path.name}'")
    return ScoreTable(ids, scores, declaration, counts)


def _tidied(ids: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Each id once, sorted, with a finite score; an id with two different scores has none."""
    finite = np.isfinite(scores)
    counts = {"rows": int(ids.size), "not_finite": int((~finite).sum())}
    ids, scores = ids[finite], scores[finite]
    order = np.lexsort((scores, ids))
    ids, scores = ids[order], scores[order]
    unique, first, count = np.unique(ids, return_index=True, return_counts=True)
    last = first + count - 1
    alike = scores[first] == scores[last] if ids.size else np.zeros(0, bool)
    counts["repeated"] = int((count[alike] - 1).sum())
    counts["contradictory"] = int((~alike).sum())
    return unique[alike], scores[first][alike], counts


def description(detector: ScoreTable, source: str) -> dict:
    """`detector.json` of a table of scores."""
    return {
        "format": FORMAT,
        "hash": detector.hash,
        "source": source,
        **detector.about,
        "survey": detector.survey,
    }
