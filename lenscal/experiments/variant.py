"""One change of the trials: of their settings, their hosts, their sources, their pixels, or of the
detector that sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lenscal import config
from lenscal.experiments.views import Views

Hosts = Mapping[int, int]
"""Another host (galaxy_id) for each host."""


@dataclass(frozen=True)
class Variant:
    """One thing changed, all else kept: hosts, seeds and theta_e are those of the trials unless
    the variant says otherwise.

    Attributes
    ----------
    kind, name : str
        What is changed, and to what.
    settings : config.Injections, optional
        Settings under which the trials are rendered.
    redraw : bool
        The parameters are drawn again under these settings, else they stay.
    why_not : str
        Why it cannot be made.
    moffat : bool
        Of hosts without a PSF image only.
    about : str
        What it asks, in a sentence.
    hosts : mapping, optional
        Other hosts.
    transform : callable, optional
        From `views.Views` to the images that the detector sees.
    detector : object, optional
        A second detector, with `score`.
    arc : bool
        False where no arc is left: what is found then is no lens.
    """

    kind: str
    name: str
    settings: config.Injections | None = None
    redraw: bool = True
    why_not: str = ""
    moffat: bool = False
    about: str = ""
    hosts: Hosts | None = None
    transform: Callable[[Views], np.ndarray] | None = None
    detector: object | None = None
    arc: bool = True
