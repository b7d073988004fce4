"""The vocabulary of lenscal: every dimension, variable, type, unit and chunk, declared once.

Stages check what they are given and what they return against these declarations; `stores/README.md` and
`docs/data.md` are written from them (`python -m lenscal.schema`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lenscal.errors import LenscalError

VERSION = 1
BANDS = ("g", "r", "z")
ZEROPOINT = 22.5  # AB magnitude of one nanomaggy
PIXEL_SCALE = 0.262  # arcsec per pixel of the coadds
TYPES = ("PSF", "REX", "EXP", "DEV", "SER", "DUP")
SPLITS = ("train", "val", "test", "none")
POOLS = ("positive", "N1", "N2", "control")
TIERS = ("literature", "A", "B", "")
NOBS_BINS = ((1, 2, "1-2"), (3, 5, "3-5"), (6, 10, "6-10"), (11, 32767, "11+"))
QUANTILES = (0.025, 0.15865, 0.5, 0.84135, 0.975)
LEVELS = (0.6827, 0.95)
ARC_RADIUS = (0.6, 3.2)  # arcsec: where arcs are looked for
LAGS = {"lag_y": np.arange(4), "lag_x": np.arange(-3, 4)}
"""Axes of a table of noise correlation, pixels."""
LAG_SIZES = {dim: lags.size for dim, lags in LAGS.items()}

MASKBITS = {
    "NPRIMARY": 0,
    "BRIGHT": 1,
    "SATUR_G": 2,
    "SATUR_R": 3,
    "SATUR_Z": 4,
    "ALLMASK_G": 5,
    "ALLMASK_R": 6,
    "ALLMASK_Z": 7,
    "WISEM1": 8,
    "WISEM2": 9,
    "BAILOUT": 10,
    "MEDIUM": 11,
    "GALAXY": 12,
    "CLUSTER": 13,
    "SATUR_I": 14,
    "ALLMASK_I": 15,
    "SUB_BLOB": 16,
}
"""Bits of MASKBITS in DR10 (legacysurvey.org/dr10/bitmasks)."""

CONFUSERS = (
    "edge_on",
    "face_on_disk",
    "blue_clumpy",
    "blend_merger",
    "bright_core_companion",
    "residual_structure",
    "psf_halo",
)
"""Classes of pool N2; the position is the bit in `confuser`."""


class SchemaError(LenscalError, ValueError):
    """A product that is not what its declaration says."""


@dataclass(frozen=True)
class Variable:
    """One variable: its dims, type, unit and meaning."""

    dims: tuple[str, ...]
    dtype: str
    units: str
    about: str
    required: bool = True

    def problem(self, name: str, array: xr.DataArray | xr.Variable, along: tuple[str, ...] = ()) -> str | None:
        """What is wrong with an array that claims to be this variable; None when nothing is. It may run
        `along` these dims besides.
        """
        if set(array.dims) - set(along) != set(self.dims) - set(along):
            return f"'{name}' has dims {tuple(array.dims)}, not {self.dims}"
        kind = "U" if self.dtype == "str" else np.dtype(self.dtype).kind
        found = "U" if array.dtype.kind in "OUT" else array.dtype.kind
        if found != kind:
            return f"'{name}' is {array.dtype}, not {self.dtype}"
        units = array.attrs.get("units")
        if self.dtype != "str" and units != self.units:
            return f"'{name}' is in {units!r}, not {self.units!r}"
        return None


@dataclass(frozen=True)
class Declaration:
    """What one product holds.

    `block` names the dims a block of work runs along; `chunk` the length of a Zarr chunk along a dim (the whole dim
    where it is not named). `coords` are the names stored as coordinates; `along` dims that its variables may have
    besides.
    """

    name: str
    about: str
    variables: dict[str, Variable]
    block: tuple[str, ...] = ()
    chunk: dict[str, int] = field(default_factory=dict)
    coords: tuple[str, ...] = ()
    along: tuple[str, ...] = ()

    def check(self, dataset: xr.Dataset) -> xr.Dataset:
        """The dataset itself, once its names, dims, types and units are as declared; extra names are allowed.

        Raises
        ------
        SchemaError
            Naming every variable that is missing or differs.
        """
        problems = []
        for name, variable in self.variables.items():
            if name not in dataset.variables:
                if variable.required:
                    problems.append(f"'{name}' is missing")
                continue
            problem = variable.problem(name, dataset.variables[name], self.along)
            if problem:
                problems.append(problem)
        if problems:
            raise SchemaError(f"{self.name}: " + "; ".join(problems))
        return dataset

    def check_table(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table itself, once its columns and types are as declared (units stand in the declaration).

        Raises
        ------
        SchemaError
            Naming every column that is missing or of another kind.
        """
        problems = []
        for name, variable in self.variables.items():
            if name not in table.columns:
                if variable.required:
                    problems.append(f"column '{name}' is missing")
                continue
            kind = "U" if variable.dtype == "str" else np.dtype(variable.dtype).kind
            dtype = table[name].dtype
            found = "U" if pd.api.types.is_string_dtype(dtype) or dtype.kind == "O" else np.dtype(dtype).kind
            if found != kind:
                problems.append(f"column '{name}' is {dtype}, not {variable.dtype}")
        if problems:
            raise SchemaError(f"{self.name}: " + "; ".join(problems))
        return table

    def describe(self, dataset: xr.Dataset) -> xr.Dataset:
        """The dataset with declared dtypes, `long_name`, `units` where there are none, and declared
        coordinates set as such.
        """
        described = {}
        for name, variable in self.variables.items():
            if name not in dataset.variables:
                continue
            array = dataset.variables[name]
            if variable.dtype == "str":
                array = array.astype(np.dtypes.StringDType())
            elif array.dtype != np.dtype(variable.dtype):
                array = array.astype(variable.dtype)
            attrs = {**array.attrs, "long_name": variable.about}
            if variable.dtype != "str":
                attrs.setdefault("units", variable.units)  # another unit stays, so that `check` sees it
            described[name] = array._replace(attrs=attrs)
        out = dataset.assign(described)  # at once: each assignment by itself aligns all the others
        return out.set_coords([name for name in self.coords if name in out.variables])

    def cast_table(self, table: pd.DataFrame, extra: Iterable[str] = ()) -> pd.DataFrame:
        """Declared columns that are present, in declared order and type, then the `extra` ones."""
        out = {}
        for name, variable in self.variables.items():
            if name not in table.columns:
                continue
            column = table[name]
            if variable.dtype == "str":
                out[name] = _strings(column)
            else:
                out[name] = column if column.dtype == np.dtype(variable.dtype) else column.astype(variable.dtype)
        return pd.DataFrame(out | {name: table[name] for name in extra}, index=table.index)


def _strings(column: pd.Series) -> pd.Series:
    """A column of text; categories are looked up, not spelt out one by one."""
    if not isinstance(column.dtype, pd.CategoricalDtype) or not pd.api.types.is_string_dtype(
        column.cat.categories.dtype
    ):
        return column.astype("string[pyarrow]")
    import pyarrow as pa

    codes = column.cat.codes.to_numpy()
    words = pa.DictionaryArray.from_arrays(
        pa.array(codes, mask=codes < 0), pa.array(column.cat.categories.astype(str), pa.string())
    )
    return pd.Series(
        pd.array(words.cast(pa.large_string()), dtype="string[pyarrow]"), index=column.index, name=column.name
    )


def _columns(names: str, dtype: str, units: str, about: str, dims: tuple[str, ...], required: bool = True):
    return {name: Variable(dims, dtype, units, about, required) for name in names.split()}


ROW = ("row",)
_row = lambda names, dtype, units, about, required=True: _columns(names, dtype, units, about, ROW, required)  # noqa: E731

_IDENTITY = {
    **_row("galaxy_id", "i8", "1", "OBJID | BRICKID << 22 | RELEASE << 42, as a DESI TARGETID"),
    **_row("release", "i4", "1", "survey release; 0 for stamps that belong to none"),
    **_row("brickid", "i4", "1", "brick number"),
    **_row("brickname", "str", "", "brick name"),
    **_row("objid", "i4", "1", "number within the brick"),
    **_row("ra dec", "f8", "degree", "position, ICRS (NaN where a stamp has none)"),
    **_row("type", "str", "", "Tractor type, stripped, upper case"),
}
_PHOTOMETRY = {
    **_row("flux_g flux_r flux_z flux_w1", "f4", "nanomaggy", "model flux, not dereddened"),
    **_row("flux_ivar_g flux_ivar_r flux_ivar_z", "f4", "nanomaggy^-2", "inverse variance of the flux"),
    **_row("mag_g mag_r mag_z", "f4", "mag(AB)", "magnitude, not dereddened; NaN where flux <= 0"),
    **_row("colour_gr colour_rz colour_zw1", "f4", "mag", "dereddened colour"),
}
_CONDITIONS = {
    **_row("nobs_g nobs_r nobs_z", "i4", "1", "exposures at the position"),
    **_row("psfsize_g psfsize_r psfsize_z", "f4", "arcsec", "PSFSIZE: noise-equivalent Gaussian FWHM, not a core FWHM"),
    **_row("psfdepth_g psfdepth_r psfdepth_z", "f4", "mag(AB)", "5-sigma depth of a point source, not dereddened"),
    **_row("galdepth_g galdepth_r galdepth_z", "f4", "mag(AB)", "5-sigma depth of a 0.45 arcsec round exponential"),
    **_row("ebv", "f4", "mag", "Galactic E(B-V), SFD98"),
    **_row("maskbits fitbits", "i4", "1", "bit mask"),
    **_row("mw_transmission_g mw_transmission_r mw_transmission_z", "f4", "1", "Galactic transmission"),
}
_SHAPE = {
    **_row("shape_r", "f4", "arcsec", "half-light radius"),
    **_row("shape_r_ivar", "f4", "arcsec^-2", "inverse variance of shape_r"),
    **_row("shape_e1 shape_e2", "f4", "1", "Tractor ellipticity, |e| = (1 - b/a) / (1 + b/a)"),
    **_row("sersic", "f4", "1", "Sersic index"),
}
_FIT = {
    **_row("rchisq_g rchisq_r rchisq_z", "f4", "1", "reduced chi2 of the model"),
    **_row("fracflux_g fracflux_r fracflux_z", "f4", "1", "flux of neighbours over own flux, PSF-weighted"),
    **_row("fracin_g fracin_r fracin_z", "f4", "1", "share of the model flux inside the blob"),
    **_row("fiberflux_r fibertotflux_r fiberflux_z", "f4", "nanomaggy", "flux in a 1.5 arcsec fibre, own and total"),
    **_row("gaia_phot_g_mean_mag", "f4", "mag", "Gaia G; 0 where there is none"),
}
_SPATIAL = {
    **_row("healpix_64 healpix_128", "i8", "1", "HEALPix pixel, nested; -1 without a position"),
    **_row("split", "str", "", "train, val, test by HEALPix 128; none without a position"),
}
_PROVENANCE = {
    **_row("sweep_file", "str", "", "file the row came from"),
    **_row("row_index", "i8", "1", "row in that file"),
    **_row(
        "pipeline_version git_commit extraction_timestamp", "str", "", "what made the row, and when (from the run file)"
    ),
}

GALAXIES = Declaration(
    "galaxies",
    "Survey objects as imported, one row per object.",
    {
        **_IDENTITY,
        **_PHOTOMETRY,
        **_CONDITIONS,
        **_SHAPE,
        **_FIT,
        "healpix_64": _SPATIAL["healpix_64"],
        "healpix_128": _SPATIAL["healpix_128"],
        "sweep_file": _PROVENANCE["sweep_file"],
        "row_index": _PROVENANCE["row_index"],
        **_row(
            "_healpix_29", "i8", "1", "HEALPix pixel of order 29, nested: the spatial index of the HATS layout", False
        ),
    },
)

LENSES = Declaration(
    "lenses",
    "Known and candidate lenses of every catalogue, one row per system.",
    {
        **_row("lens_id", "str", "", "canonical: J<ra><dec>, position rounded to 0.1 arcsec"),
        **_row("name", "str", "", "name in its first catalogue"),
        **_row("ra dec", "f8", "degree", "position, ICRS"),
        **_row("zlens zsource", "f4", "1", "redshift; NaN where unknown or not a number"),
        **_row("grade", "str", "", "confident or probable, or the catalogue's own"),
        **_row("tier", "str", "", "literature (spectroscopic), A (confident), B (probable)"),
        **_row("catalogue", "str", "", "catalogues that list it, joined by |"),
        **_row("reference", "str", "", "papers that list it, joined by |"),
        **_row(
            "channel",
            "str",
            "",
            "selection channels: imaging-ml, spectroscopic, follow-up (spectra of imaging candidates), "
            "visual, literature, joined by |",
        ),
        **_row("imaging_candidate", "bool", "1", "of a DESI Legacy imaging search (rule P0.1b)"),
        **_row("healpix_128", "i8", "1", "HEALPix pixel, nested"),
        **_row("split", "str", "", "train, val, test"),
    },
)

MATCHES = Declaration(
    "matches",
    "Lenses matched to survey objects: the nearest object of each lens, and lenses without one.",
    {
        **_row("lens_id", "str", "", "of the lens"),
        **_row("galaxy_id", "i8", "1", "of the nearest object; -1 when there is none"),
        **_row("separation", "f4", "arcsec", "on the sphere; NaN when there is none"),
        **_row("n_within", "i4", "1", "objects within the radius"),
        **_row("reason", "str", "", "matched, no object within radius, outside the footprint"),
    },
)

NEIGHBOURS = Declaration(
    "neighbours",
    "Every survey object within the match radius of a lens, with its conditions.",
    {
        **_row("lens_id", "str", "", "of the lens"),
        **_row("rank", "i4", "1", "1 is the nearest"),
        **_row("galaxy_id", "i8", "1", "of the object"),
        **_row("separation", "f4", "arcsec", "on the sphere"),
        **_row("type", "str", "", "Tractor type", False),
        **_row("nobs_z", "i4", "1", "exposures at the position", False),
        **_row("psfsize_r", "f4", "arcsec", "PSFSIZE", False),
        **_row("psfdepth_r", "f4", "mag(AB)", "5-sigma depth of a point source", False),
    },
)

CONTAMINANTS = Declaration(
    "contaminants",
    "Catalogued look-alikes by category.",
    {
        **_row("name category catalogue", "str", "", "name, category (ring, spiral, merger, edge_on ...), catalogue"),
        **_row("ra dec", "f8", "degree", "position, ICRS"),
        **_row("galaxy_id", "i8", "1", "of the survey object; -1 when there is none"),
        **_row("separation", "f4", "arcsec", "on the sphere; NaN when there is none"),
    },
)

MANIFEST = Declaration(
    "manifest",
    "Level 1: the sample, one row per galaxy.",
    {
        **_IDENTITY,
        **_row("nobs_z_bin type_bin", "str", "", "stratum"),
        **_PHOTOMETRY,
        **_CONDITIONS,
        **_SHAPE,
        **_SPATIAL,
        **_row("pool", "str", "", "positive, N1, N2 or control"),
        **_row("label", "i1", "1", "1 lens, 0 negative, -1 neither (control)"),
        **_row("tier", "str", "", "of a positive: literature, A, B"),
        **_row("weight", "f4", "1", "sample weight in the loss"),
        **_row("target", "f4", "1", "label after tier smoothing"),
        **_row("confuser", "i4", "1", "bit mask of confuser classes, see CONFUSERS"),
        **_row("confuser_class", "str", "", "the class it was drawn for; empty outside N2"),
        **_row("contaminant", "str", "", "category of a catalogued contaminant; empty elsewhere"),
        **_row("role", "str", "", "train, anchor (evaluation only), or none"),
        **_row("host", "bool", "1", "may carry an injection"),
        **_row("lens_id catalogue reference grade channel", "str", "", "provenance of a positive"),
        **_row("condition_source", "str", "", "where PSF and depth come from: catalogue, measured, table, none"),
        **_PROVENANCE,
    },
)

GALAXY = ("galaxy",)
_gal = lambda names, dtype, units, about, required=True: _columns(names, dtype, units, about, GALAXY, required)  # noqa: E731

GALAXY_COORDS = {
    **_gal("galaxy_id", "i8", "1", "as in the manifest"),
    **_gal("ra dec", "f8", "degree", "position, ICRS"),
    **_gal("brickname type split pool tier role nobs_z_bin confuser_class", "str", "", "as in the manifest"),
    **_gal("label", "i1", "1", "as in the manifest"),
    **_gal("weight target", "f4", "1", "as in the manifest"),
    **_gal("confuser", "i4", "1", "as in the manifest"),
    **_gal("host", "bool", "1", "as in the manifest"),
    **_gal("healpix_128", "i8", "1", "as in the manifest"),
    **_gal("nobs_z", "i4", "1", "as in the manifest"),
    **_gal("psfsize_r", "f4", "arcsec", "as in the manifest"),
    **_gal("psfdepth_r", "f4", "mag(AB)", "as in the manifest"),
    **_gal("mag_r", "f4", "mag(AB)", "as in the manifest"),
    **_gal("condition_source", "str", "", "as in the manifest"),
}
_IMAGE = ("galaxy", "band", "y", "x")

CUTOUTS = Declaration(
    "cutouts",
    "Level 2: the pixels of each galaxy. Row order is the manifest's (by galaxy_id).",
    {
        **GALAXY_COORDS,
        "band": Variable(("band",), "str", "", "band"),
        "image": Variable(_IMAGE, "f4", "nanomaggy", "flux per pixel; NaN where nothing was observed"),
        "invvar": Variable(_IMAGE, "f4", "nanomaggy^-2", "inverse variance per pixel; 0 where nothing was observed"),
        "mask": Variable(("galaxy", "y", "x"), "i4", "1", "MASKBITS of the pixel"),
        "psfsize": Variable(
            ("galaxy", "band"), "f4", "arcsec", "PSFSIZE at the centre: noise-equivalent Gaussian FWHM"
        ),
        "psf_fwhm_core": Variable(("galaxy", "band"), "f4", "arcsec", "core FWHM of the Moffat with that PSFSIZE"),
        "psf_beta": Variable(("galaxy", "band"), "f4", "1", "Moffat beta"),
        "psfdepth": Variable(("galaxy", "band"), "f4", "mag(AB)", "5-sigma point-source depth"),
        "psf": Variable(
            ("galaxy", "band", "psf_y", "psf_x"),
            "f4",
            "1",
            "PSF image that includes the pixel; NaN where the Moffat serves",
            False,
        ),
        **_gal("stamp_size", "i2", "pixel", "side of the stamp"),
        **_gal("bandset", "str", "", "bands in which some pixel was observed"),
        **_gal("failure", "str", "", "why there are no pixels; empty when there are"),
        **_gal("cutout_url", "str", "", "file(s) the pixels came from"),
        **_gal("download_timestamp", "str", "", "when the pixels came from a service, UTC (no part of the digest)"),
        **_gal("layer_version", "str", "", "layer and release of the pixels"),
        **_gal("checksum", "str", "", "BLAKE2b-128 of the file that came from a service", False),
    },
    block=("galaxy",),
    chunk={"galaxy": 16},
    coords=(*GALAXY_COORDS, "band"),
)

_STATISTICS = {
    "mean": "mean",
    "std": "standard deviation",
    "percentile_1": "percentile 1",
    "median": "median",
    "percentile_99": "percentile 99",
}

QUALITY = Declaration(
    "quality",
    "Level 2: what each cutout is made of, joined to cutouts by galaxy.",
    {
        "galaxy_id": GALAXY_COORDS["galaxy_id"],
        "split": GALAXY_COORDS["split"],
        "pool": GALAXY_COORDS["pool"],
        "band": Variable(("band",), "str", "", "band"),
        **_gal("cutout_ok", "bool", "1", "fit for use"),
        **_gal("reason", "str", "", "why not; empty when it is"),
        **_gal("has_nan", "bool", "1", "some pixel of some band was not observed"),
        **_gal("nan_pixel_count", "i4", "pixel", "unobserved pixels, all bands"),
        **_gal("nan_in_centre", "bool", "1", "within the central radius"),
        **_gal("bad_pixel_frac", "f4", "1", "pixels without weight in some band"),
        **_gal("wise_brightmask_frac", "f4", "1", "pixels with a WISE bright-star bit"),
        **_gal("maskbit_frac_above_threshold", "f4", "1", "pixels with a bit of the exclusion list"),
        **_gal("masked_in_centre", "bool", "1", "such a pixel within 8 px of the centre"),
        **_gal("psf_fwhm_g psf_fwhm_r psf_fwhm_z", "f4", "arcsec", "core PSF FWHM at the centre"),
        **_gal("psfdepth_r_centre", "f4", "mag(AB)", "depth at the centre"),
        **_gal(
            "core_brightness_r outer_brightness_r", "f4", "nanomaggy", "mean flux per pixel, r <= 8 px and 20-33 px"
        ),
        **_gal("mad_r", "f4", "nanomaggy", "1.4826 MAD of the masked sky ring"),
        **_gal("median_r", "f4", "nanomaggy", "median of the stamp"),
        **_gal("clip_frac_r", "f4", "1", "pixels beyond 5 sigma of the sky ring"),
        **_gal("mean_r std_r percentile_1_r percentile_99_r", "f4", "nanomaggy", "of the stamp's finite pixels"),
        **_gal(
            "bright_star_dist",
            "f4",
            "arcsec",
            "to the nearest star with Gaia G < 16; NaN when none is listed within 900",
        ),
        **_gal("gaia_mag_nearest", "f4", "mag", "Gaia G of that star"),
        **{
            f"pixel_{name}": Variable(("galaxy", "band"), "f4", "nanomaggy", f"{about} of the stamp's finite pixels")
            for name, about in _STATISTICS.items()
        },
        "sigma": Variable(("galaxy", "band"), "f4", "nanomaggy", "sky noise per pixel, masked sky ring"),
        "noise_correlation": Variable(
            ("galaxy", "band"), "f4", "1", "sum of the noise autocorrelation over +-3 px lags"
        ),
        "lag_y": Variable(("lag_y",), "i8", "pixel", "lag of the noise autocorrelation along y", False),
        "lag_x": Variable(("lag_x",), "i8", "pixel", "lag of the noise autocorrelation along x", False),
        "noise_lags": Variable(
            ("galaxy", "band", "lag_y", "lag_x"),
            "f4",
            "1",
            "noise autocorrelation at lags of 0 to 3 px along y and -3 to 3 px along x; sums to "
            "noise_correlation over all 49 lags",
        ),
        "sky_invvar": Variable(
            ("galaxy", "band"), "f4", "nanomaggy^-2", "median inverse variance of the sky ring; NaN without any"
        ),
        **_gal(
            "arc_snr",
            "f4",
            "1",
            "of light beside the galaxy's smooth model in its brightest annulus, g and r together; NaN for what is no "
            "positive, or has no noise measured",
        ),
        **_gal("arc_radius", "f4", "arcsec", "of that annulus"),
        **_gal(
            "annulus_snr_r",
            "f4",
            "1",
            "flux of 1.0-3.5 arcsec, where arcs lie, over its sky noise; the host's own light is in it",
            False,
        ),
        **_gal(
            "annulus_brightness_r",
            "f4",
            "mag(AB)/arcsec^2",
            "mean surface brightness there; NaN where it is not positive",
            False,
        ),
    },
    block=("galaxy",),
    chunk={"galaxy": 256},
    coords=("galaxy_id", "split", "pool", "band", "lag_y", "lag_x"),
)

TRIAL = ("theta_e", "psf_fwhm", "depth", "trial")
_trial = lambda names, dtype, units, about, required=True: _columns(names, dtype, units, about, TRIAL, required)  # noqa: E731

AXES = {
    "theta_e": Variable(("theta_e",), "f8", "arcsec", "Einstein radius, bin centre"),
    "psf_fwhm": Variable(("psf_fwhm",), "f8", "arcsec", "PSFSIZE_R of the host, bin centre"),
    "depth": Variable(("depth",), "f8", "mag(AB)", "PSFDEPTH_R of the host, 5 sigma, bin centre"),
}
PARAMETERS = {
    **_trial("theta_e_drawn", "f8", "arcsec", "Einstein radius (intermediate axis) of the trial"),
    **_trial("q", "f8", "1", "axis ratio of the lens mass"),
    **_trial("phi", "f8", "radian", "lens major axis, counter-clockwise from +x"),
    **_trial("gamma1 gamma2", "f8", "1", "external shear about the stamp's centre"),
    **_trial("lens_x lens_y", "f8", "arcsec", "lens centre from the stamp's centre"),
    **_trial("n", "f8", "1", "Sersic index of the source"),
    **_trial("r_e", "f8", "arcsec", "half-light radius of the source (intermediate axis)"),
    **_trial("source_q", "f8", "1", "axis ratio of the source"),
    **_trial("source_phi", "f8", "radian", "source major axis, counter-clockwise from +x"),
    **_trial("source_x source_y", "f8", "arcsec", "source position in the source plane, from the stamp's centre"),
    **_trial("source_mag_g source_mag_r source_mag_z", "f8", "mag(AB)", "unlensed magnitude"),
}

INJECTIONS = Declaration(
    "injections",
    "Level 2: the whole parameter vector and outcome of every injection; pixels render again from it bit for bit.",
    {
        **AXES,
        "band": Variable(("band",), "str", "", "band"),
        **PARAMETERS,
        **_trial("galaxy_id", "i8", "1", "of the host; -1 where the cell has none"),
        **_trial("injection_id", "i8", "1", "from the cell's centre and the trial number"),
        **_trial("host_type", "str", "", "Tractor type of the host"),
        **_trial("host_split", "str", "", "split of the host"),
        **_trial("host_psfsize_r", "f4", "arcsec", "own PSFSIZE_R of the host"),
        **_trial("host_psfdepth_r", "f4", "mag(AB)", "own depth of the host"),
        **_trial("host_mag_r", "f4", "mag(AB)", "of the host"),
        **_trial("magnification", "f4", "1", "lensed over unlensed flux"),
        **_trial("beta_fraction", "f4", "1", "source offset over theta_E"),
        **_trial("arc_snr", "f4", "1", "r-band matched-aperture SNR of the arc, noise correlation included"),
        **_trial("proposals", "i4", "1", "draws from the prior until the magnification range was met"),
        "lensed_mag": Variable((*TRIAL, "band"), "f4", "mag(AB)", "of the lensed images inside the stamp"),
        "gain": Variable(
            (*TRIAL, "band"),
            "f4",
            "nanomaggy^-1",
            "electrons per nanomaggy in use: from the noise of the host's pixels, or configured",
        ),
        "gain_ratio": Variable((*TRIAL, "band"), "f4", "1", "that gain over the one of the host's inverse variance"),
        "psf_width_ratio": Variable(
            (*TRIAL, "band"), "f4", "1", "noise-equivalent width of the PSF in use over PSFSIZE", False
        ),
        "psf_core_ratio": Variable(
            (*TRIAL, "band"), "f4", "1", "FWHM of the core of the PSF in use over PSFSIZE", False
        ),
        "depth_offset": Variable(
            (*TRIAL, "band"),
            "f4",
            "mag",
            "5-sigma depth of the pixels' noise under that PSF less the depth column",
            False,
        ),
        **_trial(
            "zeropoint_offset",
            "f4",
            "mag",
            "magnitude of the host's pixels within 15 px of the centre less its mag_r; NaN without one",
            False,
        ),
        **_trial(
            "annulus_snr",
            "f4",
            "1",
            "mean r-band SNR of a pixel within 2 px of the Einstein ring, noise correlation included",
            False,
        ),
        **_trial(
            "log_density_host",
            "f8",
            "1",
            "ln of the probability with which the host was drawn among those of its cell",
            False,
        ),
        **_trial("log_density_survey", "f8", "1", "ln of the host's probability in the population survey", False),
        **_trial(
            "log_density_lens_like",
            "f8",
            "1",
            "ln of the host's probability in the population lens-like; -inf where it has none",
            False,
        ),
        **_trial(
            "log_density_source",
            "f8",
            "1",
            "ln of the prior's density of lens and source (units of the parameters), before "
            "the range of the magnification",
            False,
        ),
        **_trial("host_mag_z", "f4", "mag(AB)", "of the host, dereddened", False),
        **_trial("host_colour_gr host_colour_rz", "f4", "mag", "of the host, dereddened", False),
        **_trial("host_log_radius", "f4", "1", "log10 of the host's half-light radius in arcsec", False),
        **_trial("host_ellipticity", "f4", "1", "|e| of the host", False),
        **_trial("host_sersic", "f4", "1", "Sersic index of the host", False),
        **_trial(
            "host_neighbours",
            "f4",
            "1",
            "log10(0.01 + r flux of catalogued neighbours within 6 arcsec over the host's own)",
            False,
        ),
        "failure": Variable(TRIAL, "str", "", "why the trial has no image; empty when it has"),
        "image": Variable((*TRIAL, "band", "y", "x"), "f4", "nanomaggy", "host plus arc (keep_images only)", False),
    },
    block=("psf_fwhm", "depth"),
    chunk={"psf_fwhm": 1, "depth": 1},
    coords=("theta_e", "psf_fwhm", "depth", "band"),
)

SCORES_CUTOUTS = Declaration(
    "scores/cutouts",
    "Score of every cutout by the frozen detector.",
    {
        **GALAXY_COORDS,
        **_gal("cutout_ok", "bool", "1", "as in quality"),
        **_gal("arc_snr", "f4", "1", "as in quality: of positives, NaN otherwise"),
        **_gal("score", "f8", "1", "raw score (logit of lenscal's own); NaN where there is no usable image"),
        **_gal("probability", "f4", "1", "calibrated probability, see docs/conventions.md"),
    },
    block=("galaxy",),
    chunk={"galaxy": 1024},
    coords=tuple(GALAXY_COORDS),
)

SCORES_INJECTIONS = Declaration(
    "scores/injections",
    "Score of every injection by the frozen detector.",
    {
        **AXES,
        **_trial("galaxy_id", "i8", "1", "of the host"),
        **_trial("score", "f8", "1", "raw score (logit of lenscal's own); NaN where there is no image"),
        **_trial("probability", "f4", "1", "calibrated probability"),
    },
    block=("psf_fwhm", "depth"),
    chunk={"psf_fwhm": 1, "depth": 1},
    coords=("theta_e", "psf_fwhm", "depth"),
)

_SAID = _row("why_not", "str", "", "why there is no number; empty where there is one")
_ENDS = {**_row("lower upper", "f8", "1", "ends of its interval"), **_row("level", "f8", "1", "of the interval")}
_NUMBERS = _row("n_positive n_negative", "i8", "1", "lenses and negatives that it rests on")
_GROUP = _row("group value", "str", "", "stratum: what is divided, and which part of it (all: everything)")

JUDGEMENT = {
    "measures": Declaration(
        "judgement/measures",
        "How good the scores are, on the split test.",
        {
            **_row(
                "measure",
                "str",
                "",
                "AUC, average precision, log loss, Brier score, expected calibration error, area "
                "below the risk-coverage curve",
            ),
            **_row("value", "f8", "1", "of the measure"),
            **_ENDS,
            **_row("interval", "str", "", "its name"),
            **_NUMBERS,
            **_row("prevalence", "f8", "1", "share of lenses at which it holds; NaN where it does not matter"),
            **_SAID,
        },
    ),
    "curves": Declaration(
        "judgement/curves",
        "ROC and precision-recall curve of the split test, from the highest score down.",
        {
            **_row("threshold", "f8", "1", "score"),
            **_row("n_true n_false", "i8", "1", "lenses and negatives at or above it"),
            **_row("recall recall_lower recall_upper", "f8", "1", "share of the lenses, and its 95 % interval"),
            **_row("false_positive_rate", "f8", "1", "share of the negatives"),
            **_row("precision", "f8", "1", "at the prevalence of the judgement"),
            **_row("few", "bool", "1", "it rests on fewer than ten negatives"),
        },
    ),
    "recall": Declaration(
        "judgement/recall",
        "Known lenses held out of training that reach each threshold, by tier.",
        {
            **_row("sample", "str", "", "split test, or all held out of training"),
            **_row("tier", "str", "", "all, literature, A, B"),
            **_row("threshold false_positive_rate", "f8", "1", "as in scores/thresholds"),
            **_row("n k", "i8", "1", "scored, and at or above"),
            **_row("recall", "f8", "1", "k / n"),
            **_ENDS,
            **_row("interval", "str", "", "its name"),
            **_row("few", "bool", "1", "the threshold rests on fewer than ten negatives"),
        },
    ),
    "strata": Declaration(
        "judgement/strata",
        "Calibration by stratum, on the split test.",
        {
            **_GROUP,
            **_NUMBERS,
            **_row("error", "f8", "1", "expected calibration error, bins of equal mass"),
            **_ENDS,
            **_row("interval", "str", "", "its name"),
            **_row("predicted", "f8", "1", "mean probability at the prevalence"),
            **_row("risk_area", "f8", "1", "area below the risk-coverage curve"),
            **_SAID,
        },
    ),
    "bins": Declaration(
        "judgement/bins",
        "The bins of the calibration of each stratum that was judged.",
        {
            **_GROUP,
            **_row("bin", "i8", "1", "from the lowest probability up"),
            **_row("predicted observed", "f8", "1", "mean probability and share of lenses, at the prevalence"),
            **_row("lower upper", "f8", "1", "95 % interval of the observed share"),
            **_NUMBERS,
        },
    ),
    "risk": Declaration(
        "judgement/risk",
        "Share of wrong answers among the most confident ones, on the split test.",
        {
            **_row("coverage", "f8", "1", "share of the galaxies that are answered"),
            **_row("risk", "f8", "1", "share of them that is wrong"),
        },
    ),
    "calibrators": Declaration(
        "judgement/calibrators",
        "Ways from scores to probabilities, fitted on the split val and compared on the split test.",
        {
            **_row("calibrator", "str", "", "as shipped, Platt, temperature, isotonic"),
            **_row("about", "str", "", "what was fitted"),
            **_row("n_fitted", "i8", "1", "galaxies it was fitted on"),
            **{
                name: one
                for stem, about in (
                    ("log_loss", "mean log loss"),
                    ("brier", "Brier score"),
                    ("error", "expected calibration error"),
                    ("log_loss_change", "log loss less that of the shipped probabilities"),
                )
                for name, one in _row(
                    f"{stem} {stem}_lower {stem}_upper", "f8", "1", f"{about}, and its 95 % interval"
                ).items()
            },
            **_SAID,
        },
    ),
    "shortcuts": Declaration(
        "judgement/shortcuts",
        "Classifiers that see one part of the image alone.",
        {
            **_row("part", "str", "", "core or annulus"),
            **_row("auc", "f8", "1", "out of fold"),
            **_ENDS,
            **_row("interval", "str", "", "its name"),
            **_NUMBERS,
            **_SAID,
        },
    ),
    "counterfactuals": Declaration(
        "judgement/counterfactuals",
        "The same injections with something taken away or put elsewhere.",
        {
            **_row("name about", "str", "", "what was changed"),
            **_row("pairs", "i8", "1", "injections scored both times"),
            **_row(
                "shift shift_lower shift_upper",
                "f8",
                "1",
                "median of the change of the score, and its interval between order statistics",
            ),
            **_row("level", "f8", "1", "of the intervals"),
            **_row("base changed", "f8", "1", "shares found before and after"),
            **_row(
                "change change_lower change_upper", "f8", "1", "of the share found, and its interval (Newcombe, pairs)"
            ),
            **_row("p", "f8", "1", "McNemar, exact"),
            **_SAID,
        },
    ),
    "nuisance": Declaration(
        "judgement/nuisance",
        "Rank correlation of the score of negatives with what has nothing to do with lenses.",
        {
            **_row("quantity about", "str", "", "what the score is held against"),
            **_row("n", "i8", "1", "negatives with a value"),
            **_row("correlation", "f8", "1", "Spearman"),
            **_ENDS,
            **_row("p p_holm", "f8", "1", "that it lies within the limit, by itself and for all together"),
            **_SAID,
        },
    ),
    "channels": Declaration(
        "judgement/channels",
        "Held-out lenses of imaging searches beside those of other selection channels.",
        {
            **_row("measure", "str", "", "what is compared"),
            **_row("value lower upper", "f8", "1", "of the measure, and the ends of its 95 % interval"),
            **_row("p", "f8", "1", "by permutation"),
            **_row("n_imaging n_other", "i8", "1", "lenses of each"),
            **_row("about", "str", "", "how it was found"),
            **_SAID,
        },
    ),
}
"""Tables of the judgement of scores, by name."""

CELL = ("theta_e", "psf_fwhm", "depth")
COMPLETENESS = Declaration(
    "completeness",
    "The completeness cube: counts, posterior, intervals. Counts are stored, ratios derived.",
    {
        **AXES,
        "population": Variable(
            ("population",), "str", "", "of hosts: what depends on it runs along it; one alone has no such dim", False
        ),
        "host_type": Variable(("host_type",), "str", "", "Tractor type of the hosts, where it is an axis", False),
        "host_colour_gr": Variable(
            ("host_colour_gr",), "f8", "mag", "dereddened g - r of the hosts, bin centre, where it is an axis", False
        ),
        "threshold": Variable(("threshold",), "f8", "1", "score at or above which a detection is claimed"),
        "quantile": Variable(("quantile",), "f8", "1", "of the posterior"),
        "level": Variable(("level",), "f8", "1", "of the interval"),
        "false_positive_rate": Variable(("threshold",), "f8", "1", "of validation negatives at the threshold"),
        "false_positive_rate_lower": Variable(("threshold", "level"), "f8", "1", "lower end of its interval", False),
        "false_positive_rate_upper": Variable(("threshold", "level"), "f8", "1", "upper end of its interval", False),
        "n_injected": Variable(CELL, "i8", "1", "trials with an image and a score"),
        "n_failed": Variable(CELL, "i8", "1", "trials without"),
        "n_hosts": Variable(CELL, "i8", "1", "distinct hosts"),
        "hosts_effective": Variable(
            CELL,
            "f8",
            "1",
            "as how many hosts they count, if each stood equally often in the population and had as many trials",
            False,
        ),
        "n_detected": Variable((*CELL, "threshold"), "i8", "1", "trials at or above the threshold"),
        "fraction_detected": Variable(
            (*CELL, "threshold"),
            "f8",
            "1",
            "share of the trials detected, each with the weight of its host in the population",
            False,
        ),
        "n_effective": Variable(
            (*CELL, "threshold"),
            "f8",
            "1",
            "independent trials, equal in weight, that tell as much: n_injected over the design effect",
        ),
        "design_effect": Variable(
            (*CELL, "threshold"),
            "f8",
            "1",
            "variance inflation by shared hosts (shrunk to 1 where not detected) and by unequal weights",
        ),
        "completeness": Variable(
            (*CELL, "threshold", "quantile"),
            "f8",
            "1",
            "posterior quantiles; NaN without data, all but the median with too few hosts",
        ),
        "lower": Variable(
            (*CELL, "threshold", "level"), "f8", "1", "lower end of the interval; NaN with too few hosts"
        ),
        "upper": Variable((*CELL, "threshold", "level"), "f8", "1", "upper end of the interval"),
        "systematic_lower": Variable(
            (*CELL, "threshold", "cause"), "f8", "1", "how much lower completeness may be for this cause", False
        ),
        "systematic_upper": Variable(
            (*CELL, "threshold", "cause"), "f8", "1", "how much higher completeness may be for this cause", False
        ),
        "cause": Variable(("cause",), "str", "", "of a systematic error", False),
        "total_lower": Variable(
            (*CELL, "threshold", "level"),
            "f8",
            "1",
            "lower end of the interval with every systematic error in it",
            False,
        ),
        "total_upper": Variable(
            (*CELL, "threshold", "level"),
            "f8",
            "1",
            "upper end of the interval with every systematic error in it",
            False,
        ),
        "sufficient": Variable(CELL, "bool", "1", "enough trials and enough distinct (and effective) hosts"),
        "status": Variable(CELL, "str", "", "sufficient, insufficient, or no data"),
        "area": Variable(("psf_fwhm", "depth"), "f8", "degree^2", "sky with those conditions in the footprint at hand"),
        "host_pool": Variable(("psf_fwhm", "depth"), "i8", "1", "eligible hosts with those conditions"),
        "host_injected": Variable(("theta_e", "host"), "i8", "1", "scored trials of the host", False),
        "host_detected": Variable(
            ("theta_e", "threshold", "host"), "i8", "1", "of them, at or above the threshold", False
        ),
        "host_weight": Variable(
            ("population", "host"),
            "f8",
            "1",
            "weight of a trial on the host: its density in the population over that it was drawn with",
            False,
        ),
        "host_id": Variable(("host",), "i8", "1", "galaxy_id of the host", False),
        "host_psf_fwhm": Variable(("host",), "f8", "arcsec", "PSFSIZE_R of the host's cell, bin centre", False),
        "host_depth": Variable(("host",), "f8", "mag(AB)", "PSFDEPTH_R of the host's cell, bin centre", False),
    },
    coords=(
        "theta_e",
        "psf_fwhm",
        "depth",
        "threshold",
        "quantile",
        "level",
        "false_positive_rate",
        "cause",
        "population",
        "host_type",
        "host_colour_gr",
        "host_id",
        "host_psf_fwhm",
        "host_depth",
    ),
    along=("population", "host_type", "host_colour_gr"),
)

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
    *JUDGEMENT.values(),
    COMPLETENESS,
)


def page() -> str:
    """The data page, in Markdown."""
    lines = ["# Data", "", f"Written from `lenscal/schema.py` (schema version {VERSION}); do not edit by hand.", ""]
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
        "What a run writes, one folder per run; kept out of git. Written from "
        "`lenscal/schema.py`; do not edit by hand.",
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


if __name__ == "__main__":
    write_pages(Path(__file__).resolve().parent.parent)
