"""The pages that are written from the declarations: `docs/data.md` and `stores/README.md`."""

from __future__ import annotations

from pathlib import Path

from .catalogues import CONTAMINANTS, GALAXIES, LENSES, MANIFEST, MATCHES, NEIGHBOURS
from .cube import COMPLETENESS
from .facts import VERSION
from .judgement import COUNTERFACTUAL_SCORES, JUDGEMENT, THRESHOLDS
from .pixels import CUTOUTS, QUALITY, SCORES_CUTOUTS
from .sky import SKY_MAP
from .trials import INJECTIONS, SCORES_INJECTIONS

DECLARATIONS = (
    GALAXIES,
    LENSES,
    MATCHES,
    NEIGHBOURS,
    CONTAMINANTS,
    MANIFEST,
    CUTOUTS,
    QUALITY,
    INJECTIONS,
    SCORES_CUTOUTS,
    SCORES_INJECTIONS,
    THRESHOLDS,
    *JUDGEMENT.values(),
    COUNTERFACTUAL_SCORES,
    COMPLETENESS,
    SKY_MAP,
)


def page() -> str:
    """The data page, in Markdown."""
    lines = ["# Data", "", f"Written from `lenscal/schema/` (schema version {VERSION}); do not edit by hand.", ""]
    for declaration in DECLARATIONS:
        lines += [f"## {declaration.name}", "", declaration.about, ""]
        if declaration.block:
            lines += [
                f"A block of work runs along {', '.join(declaration.block)}; chunks: "
                + ", ".join(f"{n} along {d}" for d, n in declaration.chunk.items())
                + ".",
                "",
            ]
        lines += ["| variable | dims | type | unit | meaning |", "| --- | --- | --- | --- | --- |"]
        for name, v in declaration.variables.items():
            mark = "" if v.required else " (optional)"
            about = v.about.replace("|", "\\|")
            lines.append(f"| `{name}` | {', '.join(v.dims)} | {v.dtype} | {v.units or '-'} | {about}{mark} |")
        lines.append("")
    return "\n".join(lines)


def readme() -> str:
    """The table of the stores, in Markdown."""
    lines = [
        "# Stores",
        "",
        "What a run writes, one folder per run; kept out of git. Written from `lenscal/schema/`; do not edit by hand.",
        "",
        "| store | dims | holds |",
        "| --- | --- | --- |",
    ]
    for declaration in DECLARATIONS:
        dims = dict.fromkeys(d for v in declaration.variables.values() for d in v.dims)
        lines.append(f"| `{declaration.name}` | {', '.join(dims)} | {declaration.about} |")
    lines += ["", "Every variable is listed in `docs/data.md`.", ""]
    return "\n".join(lines)


def write_pages(root: Path) -> None:
    """Write `stores/README.md` and `docs/data.md` below a checkout."""
    (root / "stores" / "README.md").write_text(readme())
    (root / "docs" / "data.md").write_text(page())
