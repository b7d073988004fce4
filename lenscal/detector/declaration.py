"""What a brought detector says of itself: which images it wants, how they are prepared, and what its numbers mean."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from lenscal.config.loading import declaration_placed
from lenscal.config.section import Placement, Section
from lenscal.errors import InputError

BANDS, SIZE = ("g", "r", "z"), 64
"""What a detector that declares no bands, or no size, is shown; the report says that it did not declare them."""
RUN_FILE = {"stores", "survey"}
"""Keys that tell a run file from a declaration."""


class TrainedOn(Section):
    """Where the training rows of a detector lie, so that none of them judges it."""

    layer: str = ""
    """Layer of the survey, as `survey.layer` of a run file has it."""
    mock: bool = False
    """Whether it was an embedded (mock) sky."""
    rows: Annotated[str | None, Placement()] = None
    """Table of the training rows beside the declaration: galaxy_id, and ra, dec [degree] where they are known
    (Parquet, CSV, ECSV, FITS).
    """


class Declaration(Section):
    """Declared beside an artifact in a YAML file of its name, in the run file, or in the metadata of an ONNX file
    under the key ``lenscal``.
    """

    kind: Literal["callable", "state_dict", "torchscript", "export", "onnx", "scores"] | None = None
    """Form of the artifact; by default what its name and content say."""
    runtime: Literal["onnxruntime", "openvino"] = "onnxruntime"
    """What computes an ONNX file; another runtime is another detector."""
    network: str | None = None
    """For weights: an architecture that lenscal knows (`resnet18`), or `module:factory` or
    `file.py:factory` that makes the module.
    """
    arguments: dict[str, bool | int | float | str | list | None] = {}
    """Given to the factory of `network` by name."""
    bands: list[str] = Field(list(BANDS), min_length=1)
    """Bands in the order in which the detector expects them."""
    size: int = Field(SIZE, ge=5)
    """Side in pixels of the image, cut from the middle of the stamp."""
    layout: Literal["channels_first", "channels_last"] = "channels_first"
    """Order of the axes: (n, band, y, x), or (n, y, x, band)."""
    dtype: Literal["float32", "float64", "float16"] = "float32"
    """Type of the numbers that the detector takes."""
    fill: float = 0.0
    """What an unobserved pixel becomes before anything else, in nanomaggy; 0 is empty sky."""
    zeropoint: float = Field(22.5, ge=0, le=50)
    """AB magnitude of one unit of flux that the detector expects; 22.5 is nanomaggy."""
    offset: list[float] = [0.0]
    """Subtracted from the flux, one number or one a band, in the unit of `zeropoint`."""
    scale: list[float] = [1.0]
    """The flux is divided by it after the offset, one number or one a band."""
    stretch: Literal["none", "arcsinh", "sqrt", "log"] = "none"
    """Applied after the scale: arcsinh(x), sign(x) sqrt(abs(x)), or sign(x) ln(1 + abs(x))."""
    clip: tuple[float, float] | None = None
    """Range to which the stretched values are cut."""
    output: Literal["logit", "probability", "score"] = "score"
    """What a number means: a logit, a probability in [0, 1], or any score that grows with the likeness to a lens."""
    column: int | None = None
    """Which of several outputs per image is the score; counted from 0."""
    batch: int = Field(64, ge=1, le=4096)
    """Images that are asked at once; never another number, so that no score depends on its company."""
    tolerance: float = Field(1e-5, gt=0, le=1e-2)
    """How far a stamp's score may move in other company, as a share of the scatter of scores;
    also that of `reference`.
    """
    optimisation: Literal["all", "extended", "basic", "disabled"] = "all"
    """How far ONNX Runtime changes the graph; it decides the last digits of a score."""
    threads: int = Field(1, ge=1, le=256)
    """Threads of the runtime in each process."""
    about: dict[str, bool | int | float | str | list | None] = {}
    """Whatever else decides a score and is in no file and no code: options, numbers that an object
    holds. It is part of the hash.
    """
    files: Annotated[list[str], Placement()] = []
    """What else decides a score (weights that a function loads, other modules); their content is part of the hash."""
    reference: Annotated[str | None, Placement()] = None
    """NPZ with `images` (n, band, y, x) in nanomaggy and `scores` (n,) by the detector's own pipeline: it is
    refused where they differ.
    """
    trained_on: TrainedOn | None = None
    """What trained it; without it nobody can say that it is not judged on its own training rows."""
    prevalence: float = Field(1 / 101, gt=0, lt=1)
    """Share of lenses at which its probabilities hold."""
    missing_max: float = Field(0.0, ge=0, lt=1)
    """For a table of scores: largest share of the rows of a run that may have none, or none that is finite."""
    allow_code: bool = False
    """Whether loading the artifact may run code that it holds, as `torch.export` archives do."""

    @field_validator("*", mode="after")
    @classmethod
    def _sets_and_ranges(cls, value: Any, info: ValidationInfo) -> Any:
        if info.field_name in ("offset", "scale"):
            return value  # bands may have one number
        return Section._sets_and_ranges.__func__(cls, value, info)

    @model_validator(mode="before")
    @classmethod
    def _one_number(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {
            k: [v] if k in ("offset", "scale") and isinstance(v, (int, float)) and not isinstance(v, bool) else v
            for k, v in values.items()
        }

    @model_validator(mode="after")
    def _for_each_band(self) -> Declaration:
        for name in ("offset", "scale"):
            numbers = getattr(self, name)
            if len(numbers) not in (1, len(self.bands)):
                raise InputError(
                    f"{name} has {len(numbers)} numbers for the bands {self.bands}; expected one, or one for each"
                )
        if not all(number > 0 for number in self.scale):
            raise InputError(f"scale is {self.scale}; expected positive numbers, since the flux is divided by them")
        return self

    def decides(self) -> dict[str, Any]:
        """What of it decides a score, as JSON has it; what computes it is said by the runtime."""
        told = ("runtime", "trained_on", "tolerance", "missing_max", "prevalence", "allow_code")
        found = {name: value for name, value in self.content().items() if name not in told}
        if ":" in (self.network or ""):
            found["network"] = Path(str(self.network)).name  # wherever its file lies; its code has a digest
        return found

    @property
    def undeclared(self) -> list[str]:
        """What it leaves to lenscal's word, of that which decides what the detector is shown."""
        return [name for name in ("bands", "size", "scale", "stretch", "output") if name not in self.model_fields_set]


def declared(values: Mapping[str, Any], where: str) -> Declaration:
    """A checked declaration.

    Parameters
    ----------
    values : mapping
        Keys of `Declaration`.
    where : str
        Where they were found, for the message.

    Raises
    ------
    InputError
        One sentence per key that is unknown or wrong.
    """
    try:
        return Declaration.model_validate(dict(values))
    except ValidationError as error:
        known = ", ".join(Declaration.model_fields)
        lines = []
        for item in error.errors():
            key = ".".join(map(str, item["loc"])) or "(whole)"
            unknown = item["type"] == "extra_forbidden"
            lines.append(
                f"{key}: "
                + (
                    f"is unknown; expected one of {known}"
                    if unknown
                    else f"{item['msg']} (found {item['input']!r:.200})"
                )
            )
        raise InputError(f"detector: {where}: " + "; ".join(lines)) from None


def beside(path: Path) -> Path | None:
    """The declaration that lies beside an artifact, where there is one; a run file of that name is none."""
    found = (found for suffix in (".yaml", ".yml") if (found := path.with_suffix(suffix)).is_file())
    return next((file for file in found if not _is_run_file(file)), None)


def _is_run_file(file: Path) -> bool:
    try:
        return set(yaml.safe_load(file.read_text(encoding="utf-8"))) >= RUN_FILE
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, TypeError):
        return False


def read(path: Path) -> dict[str, Any]:
    """Keys of a declaration's file, with the files that it names made absolute.

    Raises
    ------
    InputError
        It is no YAML mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"detector: '{path}' is not the YAML of a declaration: {error}") from None
    if not isinstance(values, dict):
        raise InputError(
            f"detector: '{path}' holds {type(values).__name__}; expected a mapping such as 'bands: [g, r, z]'"
        )
    return declaration_placed(values, path.parent)
