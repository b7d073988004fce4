"""Figures drawn by several processes of one machine: each of them takes the next one when it is done with the last."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

Drawn = tuple[bytes, ...]
"""What becomes of one figure, in parts."""
MOST = 4
"""Processes; each holds a second time what it changes in memory."""
FEW = 4
"""Figures for which a further process is worth its start."""
PATIENCE = 300.0
"""Seconds that the figures of another process are waited for before they are drawn here."""


def processes(figures: int) -> int:
    """How many processes draw so many figures: as many as there are processors for this one where the system can fork
    safely (Linux), else one.
    """
    if not sys.platform.startswith("linux"):
        return 1
    return max(1, min(MOST, len(os.sched_getaffinity(0)), figures // FEW))


def each(draw: Callable[[int], Drawn], own: Sequence[int], others: Sequence[int], workers: int) -> dict[int, Drawn]:
    """What a function gives of each number.

    Parameters
    ----------
    draw : callable
        Of one number. Of one in `others` it must depend on nothing that a fork of this process lacks: no file, no
        thread.
    own : sequence of int
        Numbers that only this process can do; it does them first.
    others : sequence of int
        Numbers, fewer than 256, that any process can do.
    workers : int
        Processes, this one included.

    Returns
    -------
    dict of int to Drawn
        The same whatever the number of processes: what another one does not bring is done here.
    """
    if workers < 2 or not others:
        return {number: draw(number) for number in (*own, *others)}
    taken, given = os.pipe()
    os.write(given, bytes(range(len(others))))
    os.close(given)  # so that reading gives nothing at the end of the list
    crew = [_hired(draw, others, taken) for _ in range(workers - 1)]
    try:
        done = {number: draw(number) for number in own}
        while place := os.read(taken, 1):
            done[others[place[0]]] = draw(others[place[0]])
        for _, answers in crew:
            done |= _brought(answers)
    finally:
        os.close(taken)
        for process, answers in crew:
            answers.close()
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
    return done | {number: draw(number) for number in others if number not in done}


def _hired(draw: Callable[[int], Drawn], others: Sequence[int], taken: int) -> tuple[int, Connection]:
    """A process that draws until nothing is left, and the end at which its answers come."""
    answers, brings = Pipe(duplex=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, none of which a figure needs
        process = os.fork()
    if process:
        brings.close()
        return process, answers
    try:
        _work(draw, others, taken, brings)
    finally:
        os._exit(0)  # nothing of this process is to be tidied or told: it is all the other's


def _work(draw: Callable[[int], Drawn], others: Sequence[int], taken: int, brings: Connection) -> None:
    drawn = []
    while place := os.read(taken, 1):
        with suppress(Exception):  # the other process, which draws it again, says what is wrong
            drawn.append((others[place[0]], draw(others[place[0]])))
    for number, parts in drawn:  # at the end, when the other process reads: a pipe holds little
        for content in (str(number).encode(), str(len(parts)).encode(), *parts):
            brings.send_bytes(content)
    brings.send_bytes(b"")


def _brought(answers: Connection) -> dict[int, Drawn]:
    """What a process brings, as far as it does."""
    found: dict[int, Drawn] = {}
    with suppress(EOFError, OSError):  # it ended early
        while answers.poll(PATIENCE) and (number := answers.recv_bytes()):
            found[int(number)] = tuple(answers.recv_bytes() for _ in range(int(answers.recv_bytes())))
    return found
