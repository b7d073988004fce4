"""What the report speaks of: the products of a run, opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.config import Settings
from lenscal.errors import InputError
from lenscal.gates import Gate, Ledger
from lenscal.report.asked import Rendered
from lenscal.report.beside import Beside


@dataclass(frozen=True, eq=False)
class Inputs:
    """Products of a run; where None is allowed, the section says in one sentence that the run has none.

    `gallery_images` is (row of the gallery, band, y, x), nanomaggy, bands as in `schema.BANDS`; `panel_images` the same
    of the rows of the table `panel` of `realism`; both may be None where `pictured` is false, for numbers alone.
    `judgement` holds the tables of `schema.JUDGEMENT`.
    """

    settings: Settings
    attrs: Mapping[str, Any]
    lenses: pd.DataFrame | None
    matches: pd.DataFrame | None
    contaminants: pd.DataFrame | None
    manifest: pd.DataFrame
    waterfall: pd.DataFrame | None
    strata: pd.DataFrame | None
    balance: pd.DataFrame | None
    quality: xr.Dataset
    injections: xr.Dataset
    history: pd.DataFrame | None
    thresholds: xr.Dataset
    scores_cutouts: xr.Dataset
    scores_injections: xr.Dataset
    completeness: xr.Dataset
    false_positives: pd.DataFrame | None
    missed: pd.DataFrame | None
    gallery: pd.DataFrame | None
    gallery_images: np.ndarray | Rendered | None
    gates: pd.DataFrame
    ledgers: Mapping[str, Ledger]
    realism: Mapping[str, pd.DataFrame] | None = None
    panel_images: np.ndarray | Rendered | None = None
    pictured: bool = True
    judgement: Mapping[str, pd.DataFrame] | None = None
    sky: xr.Dataset | None = None
    """Completeness over the footprint, as `schema.SKY_MAP`; None of stamps."""
    populations: xr.Dataset | None = None
    """The cube of every population of hosts; `completeness` is that of the one that is meant."""
    beside: Beside | None = None
    """Another detector on the same trials."""

    @cached_property
    def occupancy(self) -> xr.Dataset:
        """Hosts and sky of each seeing and depth, which no threshold changes."""
        return self.completeness[["host_pool", "area"]].reset_coords(drop=True).drop_attrs(deep=False)

    @cached_property
    def shifts(self) -> pd.DataFrame | None:
        """Of the table `counterfactuals` of the judgement: how scores move, which no threshold changes."""
        if self.judgement is None:
            return None
        return self.judgement["counterfactuals"][["name", "shift", "shift_lower", "shift_upper", "why_not"]]

    @cached_property
    def wrong_side(self) -> dict[str, np.ndarray]:
        """By the kind of the gallery: whether each of its rows is on the wrong side of the first threshold."""
        assert self.gallery is not None
        label = self.gallery["galaxy_id"].map(self.manifest.set_index("galaxy_id")["label"]).to_numpy()
        lens = (self.gallery["trial"].to_numpy() >= 0) | (label == 1)
        above = self.gallery["score"].to_numpy() >= self.thresholds["threshold"].values[0]
        return {kind: (above != lens)[rows] for kind, rows in self.gallery.groupby("kind", sort=False).indices.items()}

    def check(self) -> Inputs:
        """The inputs themselves, once they are as declared and belong together.

        Raises
        ------
        SchemaError
            A product is not what its declaration says.
        ValueError
            Products of different runs, or a table without a column that the page needs.
        """
        for declaration, table in (
            (schema.MANIFEST, self.manifest),
            (schema.LENSES, self.lenses),
            (schema.MATCHES, self.matches),
            (schema.CONTAMINANTS, self.contaminants),
        ):
            if table is not None:
                declaration.check_table(table)
        schema.QUALITY.check(self.quality)
        schema.INJECTIONS.check(self.injections)
        schema.SCORES_CUTOUTS.check(self.scores_cutouts)
        schema.SCORES_INJECTIONS.check(self.scores_injections)
        schema.COMPLETENESS.check(self.completeness)
        self._same_rows()
        self._same_cells()
        self._same_detector()
        for name, columns in _COLUMNS.items():
            table = getattr(self, name)
            if table is not None and (missing := [c for c in columns if c not in table.columns]):
                raise InputError(f"report: {name} lacks {missing}; it has {list(table.columns)}")
        self._gallery_fits()
        self._realism_fits()
        for name, declaration in schema.JUDGEMENT.items() if self.judgement is not None else ():
            if name not in self.judgement:
                raise InputError(f"report: the judgement lacks the table '{name}'; run the stage scores again")
            declaration.check_table(self.judgement[name])
        return self

    def _same_rows(self) -> None:
        ids = self.manifest["galaxy_id"].to_numpy()
        for name in ("quality", "scores_cutouts"):
            other = getattr(self, name)["galaxy_id"].values
            if not np.array_equal(np.sort(ids), np.sort(other)):
                raise InputError(
                    f"report: {name} holds {other.size} galaxies that are not the {ids.size} of the "
                    "manifest; open all from one run"
                )

    def _same_cells(self) -> None:
        for axis in schema.AXES:
            found = {n: getattr(self, n)[axis].values for n in ("injections", "scores_injections", "completeness")}
            for name, values in found.items():
                if not np.array_equal(values, found["completeness"]):
                    raise InputError(
                        f"report: {name} has {axis} {values}, completeness "
                        f"{found['completeness']}; open all from one run"
                    )
        found, expected = self.completeness["threshold"].values, self.thresholds["threshold"].values
        if not np.array_equal(found, expected):
            raise InputError(
                f"report: completeness was counted at thresholds {found}, the scores set "
                f"{expected}; open both from one run"
            )

    def _same_detector(self) -> None:
        named = str(self.attrs.get("detector_hash", ""))
        for name in ("scores_cutouts", "scores_injections", "completeness"):
            carried = str(getattr(self, name).attrs.get("detector_hash", named))
            if carried != named:
                raise InputError(
                    f"report: {name} was made with detector '{carried}', the run's is '{named}'; "
                    "score again with one of them"
                )

    def _gallery_fits(self) -> None:
        if self.gallery is None:
            return
        images = self.gallery_images
        if self.pictured and (
            images is None
            or len(images) != len(self.gallery)
            or (isinstance(images, np.ndarray) and (images.ndim != 4 or images.shape[1] != len(schema.BANDS)))
        ):
            found = getattr(images, "shape", None)
            raise InputError(
                f"report: gallery_images is {found}, not ({len(self.gallery)}, {len(schema.BANDS)}, "
                "y, x) as the gallery has rows"
            )
        if missing := set(self.gallery["galaxy_id"]) - set(self.manifest["galaxy_id"]):
            raise InputError(
                f"report: {len(missing)} galaxies of the gallery are not in the manifest, {min(missing)} "
                "is one; open both from one run"
            )

    def _realism_fits(self) -> None:
        if self.realism is None:
            return
        for name, columns in _REALISM.items():
            if missing := [c for c in columns if c not in self.realism.get(name, pd.DataFrame()).columns]:
                raise InputError(f"report: the table '{name}' of realism lacks {missing}; run the stage realism again")
        shown, images = len(self.realism["panel"]), self.panel_images
        if self.pictured and shown and (images is None or len(images) != shown):
            raise InputError(
                f"report: panel_images holds {0 if images is None else len(images)} images, the panel "
                f"{shown}; open both from one run"
            )


_GATE = list(Gate.__dataclass_fields__)
_REALISM = {
    "criteria": [
        "id",
        "verdict",
        "requirement",
        "claim",
        "measure",
        "value",
        "lower",
        "upper",
        "minimum",
        "maximum",
        "why",
    ],
    "measures": [
        "sample",
        "galaxy_id",
        "anchor_id",
        "radius",
        "snr_g",
        "snr_r",
        "colour_gr",
        "colour_rz",
        "concentration",
        "extent",
        "opposite",
    ],
    "quantiles": ["quantity", "percent", "real", "injected", "bare_hosts", "value", "from_95", "to_95"],
    "noise": ["band", "D", "p_halves", "D_halves_95", "p_pixels"],
    "noise_histogram": ["band", "sample", "fine_noise", "density"],
    "structure": ["quantity", "sample", "middle_real", "middle", "D", "p"],
    "probe": ["question", "auc", "from_95", "to_95"],
    "sensitivity": ["kind", "name", "pairs", "base", "changed", "change", "from_95", "to_95", "mid_p", "why_not"],
    "inner": ["theta_e", "n", "snr_median", "visible"],
    "panel": ["number", "kind", "galaxy_id", "theta_e", "psf_fwhm", "depth", "trial"],
}
_RATES = ["group", "value", "threshold", "n", "k", "rate", "lower_68", "upper_68"]
_COLUMNS = {
    "waterfall": ["step", "rows"],
    "strata": ["nobs_z_bin", "type_bin", "positives", "wanted", "n1", "n2", "shortfall"],
    "balance": ["split", "rows"],
    "history": ["epoch", "train_loss", "val_loss", "val_auc", "learning_rate"],
    "false_positives": _RATES,
    "missed": _RATES,
    "gallery": ["kind", "number", "galaxy_id", "ra", "dec", "theta_e", "psf_fwhm", "depth", "trial", "score"],
    "gates": _GATE,
}
