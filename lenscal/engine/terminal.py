"""What a person sees while a run works: one line per stage, with blocks, rate and time left."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from lenscal.engine.events import BlockEnded, Counted, Event, Finished, Noted, Served, Skipped, Started, Told, Waiting


class Terminal:
    """A listener: a live table in a terminal; plain lines elsewhere; nothing when quiet but what is waited for."""

    def __init__(self, stages: Sequence[str], console: Console | None = None, quiet: bool = False) -> None:
        self.console = console or Console()
        self.quiet = quiet
        self.rows = {
            name: {"state": "waiting", "done": 0, "total": 0, "rows": 0, "since": 0.0, "first": 0, "note": ""}
            for name in stages
        }
        self.link: str | None = None
        self.told = ""
        live = not quiet and self.console.is_terminal
        self._live = Live(console=self.console, refresh_per_second=4, get_renderable=self._table) if live else None

    def __enter__(self) -> Terminal:
        if self._live:
            self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            self._live.__exit__(*error)

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case Served():
                self._served(event.link)
            case Told():
                self.told = event.text
                self._say(event.text)
            case Skipped():
                self._skipped(event)
            case Started():
                self._started(event)
            case BlockEnded():
                self._ended(event)
            case Noted():
                self.rows[event.stage]["note"] = event.text
                self._say(f"{event.stage:<13} {event.text}")
            case Counted():
                self.rows[event.stage]["note"] = event.text
            case Waiting():
                console = Console(stderr=True) if self.quiet else self.console
                console.print(f"{event.stage:<13} {event.text}", highlight=False, soft_wrap=True, markup=False)
            case Finished():
                self.rows[event.stage] |= {"state": "done", "note": "", "seconds": event.seconds}
                self._say(f"{event.stage:<13} done in {event.seconds:.1f} s")

    def _say(self, text: str) -> None:
        if not self.quiet and self._live is None:
            self.console.print(text, highlight=False, soft_wrap=True, markup=False)

    def _served(self, link: str) -> None:
        self.link = link
        self._say(f"Dask dashboard: {link}")

    def _skipped(self, event: Skipped) -> None:
        self.rows[event.stage] |= {"state": "was complete", "done": event.blocks, "total": event.blocks}
        self._say(f"{event.stage:<13} was complete ({event.blocks} blocks)")

    def _started(self, event: Started) -> None:
        self.rows[event.stage] |= {
            "state": "running",
            "total": event.blocks,
            "done": event.complete,
            "first": event.complete,
            "since": time.monotonic(),
        }
        self._say(
            f"{event.stage:<13} {event.blocks} blocks" + (f", {event.complete} done before" if event.complete else "")
        )

    def _ended(self, event: BlockEnded) -> None:
        row = self.rows[event.stage]
        row["done"] = event.blocks
        row["rows"] += event.rows
        step = max(1, row["total"] // 5)
        if row["total"] > 4 and row["done"] % step == 0 and row["done"] < row["total"]:
            self._say(
                f"{event.stage:<13} {row['done']}/{row['total']} blocks, {self._rate(row)}"
                + (f"; {row['note']}" if row["note"] else "")
            )

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
            rate = (
                self._rate(row) if row["state"] == "running" else f"{row['seconds']:.1f} s" if "seconds" in row else ""
            )
            table.add_row(name, state, blocks, rate, escape(row["note"]))
        if below := [f"Dask dashboard: {self.link}"] * bool(self.link) + [escape(self.told)] * bool(self.told):
            table.caption = "\n".join(below)
        return table
