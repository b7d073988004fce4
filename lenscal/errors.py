"""The one base of what lenscal refuses: the command line turns it into a sentence, and lets everything else keep its
traceback, as a fault of lenscal.
"""

from __future__ import annotations


class LenscalError(Exception):
    """Something cannot be done with what was given; the message says what was found, what was
    expected and what to do.
    """


class InputError(LenscalError, ValueError):
    """What was given is not what was expected."""
