"""What the causal experiment asks of a detector: variants of the host, the arc, the noise and the pixels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from lenscal.audit.experiments.bench import swapped
from lenscal.experiments import Variant, views

WORSE = 0.2  # arcsec: how much larger the FWHM is made
PERCENTS = (99.5, 98.0)


def variants(
    settings: object, hosts: pd.DataFrame, ids: np.ndarray, colours: dict[str, np.ndarray], seed: int
) -> list[Variant]:
    """What is asked of the detector.

    Parameters
    ----------
    settings : Settings
        Of the run.
    hosts : DataFrame
        As hosts.parquet.
    ids : (n,) int array
        The hosts of the trials.
    colours : mapping
        `lenses` and `survey`: median g - r and r - z.
    seed : int
    """
    return [
        *_of_hosts(hosts, ids, seed),
        *_of_colours(colours),
        _lens_like(hosts, ids, seed),
        *_of_pixels(),
        Variant(
            "noise",
            "no shot noise of the arc",
            settings.injections.model_copy(update={"shot_noise": False}),
            redraw=False,
            about="the arc's own Poisson noise left out",
        ),
    ]


def _of_hosts(hosts: pd.DataFrame, ids: np.ndarray, seed: int) -> list[Variant]:
    """The host alone, the arc alone, another host, and the host's smooth model taken off."""
    blank, on_blank = partial(views.blank_sky, seed=seed), partial(views.arc_on_blank_sky, seed=seed)
    return [
        Variant(
            "host",
            "alone, arc removed",
            transform=views.host_alone,
            arc=False,
            about="does a galaxy without an arc pass for a lens?",
        ),
        Variant("host", "blank sky alone", transform=blank, arc=False, about="the control: noise and nothing else"),
        Variant("host", "arc on blank sky", transform=on_blank, about="is the arc enough, without a galaxy?"),
        Variant(
            "host",
            "swapped in its cell",
            hosts=swapped(hosts, ids, None, seed),
            about="how much is due to which galaxy the arc is in?",
        ),
        Variant(
            "host",
            "subtracted, model with the arc",
            transform=partial(views.host_subtracted, with_arc=True),
            about="what a pipeline could do: smooth model of the image",
        ),
        Variant(
            "host",
            "subtracted, model without the arc",
            transform=partial(views.host_subtracted, with_arc=False),
            about="the galaxy's smooth light gone, arc untouched",
        ),
    ]


def _of_colours(colours: dict[str, np.ndarray]) -> list[Variant]:
    """The host in the colours of known lenses, or of the survey."""
    red, ordinary = (colours[name] for name in ("lenses", "survey"))

    def recolour(what: str, wanted: np.ndarray) -> Callable:
        return lambda v: views.recoloured(v, getattr(v, what), wanted)

    return [
        Variant(
            "host colour",
            "that of known lenses",
            transform=recolour("image", red),
            about="the galaxy's colour alone; arc, brightness and noise stay",
        ),
        Variant(
            "host colour", "that of the survey", transform=recolour("image", ordinary), about="the same the other way"
        ),
        Variant(
            "host colour",
            "that of known lenses, arc removed",
            transform=recolour("host", red),
            arc=False,
            about="does a red galaxy pass for a lens?",
        ),
    ]


def _lens_like(hosts: pd.DataFrame, ids: np.ndarray, seed: int) -> Variant:
    """Another host, drawn as known lenses have them."""
    from lenscal.injections.populations import COLUMN, LENS_LIKE

    name, about = "swapped for a lens-like one", "the same arc in a galaxy as known lenses have"
    if COLUMN[LENS_LIKE] in hosts:
        return Variant("host", name, hosts=swapped(hosts, ids, COLUMN[LENS_LIKE], seed), about=about)
    return Variant("host", name, why_not="known lenses are too few to tell lens-like hosts", about=about)


def _of_pixels() -> list[Variant]:
    """Pixels clipped, and blurred."""
    out = [
        Variant(
            "clip range",
            f"cut at percentile {p:g}",
            transform=partial(views.clipped, percent=p),
            about="the brightest pixels, the galaxy's middle, cut off",
        )
        for p in PERCENTS
    ]
    for what, about in (
        ("both", "arc and galaxy blend; noise kept"),
        ("arc", "the arc alone is smeared"),
        ("host", "the galaxy alone is smeared"),
    ):
        out.append(
            Variant(
                "PSF",
                f"{WORSE:g} arcsec worse, {what}",
                transform=partial(views.blurred, worse=WORSE, what=what),
                about=about,
            )
        )
    return out
