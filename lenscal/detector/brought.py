"""A detector that was not made here, behind lenscal's handling of pixels: whatever gives numbers
for images, in any runtime.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
from pathlib import Path

import numpy as np

from lenscal.detector import calibration, meaning
from lenscal.detector.adapters.runtime import Runtime, digest
from lenscal.detector.declaration import Declaration
from lenscal.detector.preparing import cropped, prepared
from lenscal.detector.probe import probe, stamps
from lenscal.detector.trained_on import rows_of
from lenscal.errors import InputError

FORMAT = 2
"""Of `detector.json` of a brought detector; 1 is that of lenscal's own."""


def hash_of(about: dict) -> str:
    """BLAKE2b (64 hex digits) of everything that decides a score."""
    text = json.dumps(about, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()


class Brought:
    """A frozen detector of someone else.

    Unobserved pixels are filled before the runtime sees them, since what runtimes make of NaN differs: some give a
    finite score. The runtime gets native numbers in C order, always `batch` images at once where it computes in tiles.

    Parameters
    ----------
    runtime : Runtime
    declaration : Declaration
    source : object
        What it was read from: a path, ``module:function``, or a callable; it is read again from there in other
        processes.
    probed : bool
        It was held to `probe` before, with this hash.

    Attributes
    ----------
    hash, bands, size
        See `Detector`.
    about : dict
        What the hash is of, and `seen` by the probe.

    Raises
    ------
    InputError
        See `probe`; or `reference` has other scores.
    """

    mock = scientific = False

    def __init__(self, runtime: Runtime, declaration: Declaration, source: object, probed: bool = False) -> None:
        self._runtime, self.declaration, self.source = runtime, declaration, source
        self.bands, self.size = tuple(declaration.bands), declaration.size
        self.prevalence = declaration.prevalence
        decides = {"declaration": declaration.decides(), "runtime": runtime.about}
        self.hash = hash_of(decides)
        self.training_ids, self.training_positions = rows_of(declaration.trained_on)
        trained = declaration.trained_on
        self.survey = None if trained is None else {"layer": trained.layer, "mock": trained.mock}
        self.seen: dict[str, object] = {}
        if not probed:
            self.seen = {**probe(self._asked, declaration), "of_nan": self._of_nan(), "reference": self._reference()}
        self.about = {**decides, "facts": runtime.facts, "seen": self.seen, "undeclared": declaration.undeclared}

    def __repr__(self) -> str:
        return f"<Brought {self._runtime.about['runtime']} {self.size} px {''.join(self.bands)} {self.hash[:12]}>"

    def __reduce__(self) -> tuple:
        from lenscal.detector.bringing import again

        return again, (self.source, self.declaration, self.hash)

    @property
    def origin(self) -> str:
        """On what it was trained, by its own word."""
        return meaning.origin(self.survey)

    @property
    def files(self) -> tuple[Path, ...]:
        """What it was read from."""
        return self._runtime.files

    def score(self, images: np.ndarray, batch: int = 128) -> np.ndarray:
        """See `Detector.score`; float64."""
        crop = cropped(images, self.declaration)
        scores = np.full(len(crop), np.nan)
        rows = np.flatnonzero(np.isfinite(crop).any((2, 3)).all(1))
        step = max(batch // self.declaration.batch, 1) * self.declaration.batch
        for first in range(0, rows.size, step):
            some = rows[first : first + step]
            scores[some] = self._asked(crop[some])
        return scores

    def probability(self, scores: np.ndarray) -> np.ndarray:
        """Probability of scores, float32: what the detector declares it to be, else the logistic
        function, fitted to nothing.
        """
        return meaning.probability(scores, self.declaration)

    def reliability(self, scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Calibration measures of `probability`, see `calibration.reliability`."""
        return calibration.reliability(self.probability(scores), labels, self.prevalence)

    def _asked(self, crop: np.ndarray) -> np.ndarray:
        """One number for each observed crop, as float64."""
        tile = self._runtime.tile or self.declaration.batch
        found = []
        for first in range(0, len(crop), tile):
            part = prepared(crop[first : first + tile], self.declaration)
            count = len(part)
            if self._runtime.tile is not None and count < tile:
                part = np.concatenate([part, np.zeros((tile - count, *part.shape[1:]), part.dtype)])
            found.append(self._numbers(self._called(part), len(part))[:count])
        scores = np.concatenate(found) if found else np.empty(0)
        if not np.isfinite(scores).all():
            raise InputError(
                f"detector: {int((~np.isfinite(scores)).sum())} of {scores.size} scores are not finite, though every "
                "pixel that it was shown is; check scale, clip and dtype of the declaration"
            )
        if self.declaration.output == "probability" and (scores.min(initial=0) < 0 or scores.max(initial=1) > 1):
            raise InputError(
                f"detector: declared are probabilities, found {scores.min():.4g} to {scores.max():.4g}; "
                "declare `output: logit` or `score`"
            )
        return scores

    def _called(self, images: np.ndarray) -> object:
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said):
                out = self._runtime.ask(images)
        except InputError:
            raise
        except Exception as error:
            cuda = "; it must run on the CPU of any worker" if "cuda" in str(error).lower() else ""
            raise InputError(
                f"detector: it fails on {images.dtype} images of shape {images.shape} ({type(error).__name__}: "
                f"{str(error)[:300]}){cuda}; correct bands, size, layout or dtype of the declaration"
            ) from error
        if said.getvalue():
            self._runtime.facts["prints"] = said.getvalue()[:200]
        return out

    def _numbers(self, out: object, count: int) -> np.ndarray:
        detach = getattr(out, "detach", None)
        found = np.asarray(detach().cpu().numpy() if detach else out)
        if found.ndim == 2 and found.shape[1] > 1 and self.declaration.column is not None:
            if not -found.shape[1] <= self.declaration.column < found.shape[1]:
                raise InputError(f"detector: declared is column {self.declaration.column} of {found.shape[1]} outputs")
            found = found[:, self.declaration.column]
        elif found.ndim == 2 and found.shape[1] == 1:
            found = found[:, 0]
        if found.shape != (count,):
            several = found.ndim == 2 and found.shape[0] == count
            fix = "declare which `column` is the score" if several else f"expected ({count},)"
            raise InputError(f"detector: it gave shape {found.shape} for {count} images; {fix}")
        if found.dtype.kind not in "fiu":
            raise InputError(f"detector: it gave {found.dtype}; expected numbers")
        return found.astype(np.float64)

    def _of_nan(self) -> str:
        """What the runtime makes of a stamp of NaN, which lenscal never shows it."""
        one = prepared(stamps(self.bands, self.size)[0][:1], self.declaration)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                rows = max(self._runtime.tile or 1, 1)
                out = self._runtime.ask(np.full((rows, *one.shape[1:]), np.nan, one.dtype))
            return "a finite score" if np.isfinite(self._numbers(out, rows)[0]) else "NaN"
        except Exception as error:
            return f"an error ({type(error).__name__})"

    def _reference(self) -> str:
        """Hold the scores of the reference stamps against those that their owner gives."""
        path = self.declaration.reference
        if path is None:
            return "none given"
        digest(Path(path))
        try:
            with np.load(path, allow_pickle=False) as file:
                images, expected = file["images"], file["scores"].astype(np.float64)
        except (ValueError, KeyError, OSError) as error:
            raise InputError(f"detector: reference '{path}' holds no `images` and `scores` ({error})") from None
        found = self.score(images)
        if expected.shape != found.shape:
            raise InputError(
                f"detector: reference has {len(images)} images and scores of shape {expected.shape}; expected one each"
            )
        away = float(np.nanmax(np.abs(found - expected))) / max(float(expected.std()), 1e-12)
        if not away <= 10 * self.declaration.tolerance or (np.isnan(found) != np.isnan(expected)).any():
            raise InputError(
                "detector: the reference stamps get other scores than its own pipeline gives, by "
                f"{away:.3g} of their scatter; bands, zeropoint, scale, stretch, fill or size of the "
                "declaration are not those of that pipeline"
            )
        return f"{len(images)} stamps, within {away:.2g} of their scatter"


def description(detector: Brought) -> dict:
    """`detector.json` of a brought detector: what a run keeps of it.

    The files themselves are kept beside it.
    """
    packed = base64.b64encode(np.sort(detector.training_ids).astype("<i8").tobytes()).decode()
    return {
        "format": FORMAT,
        "hash": detector.hash,
        "source": str(detector.source) if isinstance(detector.source, (str, Path)) else repr(detector.source),
        **detector.about,
        "bands": list(detector.bands),
        "size": detector.size,
        "survey": detector.survey,
        "training_ids": packed,
    }
