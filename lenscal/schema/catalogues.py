"""What is declared of tables: galaxies, lenses, look-alikes and the sample."""

from __future__ import annotations

from .declaration import Declaration, columns

ROW = ("row",)

_row = lambda names, dtype, units, about, required=True: columns(names, dtype, units, about, ROW, required)  # noqa: E731

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
    **_row("flux_i", "f4", "nanomaggy", "model flux, not dereddened", False),
    **_row("flux_ivar_i", "f4", "nanomaggy^-2", "inverse variance of the flux", False),
    **_row("mag_i", "f4", "mag(AB)", "magnitude, not dereddened; NaN where flux <= 0", False),
    **_row("colour_gr colour_rz colour_zw1", "f4", "mag", "dereddened colour"),
}

_CONDITIONS = {
    **_row("nobs_g nobs_r nobs_z", "i4", "1", "exposures at the position"),
    **_row("psfsize_g psfsize_r psfsize_z", "f4", "arcsec", "PSFSIZE: noise-equivalent Gaussian FWHM, not a core FWHM"),
    **_row("psfdepth_g psfdepth_r psfdepth_z", "f4", "mag(AB)", "5-sigma depth of a point source, not dereddened"),
    **_row("galdepth_g galdepth_r galdepth_z", "f4", "mag(AB)", "5-sigma depth of a 0.45 arcsec round exponential"),
    **_row("nobs_i", "i4", "1", "exposures at the position", False),
    **_row("psfsize_i", "f4", "arcsec", "PSFSIZE: noise-equivalent Gaussian FWHM, not a core FWHM", False),
    **_row("psfdepth_i", "f4", "mag(AB)", "5-sigma depth of a point source, not dereddened", False),
    **_row("galdepth_i", "f4", "mag(AB)", "5-sigma depth of a 0.45 arcsec round exponential", False),
    **_row("ebv", "f4", "mag", "Galactic E(B-V), SFD98"),
    **_row("maskbits fitbits", "i4", "1", "bit mask"),
    **_row("mw_transmission_g mw_transmission_r mw_transmission_z", "f4", "1", "Galactic transmission"),
    **_row("mw_transmission_i", "f4", "1", "Galactic transmission", False),
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
        **_row("region", "str", "", "south or north, in a run that reads both", False),
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
