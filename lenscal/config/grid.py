"""Axes of the completeness cube."""

from __future__ import annotations

import numpy as np
from pydantic import (
    Field,
    model_validator,
)

from lenscal.config.section import Section
from lenscal.errors import InputError


class Axis(Section):
    """Bin centres from start to stop (both included), one step apart; edges half a step away."""

    start: float
    """Centre of the first bin."""
    stop: float
    """Centre of the last bin, a whole number of steps away."""
    step: float = Field(gt=0)
    """Width of a bin."""

    @model_validator(mode="after")
    def _whole_steps(self) -> Axis:
        steps = (self.stop - self.start) / self.step
        if steps > 10_000:
            raise InputError(
                f"from {self.start} to {self.stop} in steps of {self.step} has {steps:.3g} "
                "bins; expected 10,000 at most"
            )
        if self.stop < self.start or abs(steps - round(steps)) > 1e-6:
            raise InputError(f"from {self.start} to {self.stop} is not a whole number of steps of {self.step}")
        return self

    @property
    def centres(self) -> np.ndarray:
        count = round((self.stop - self.start) / self.step) + 1
        return np.round(self.start + self.step * np.arange(count), 6)

    @property
    def edges(self) -> np.ndarray:
        return np.round(np.append(self.centres - self.step / 2, self.centres[-1] + self.step / 2), 6)


_AXES = {"theta_e": (0.0, 8.0, "arcsec"), "psf_fwhm": (0.0, 8.0, "arcsec"), "depth": (10.0, 40.0, "mag")}


class Grid(Section):
    """The cells of the cube."""

    theta_e: Axis = Axis(start=0.5, stop=3.0, step=0.25)
    """Einstein radius [arcsec]."""
    psf_fwhm: Axis = Axis(start=0.9, stop=1.8, step=0.15)
    """PSFSIZE_R [arcsec]."""
    depth: Axis = Axis(start=22.5, stop=24.5, step=0.5)
    """PSFDEPTH_R [AB mag]."""

    @model_validator(mode="after")
    def _of_this_world(self) -> Grid:
        for name, (low, high, unit) in _AXES.items():
            axis = getattr(self, name)
            if axis.edges[0] < low or axis.edges[-1] > high:
                raise InputError(
                    f"{name} has bins from {axis.edges[0]:g} to {axis.edges[-1]:g} {unit}; expected them "
                    f"within {low:g} and {high:g}"
                )
        return self
