"""What a release says of itself: licence, authors, citation, README, and its files in words."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed

import numpy as np
import pandas as pd
import xarray as xr
import yaml

import lenscal
from lenscal import completeness
from lenscal.audit.pipeline import plan_of
from lenscal.audit.products import Run
from lenscal.audit.release_files import STORES, WORDS
from lenscal.errors import InputError
from lenscal.gates import FAIL
from lenscal.io.crate import About, Licence

DEFAULT = "CC-BY-4.0"
LICENCES = {
    one.id: one
    for one in (
        Licence(DEFAULT, "https://creativecommons.org/licenses/by/4.0/", "Creative Commons Attribution 4.0"),
        Licence("CC-BY-SA-4.0", "https://creativecommons.org/licenses/by-sa/4.0/", "CC Attribution-ShareAlike 4.0"),
        Licence("CC0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/", "Creative Commons Zero 1.0"),
        Licence("ODC-By-1.0", "https://opendatacommons.org/licenses/by/1-0/", "Open Data Commons Attribution 1.0"),
        Licence("BSD-3-Clause", "https://spdx.org/licenses/BSD-3-Clause", "BSD 3-Clause"),
        Licence("MIT", "https://spdx.org/licenses/MIT", "MIT License"),
    )
}
"""Licences that a release may have; the first is for data that may be used with a citation."""
LIBRARIES = (
    "numpy",
    "scipy",
    "numba",
    "pandas",
    "pyarrow",
    "xarray",
    "zarr",
    "astropy",
    "healpy",
    "h5netcdf",
    "rocrate",
)
_ORCID = re.compile(r"^(?:https://orcid\.org/)?(\d{4}-\d{4}-\d{4}-\d{3}[\dX])$")


def licence_of(name: str) -> Licence:
    """A licence by its SPDX name.

    Raises
    ------
    InputError
        There is none of that name in `LICENCES`.
    """
    found = {key.lower(): value for key, value in LICENCES.items()}.get(name.lower())
    if found is None:
        raise InputError(f"release: the licence is '{name}', expected one of {', '.join(LICENCES)}")
    return found


def authors_of(given: Sequence[str], run: str) -> list[dict]:
    """Authors as CITATION.cff has them; without any, an entity that stands for those of the run.

    Raises
    ------
    InputError
        An author is empty, or has an ORCID that is none.
    """
    out = []
    for author in given:
        family, *rest = (part.strip() for part in author.split(","))
        if not family or len(rest) > 2 or (rest and not rest[0]):
            raise InputError(
                f"release: the author is '{author}', expected 'Family, Given', 'Family, Given, ORCID', or a name"
            )
        one = {"family-names": family, "given-names": rest[0]} if rest else {"name": family}
        if len(rest) == 2:
            match = _ORCID.match(rest[1])
            if not match:
                raise InputError(f"release: the ORCID of '{family}' is '{rest[1]}', expected 0000-0000-0000-0000")
            one["orcid"] = f"https://orcid.org/{match[1]}"
        out.append(one)
    return out or [{"name": f"Authors of the lenscal run {run}"}]


@dataclass(frozen=True)
class Facts:
    """What every text of the release names."""

    run: str
    purpose: str
    published: str
    mock: bool
    mark: str
    licence: Licence
    authors: Sequence[dict]
    versions: dict
    failed: Sequence[str]
    recovery: str

    @classmethod
    def of(cls, run: Run, digests: Mapping[str, str], licence: Licence, authors: Sequence[dict]) -> Facts:
        settings, plan = run.settings, plan_of(run)
        versions = {
            "lenscal": sorted(set(run.manifest["pipeline_version"].astype(str))),
            "lenscal_commit": sorted(set(run.manifest["git_commit"].astype(str)) - {""}),
            "lenscal_release": lenscal.__version__,
            "detector_hash": run.detector.hash,
            "survey_layer": settings.survey.layer,
            "seed": settings.seed,
            "digests": dict(digests),
            "python": ".".join(map(str, sys.version_info[:2])),
            "libraries": {name: installed(name) for name in LIBRARIES},
        }
        gates = plan.gates()
        return cls(
            settings.name,
            settings.about,
            settings.timestamp,
            settings.survey.mock,
            run.not_scientific.get("not_scientific", ""),
            licence,
            authors,
            versions,
            [f"{gate.id}: {gate.claim}" for gate in gates if gate.verdict == FAIL],
            str(run.store("completeness").attrs.get("recovery", "")),
        )

    @property
    def title(self) -> str:
        return f"Completeness of a strong-lens detector: lenscal run {self.run}"

    @property
    def said(self) -> list[str]:
        """What has to be known before a number is used."""
        marks = ["Made from an embedded (mock) sky: no statement about the real sky."] if self.mock else []
        marks += [self.mark[0].upper() + self.mark[1:] + "."] if self.mark else []
        return [*marks, *([f"Real lenses beside injections: {self.recovery}"] if self.recovery else [])]


def about(facts: Facts) -> About:
    """The crate as a whole."""
    return About(
        facts.title,
        " ".join([facts.purpose or "Injection-recovery of a strong-lens detector.", *facts.said]),
        facts.published,
        facts.licence,
        facts.authors,
        {"name": "lenscal", "version": ", ".join(facts.versions["lenscal"]), "url": "versions.json"},
        "run-file.yaml",
        "completeness.zarr/",
        ("strong gravitational lensing", "selection function", "completeness", "injection-recovery"),
    )


def citation(facts: Facts) -> bytes:
    """CITATION.cff, version 1.2.0."""
    content = {
        "cff-version": "1.2.0",
        "message": "If you use these data, please cite them as below.",
        "type": "dataset",
        "title": facts.title,
        "authors": list(facts.authors),
        "date-released": facts.published[:10],
        "license": facts.licence.id,
        "version": facts.versions["digests"]["completeness"][:12],
        "keywords": ["strong gravitational lensing", "selection function", "completeness"],
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode()


def licence_file(facts: Facts) -> bytes:
    """Who may do what with the release."""
    names = "; ".join(one.get("name") or f"{one['given-names']} {one['family-names']}" for one in facts.authors)
    return (
        f"{facts.title}\nby {names}\n\nSPDX-License-Identifier: {facts.licence.id}\n"
        f"{facts.licence.name}: {facts.licence.url}\n"
    ).encode()


def readme(
    facts: Facts,
    cube: xr.Dataset,
    tables: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]],
    there: Collection[str],
) -> bytes:
    """README.md: what is `there`, how it is opened, the completeness by Einstein radius, and what it does not say."""
    trials = tables["found-missed"][0]
    listed = "\n".join(
        f"| `{path}` | {said} |"
        for path, said in [
            *((f"{name}.zarr", said) for name, (_, said) in STORES.items() if f"{name}.zarr" in there),
            *((path, said) for path, (_, said, _) in WORDS.items() if path in there),
        ]
    )
    warnings = "".join(f"> {mark}\n>\n" for mark in facts.said)
    failed = "\n".join(f"- {gate}" for gate in facts.failed) or "- none"
    return f"""# {facts.title}

{facts.purpose}

{warnings}
{len(trials):,} trials were put into real galaxies and scored by the detector
`{facts.versions["detector_hash"][:12]}`. A trial is found when its score is at or above a threshold, which was set on
validation negatives for a false-positive rate.

{_by_radius(cube)}

## Open it

```python
import pandas as pd
import xarray as xr

cube = xr.open_zarr("completeness.zarr")        # or xr.open_dataset("completeness.nc")
cell = cube["completeness"].sel(quantile=0.5, theta_e=1.5, method="nearest")
trials = pd.read_parquet("found-missed.parquet")  # columns: data-dictionary.csv
```

`sha256sum -c checksums.sha256` holds every file against its checksum; `ro-crate-metadata.json` describes all of them.

| file | holds |
| --- | --- |
{listed}

## What it does not say

Completeness is that of these injections at these thresholds, and holds for lenses that they are like. Cells with the
status `insufficient` have too few trials or hosts, `no data` none; NaN is no zero. `lower`, `upper` are statistical;
`total_lower`, `total_upper` add the systematic errors that the run could judge. Gates that failed:

{failed}

Licence: {facts.licence.name} ({facts.licence.id}), {facts.licence.url}. Cite as CITATION.cff says.
""".encode()


def _by_radius(cube: xr.Dataset) -> str:
    """A table of completeness by Einstein radius, averaged over seeing and depth."""
    weights = "area" if float(cube["area"].sum()) > 0 else "hosts"
    mean = completeness.marginalise(cube, weights=weights)
    said = []
    for number in range(mean.sizes["threshold"]):
        one = mean.isel(threshold=number)
        rate = float(one["false_positive_rate"])
        rows = [_row(radius, one.sel(theta_e=radius)) for radius in one["theta_e"].values]
        said.append(
            f"At a false-positive rate of {rate:.3g} (population of hosts: {cube.attrs.get('population', 'survey')}; "
            f"mean over seeing and depth, weighed by {weights}):\n\n"
            "| theta_e [arcsec] | completeness | 68.27 % interval | share without an estimate |\n"
            "| --- | --- | --- | --- |\n" + "\n".join(rows)
        )
    return "\n\n".join(said)


def _row(radius: float, one: xr.Dataset) -> str:
    middle, low, high, unknown = (
        float(value)
        for value in (one["completeness"].sel(quantile=0.5), one["lower"][0], one["upper"][0], one["unknown"])
    )
    ends = "none: too few hosts" if np.isnan(low) else f"{low:.3f} to {high:.3f}"
    return f"| {radius:g} | {'no data' if np.isnan(middle) else f'{middle:.3f}'} | {ends} | {unknown:.3f} |"
