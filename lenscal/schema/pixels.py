"""What is declared of stamps: cutouts, their quality and their scores."""

from __future__ import annotations

from .declaration import Declaration, Variable, columns

GALAXY = ("galaxy",)

_gal = lambda names, dtype, units, about, required=True: columns(names, dtype, units, about, GALAXY, required)  # noqa: E731

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
    **_gal("region", "str", "", "as in the manifest", False),
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
        **_gal("psf_fwhm_i", "f4", "arcsec", "core PSF FWHM at the centre", False),
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
