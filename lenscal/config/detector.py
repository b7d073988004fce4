"""The section `detector`: how one is trained, or which one is brought."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lenscal import schema
from lenscal.config.section import Placement, Section
from lenscal.errors import InputError


class Training(Section):
    """How a detector is trained."""

    epochs: int = Field(20, ge=1)
    """Passes over the training sample; training stops earlier when `patience` runs out."""
    patience: int = Field(8, ge=1)
    """Training stops after this many epochs without a lower validation loss; the weights of the best epoch are kept."""
    batch: int = Field(64, ge=2)
    """Images in one step of the optimiser."""
    learning_rate: float = Field(1e-3, gt=0, le=10)
    """Step size of AdamW in the first epoch; it falls along half a cosine to zero in the last."""
    weight_decay: float = Field(1e-4, ge=0)
    """How strongly AdamW pulls weights towards zero (decoupled weight decay)."""
    arc_snr_min: float = Field(3.0, ge=0)
    """Lenses whose arc has a lower signal-to-noise ratio (`arc_snr` of quality) are left out of training, since nothing
    of them is to be seen; 0 trains on all."""
    positives_per_epoch: int | None = Field(120, ge=1)
    """Lenses drawn for one epoch, with repetition, each turned and mirrored at random; null takes each once."""
    negatives_per_epoch: int | None = Field(400, ge=1)
    """Negatives drawn anew for each epoch; null takes all."""
    val_negatives: int | None = Field(400, ge=1)
    """Validation negatives that the loss is measured on, at most; null takes all."""
    memory_gb: float = Field(4.0, gt=0)
    """Training images are kept in memory up to this size; where they are more, all of them are kept in a file beside
    the plan while it trains. The order of an epoch, and so the detector, is the same."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the network is trained; `auto` takes a GPU when there is one."""
    mixed_precision: Literal["auto", "on", "off"] = "auto"
    """Whether training computes in bfloat16; `auto` does so where the processor has it, and says how much faster a step
    is for it. Scores are always computed in single precision."""


class Detector(Section):
    """What is audited: trained here, or brought by its owner."""

    architecture: str = "resnet18"
    """Network that is trained: `resnet18`, or one added with `lenscal.register_architecture`."""
    size: int = Field(64, ge=21)
    """Side in pixels of the image that the network sees, cut from the middle of the stamp."""
    bands: list[str] = Field(list(schema.BANDS), min_length=1)
    """Bands that the network sees, in this order."""
    artifact: Annotated[str | None, Placement()] = None
    """The detector to audit; nothing is trained then. `file.py:function` or `module:function` (images to scores), a
    state dict (`.pt`, `.safetensors`), TorchScript (`.pt`), ONNX (`.onnx`), a table of scores (`.parquet`, `.csv`,
    `.ecsv`, `.fits`), or the folder of a detector that a run trained. What it expects is declared in a YAML file of its
    name beside it, or in `declaration`."""
    declaration: Annotated[dict[str, Any] | None, Placement()] = None
    """Declaration of the artifact (docs/stages/detector.md): bands, size, scale, stretch, output, ...; null reads
    the YAML file beside it.
    """
    training: Training = Training()
    """How the detector is trained; its keys are listed below."""
    prevalence: float = Field(1 / 101, gt=0, lt=1)
    """Share of lenses at which the probabilities hold: one to a hundred others, as in the manifest, by default."""
    scientific: bool = False
    """False marks every product "not scientific"."""

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, values: Any) -> Any:
        if isinstance(values, dict) and "frozen" in values:
            raise InputError(f"frozen is called artifact now; write `artifact: {values['frozen']}`")
        return values

    @model_validator(mode="after")
    def _declared_of_something(self) -> Detector:
        if self.declaration is not None and self.artifact is None:
            raise InputError(
                "declaration describes an artifact, and there is none; give `artifact`, or leave the declaration out"
            )
        return self
