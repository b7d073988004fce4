"""Write docs/run-files.md."""

from pathlib import Path

from lenscal.config.page import page

(Path(__file__).resolve().parents[2] / "docs" / "run-files.md").write_text(page())
