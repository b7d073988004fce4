"""The section `scores`: how images are scored, and how the scores are judged."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
    model_validator,
)

from lenscal.config.section import Placement, Section
from lenscal.errors import InputError


class Scores(Section):
    """How images are scored, and by what the scores are judged."""

    batch: Annotated[int, Placement()] = Field(128, ge=1)
    """Images handed to the detector in one call; it bounds memory and changes no score."""
    prevalence: float | None = Field(None, gt=0, lt=1)
    """Share of lenses at which precision, calibration and risk are told; by default that of `detector.prevalence`.
    Among galaxies of the sky it is nearer to one in ten thousand."""
    interval: Literal["jeffreys", "hpd", "wilson", "clopper-pearson"] = "jeffreys"
    """Intervals of recall: equal-tailed or highest density of the Beta posterior with Jeffreys' prior, Wilson's
    score interval, or the exact one of Clopper and Pearson."""
    resamples: int = Field(1000, ge=100)
    """Resamples of the galaxies from which other intervals come."""
    bins: int = Field(10, ge=2)
    """Bins of equal mass in which predicted and observed shares of lenses are compared."""
    stratum_min: int = Field(10, ge=2)
    """With fewer lenses or fewer negatives the calibration of a stratum is not judged."""
    calibration_error_max: float = Field(0.02, gt=0, lt=1)
    """Criterion: no stratum's expected calibration error is surely above this."""
    shortcut_lenses: int = Field(300, ge=10)
    """Known lenses that the core-only and the annulus-only classifier see, at most; more are thinned by id."""
    shortcut_negatives: int = Field(4, ge=1)
    """Negatives for each of them, the nearest in seeing, depth and magnitude."""
    core_radius_arcsec: float = Field(1.5, gt=0)
    """The core is what lies within this radius."""
    annulus_radius_arcsec: float = Field(5.0, gt=0)
    """The annulus reaches from there to this radius."""
    core_auc_max: float = Field(0.7, gt=0.5, lt=1)
    """Criterion: a classifier that sees the core alone tells lenses from matched negatives with an AUC of at most this.
    """
    annulus_auc_min: float = Field(0.7, gt=0.5, lt=1)
    """Criterion: one that sees the annulus alone does so with an AUC of at least this."""
    counterfactuals: int = Field(200, ge=0)
    """Injections, each in another host, that are scored again without their arc, in another host, and on blank sky; 0
    leaves this out.
    """
    swap_change_max: float = Field(0.1, gt=0, lt=1)
    """Criterion: another host of the same seeing and depth changes the share that is found by no more than this."""
    nuisance_correlation_max: float = Field(0.2, gt=0, lt=1)
    """Criterion: the score of negatives is not surely correlated with seeing, depth, extinction, the edge of the brick
    or missing pixels beyond this.
    """
    channel_min: int = Field(10, ge=4)
    """With fewer lenses of a selection channel, channels are not compared."""
    channel_p_min: float = Field(0.05, gt=0, lt=1)
    """Criterion: lenses found by imaging searches and lenses found otherwise differ in score when the p-value is below
    this.
    """

    @model_validator(mode="after")
    def _radii_grow(self) -> Scores:
        if not self.core_radius_arcsec < self.annulus_radius_arcsec:
            raise InputError(
                f"core_radius_arcsec is {self.core_radius_arcsec:g}, annulus_radius_arcsec "
                f"{self.annulus_radius_arcsec:g}; "
                "expected the second above the first"
            )
        return self
