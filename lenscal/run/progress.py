"""What a person sees while a run works: one line per stage, with blocks, rate and time left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table


class Display:
    """A live table in a terminal; plain lines elsewhere; nothing when quiet."""

    def __init__(self, stages: Sequence[str], console: Console | None = None, quiet: bool = False) -> None:
        self.console = console or Console()
        self.quiet = quiet
        self.rows = {name: {"state": "waiting", "done": 0, "total": 0, "rows": 0, "since": 0.0, "first": 0, "note": ""} for name in stages}
        self.link: str | None = None
        self.spoke = time.monotonic()
        live = not quiet and self.console.is_terminal
        self._live = Live(console=self.console, refresh_per_second=4, get_renderable=self._table) if live else None

    def __enter__(self) -> Display:
        if self._live:
            self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            self._live.__exit__(*error)

    @contextmanager
    def watching(self, name: str, what: str, patience: float) -> Iterator[None]:
        """Say after some seconds without any other word, and again after twice as many, that something is still at work in this process."""
        ended, since = threading.Event(), time.monotonic()

        def tell() -> None:
            wait = patience
            while not ended.wait(wait):
                if time.monotonic() - self.spoke >= wait:
                    self.warn(name, f"{what} is at work for {time.monotonic() - since:.0f} s, in this process")
                    wait *= 2

        threading.Thread(target=tell, daemon=True).start()
        try:
            yield
        finally:
            ended.set()

    def _say(self, text: str) -> None:
        self.spoke = time.monotonic()
        if not self.quiet and self._live is None:
            self.console.print(text, highlight=False, soft_wrap=True, markup=False)

    def dashboard(self, link: str | None) -> None:
        """Show where the Dask dashboard is served."""
        self.link = link
        if link:
            self._say(f"Dask dashboard: {link}")

    def skip(self, name: str, blocks: int) -> None:
        """A stage that was complete."""
        self.rows[name] |= {"state": "was complete", "done": blocks, "total": blocks}
        self._say(f"{name:<13} was complete ({blocks} blocks)")

    def start(self, name: str, total: int, done: int) -> None:
        """A stage begins, with some blocks possibly done by an earlier run."""
        self.rows[name] |= {"state": "running", "total": total, "done": done, "first": done, "since": time.monotonic()}
        self._say(f"{name:<13} {total} blocks" + (f", {done} done before" if done else ""))

    def advance(self, name: str, rows: int) -> None:
        """One block more."""
        row = self.rows[name]
        row["done"] += 1
        row["rows"] += rows
        step = max(1, row["total"] // 5)
        if row["total"] > 4 and row["done"] % step == 0 and row["done"] < row["total"]:
            self._say(f"{name:<13} {row['done']}/{row['total']} blocks, {self._rate(row)}" + (f"; {row['note']}" if row["note"] else ""))

    def note(self, name: str, text: str) -> None:
        """A remark on a stage."""
        self.rows[name]["note"] = text
        if text:
            self._say(f"{name:<13} {text}")

    def remark(self, name: str, text: str) -> None:
        """What is known of a stage so far: in the live table, and with the lines of progress elsewhere."""
        self.rows[name]["note"] = text

    def warn(self, name: str, text: str) -> None:
        """What a stage waits for, so that silence is not taken for work; said in a quiet run as well, beside its output."""
        self.spoke = time.monotonic()
        console = Console(stderr=True) if self.quiet else self.console
        console.print(f"{name:<13} {text}", highlight=False, soft_wrap=True, markup=False)

    def finish(self, name: str, seconds: float) -> None:
        """A stage is complete."""
        self.rows[name] |= {"state": "done", "note": "", "seconds": seconds}
        self._say(f"{name:<13} done in {seconds:.1f} s")

    @staticmethod
    def _rate(row: dict) -> str:
        spent = time.monotonic() - row["since"]
        fresh = row["done"] - row["first"]
        if not fresh or spent <= 0:
            return ""
        left = (row["total"] - row["done"]) * spent / fresh
        return f"{row['rows'] / spent:,.0f} rows/s, {left:,.0f} s left"

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for heading in ("stage", "state", "blocks", "rate", ""):
            table.add_column(heading)
        colours = {"waiting": "dim", "running": "bold cyan", "done": "green", "was complete": "green"}
        for name, row in self.rows.items():
            state = f"[{colours[row['state']]}]{row['state']}[/]"
            blocks = f"{row['done']}/{row['total']}" if row["total"] else ""
            rate = self._rate(row) if row["state"] == "running" else f"{row['seconds']:.1f} s" if "seconds" in row else ""
            table.add_row(name, state, blocks, rate, escape(row["note"]))
        if self.link:
            table.caption = f"Dask dashboard: {self.link}"
        return table
