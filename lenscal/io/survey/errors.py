"""What can be wrong with a survey and with its pixels."""

from __future__ import annotations

from lenscal.errors import LenscalError


class PixelError(LenscalError, ValueError):
    """Pixels that cannot be had; the message is ``kind: what was found``, and `kind` is one of few."""


class SurveyError(LenscalError, ValueError):
    """A survey that cannot be used as it lies; the message says what was found and what was expected."""
