"""The section `detector`: how one is trained, or which one is brought."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
)

from lenscal import schema
from lenscal.config.section import Placement, Section


class Training(Section):
    """How a detector is trained."""

    epochs: int = Field(20, ge=1)
    """At most."""
    patience: int = Field(8, ge=1)
    """Epochs without a better validation before stopping."""
    batch: int = Field(64, ge=2)
    """Images per step."""
    learning_rate: float = Field(1e-3, gt=0, le=10)
    """At the start of the cosine."""
    weight_decay: float = Field(1e-4, ge=0)
    """AdamW."""
    arc_snr_min: float = Field(3.0, ge=0)
    """Positives whose arc has less (`arc_snr` of quality) are not trained on; 0 trains on all."""
    positives_per_epoch: int | None = Field(120, ge=1)
    """Drawn with repetition and augmentation; null takes each once."""
    negatives_per_epoch: int | None = Field(400, ge=1)
    """Drawn afresh each epoch; null takes all."""
    val_negatives: int | None = Field(400, ge=1)
    """Cap on validation negatives; null takes all."""
    memory_gb: float = Field(4.0, gt=0)
    """Pixels beyond this are read again, batch by batch."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""
    mixed_precision: Literal["auto", "on", "off"] = "auto"
    """bfloat16 in training; `auto`: on a GPU only."""


class Detector(Section):
    """What is audited: trained here, or brought frozen."""

    architecture: str = "resnet18"
    """`resnet18`, or one that was added with `lenscal.detector.register`."""
    size: int = Field(64, ge=21)
    """Side of the image it sees."""
    bands: list[str] = Field(list(schema.BANDS), min_length=1)
    """In order."""
    frozen: Annotated[str | None, Placement()] = None
    """Folder of a frozen detector: nothing is trained."""
    training: Training = Training()
    """See below."""
    prevalence: float = Field(1 / 101, gt=0, lt=1)
    """Share of lenses at which the probabilities hold: one to a hundred others, as in the manifest, by default."""
    scientific: bool = False
    """False marks every product "not scientific"."""
