"""A frozen detector: weights, preprocessing and calibration under one content hash."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from scipy.special import expit

from lenscal.detector import architectures, calibration
from lenscal.detector.preprocessing import Preprocessing, unmasked
from lenscal.errors import InputError

FORMAT = 1
# images the network sees at once when it scores; never another number, so that no score depends on its neighbours
TILE = 64
FILES = ("weights.pt", "detector.json")


@contextmanager
def threads(count: int) -> Iterator[None]:
    """PyTorch with this many threads per operation; the number before is restored."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def content_hash(weights: Mapping[str, torch.Tensor], about: Mapping) -> str:
    """BLAKE2b (64 hex digits) of every tensor in the order of names, then of everything in `about` but its hash."""
    digest = hashlib.blake2b(digest_size=32)
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}:".encode())
        digest.update(tensor.numpy().tobytes())
    digest.update(_canonical({key: value for key, value in about.items() if key != "hash"}).encode())
    return digest.hexdigest()


def _canonical(value: object, indent: int | None = None) -> str:
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(value, sort_keys=True, separators=separators, indent=indent, allow_nan=False)


def pack_ids(ids: np.ndarray) -> str:
    """Sorted ids as base64 of little-endian int64 (JSON numbers lose digits above 2^53 in some readers)."""
    return base64.b64encode(np.sort(np.asarray(ids, np.int64)).astype("<i8").tobytes()).decode()


def pack_positions(ra: np.ndarray, dec: np.ndarray) -> str:
    """Positions [degree] as base64 of little-endian float64, row by row; NaN where one is not known."""
    return base64.b64encode(np.stack([ra, dec], 1).astype("<f8").tobytes()).decode()


class Frozen:
    """A detector that no longer changes.

    Parameters
    ----------
    weights : mapping of name to tensor
        State dict of the network.
    about : mapping
        All else that decides a score or says where the detector comes from; JSON values only.

    Attributes
    ----------
    hash : str
        Content hash, 64 hex digits.
    settings : dict
        `config.Detector` of the training.
    bands : tuple of str
        Order in which `score` expects them.
    size : int
        Of the centre crop that is scored, in pixels; larger stamps are cropped.
    training_ids : int64 array
        galaxy_id of every row whose pixels trained the network, sorted; empty where the artifact has no list.
    training_positions : (row, 2) float64 array or None
        RA and Dec [degree] of the same rows.
    survey : dict or None
        layer and mock: on which sky it was trained.
    prevalence : float
        Of positives, at which probabilities hold.
    record : dict
        Counts, caps and losses of the training.
    mock, scientific : bool
        Trained on the embedded sky; declared fit for science by its run file.
    """

    def __init__(self, weights: Mapping[str, torch.Tensor], about: Mapping) -> None:
        self.weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights.items()}
        self.about = json.loads(_canonical({key: value for key, value in about.items() if key != "hash"}))
        self.hash = content_hash(self.weights, self.about)
        self.preprocessing = Preprocessing.from_record(self.about["preprocessing"])
        self.settings: dict = self.about["settings"]
        self.record: dict = self.about["training"]
        self.mock, self.scientific = bool(self.about["mock"]), bool(self.about["scientific"])
        self.bands, self.size = self.preprocessing.bands, self.preprocessing.size
        self.training_ids = np.frombuffer(base64.b64decode(self.about.get("training_ids", "")), "<i8").astype(np.int64)
        packed = self.about.get("training_positions")
        self.training_positions = (
            None if packed is None else np.frombuffer(base64.b64decode(packed), "<f8").astype(float).reshape(-1, 2)
        )
        self.survey: dict | None = self.about.get("survey")
        self.prevalence = float(self.about["calibration"]["prevalence"])
        self._check_code()
        with torch.random.fork_rng(
            devices=[]
        ):  # the fresh weights, replaced at once, take nothing from the caller's stream
            module = architectures.build(self.about["architecture"], len(self.bands))
        module.load_state_dict(self.weights)
        module.eval()
        if hasattr(module, "folded"):
            module = module.folded()
        self._module = module.requires_grad_(False).to(memory_format=torch.channels_last)

    def _check_code(self) -> None:
        name, frozen_with = self.about["architecture"], self.about.get("code")
        if frozen_with is not None and frozen_with != (found := architectures.code(name)):
            raise InputError(
                f"detector was frozen with other code of the architecture '{name}': expected {frozen_with}, "
                f"found {found}; its scores would be those of another detector. Use the code that it was "
                "frozen with, or freeze it again"
            )

    @property
    def origin(self) -> str:
        """On what it was trained, by its own word."""
        if self.mock:
            return "trained on the embedded (mock) sky"
        if self.survey is None or not self.survey["layer"]:
            return "which does not say on what it was trained"
        return f"trained on '{self.survey['layer']}'"

    def __reduce__(self) -> tuple:
        return load, (dump(self),)

    def __repr__(self) -> str:
        return f"<Frozen {self.about['architecture']} {self.size} px {''.join(self.bands)} {self.hash[:12]}>"

    def score(self, images: np.ndarray, batch: int = 128) -> np.ndarray:
        """Logit of each stamp.

        The same stamp has the same logit, bit for bit, in whatever company, order, batch or thread it is scored (on one
        kind of processor and version of PyTorch).

        Parameters
        ----------
        images : (n, band, y, x) array
            Raw stamps in nanomaggy, bands in the order of `bands`, centre-cropped to `size`. Unobserved pixels are NaN,
            or masked.
        batch : int
            Stamps prepared at once, rounded up to a multiple of 64; bounds the memory, changes no score.

        Returns
        -------
        (n,) float32 array
            NaN where some band has no observed pixel in the crop.
        """
        images = unmasked(images)
        scores = np.full(len(images), np.nan, np.float32)
        if not len(images):
            return scores
        rows = np.flatnonzero(self.preprocessing.observed(images))
        step = -(-batch // TILE) * TILE
        with threads(1), torch.inference_mode():
            for first in range(0, rows.size, step):
                some = rows[first : first + step]
                ready = self.preprocessing(images[some])
                for start in range(0, some.size, TILE):
                    tile = np.zeros((TILE, *ready.shape[1:]), np.float32)
                    part = ready[start : start + TILE]
                    tile[: len(part)] = part
                    logits = self._module(torch.from_numpy(tile).contiguous(memory_format=torch.channels_last))
                    scores[some[start : start + TILE]] = logits.numpy()[: len(part)]
        return scores

    def probability(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated probability (float32) of logits, at `prevalence`; NaN, and masked, stays NaN."""
        fitted = self.about["calibration"]
        return expit(fitted["slope"] * unmasked(logits).astype(np.float64) + fitted["intercept"]).astype(np.float32)

    def reliability(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Calibration measures of `probability` on other rows, see `calibration.reliability`."""
        return calibration.reliability(self.probability(logits), labels, self.prevalence)


def dump(frozen: Frozen) -> dict[str, bytes]:
    """The two files of an artifact: weights.pt (a state dict, readable with `weights_only`) and detector.json."""
    buffer = io.BytesIO()
    torch.save({name: frozen.weights[name].clone() for name in sorted(frozen.weights)}, buffer)
    text = _canonical({**frozen.about, "hash": frozen.hash}, indent=1) + "\n"
    return {"weights.pt": buffer.getvalue(), "detector.json": text.encode()}


def load(files: Mapping[str, bytes]) -> Frozen:
    """The frozen detector of these files, once its content hash is what they claim.

    Parameters
    ----------
    files : mapping of name to bytes
        As `dump` made them.

    Raises
    ------
    ValueError
        When a file is missing, is not what it should be, or differs from what was frozen.
    """
    if missing := [name for name in FILES if name not in files]:
        raise InputError(
            f"detector: {', '.join(missing)} missing; expected {' and '.join(FILES)}, found "
            f"{sorted(files) or 'nothing'}"
        )
    try:
        about = json.loads(files["detector.json"])
        claimed = about["hash"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"detector.json is no description of a frozen detector ({type(error).__name__}: {error})"
        ) from None
    if about.get("format") != FORMAT:
        raise InputError(
            f"detector.json has format {about.get('format')!r}; this version of lenscal reads format {FORMAT}"
        )
    try:
        weights = torch.load(io.BytesIO(files["weights.pt"]), map_location="cpu", weights_only=True)
    except Exception as error:  # damaged archives raise many types
        raise InputError(
            f"weights.pt cannot be read as plain tensors ({type(error).__name__}); freeze the detector again"
        ) from error
    if not isinstance(weights, dict) or not all(isinstance(w, torch.Tensor) for w in weights.values()):
        raise InputError(f"weights.pt holds {type(weights).__name__}, not a state dict of tensors")
    found = content_hash(weights, about)
    if found != claimed:
        raise InputError(
            f"detector is not the one that was frozen: expected hash {claimed}, found {found}; "
            "weights.pt or detector.json was changed, restore both from the same freeze"
        )
    return Frozen(weights, about)
