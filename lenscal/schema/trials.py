"""What is declared of trials: injections and their scores."""

from __future__ import annotations

from .declaration import Declaration, Variable, columns

TRIAL = ("theta_e", "psf_fwhm", "depth", "trial")

_trial = lambda names, dtype, units, about, required=True: columns(names, dtype, units, about, TRIAL, required)  # noqa: E731

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
"""Of every trial; `ALL_PARAMETERS` has those of optional bands as well."""

ALL_PARAMETERS = {**PARAMETERS, **_trial("source_mag_i", "f8", "mag(AB)", "unlensed magnitude", False)}

INJECTIONS = Declaration(
    "injections",
    "Level 2: the whole parameter vector and outcome of every injection; pixels render again from it bit for bit.",
    {
        **AXES,
        "band": Variable(("band",), "str", "", "band"),
        **ALL_PARAMETERS,
        **_trial("galaxy_id", "i8", "1", "of the host; -1 where the cell has none"),
        **_trial("injection_id", "i8", "1", "from the cell's centre and the trial number"),
        **_trial("host_type", "str", "", "Tractor type of the host"),
        **_trial("host_split", "str", "", "split of the host"),
        **_trial("region", "str", "", "south or north: of the host, in a run that reads both", False),
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
