"""The vocabulary refuses what is not as declared, and names every difference."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lenscal import schema


def quality():
    sizes = {"galaxy": 2, "band": 3, **schema.LAG_SIZES}
    data = {}
    for name, v in schema.QUALITY.variables.items():
        dtype = object if v.dtype == "str" else v.dtype
        data[name] = (
            v.dims,
            np.zeros([sizes[d] for d in v.dims], dtype)
            if dtype is not object
            else np.full([sizes[d] for d in v.dims], "", object),
        )
    return schema.QUALITY.describe(xr.Dataset(data))


def test_a_declared_dataset_passes():
    assert schema.QUALITY.check(quality()) is not None


def test_every_difference_is_named_at_once():
    wrong = quality().drop_vars("mad_r")
    wrong["median_r"].attrs["units"] = "mag"
    wrong["cutout_ok"] = wrong["cutout_ok"].astype("i4").assign_attrs(units="1")
    with pytest.raises(
        schema.SchemaError,
        match=r"quality: 'cutout_ok' is int32, not bool; 'mad_r' is missing; 'median_r' is in 'mag', not 'nanomaggy'",
    ):
        schema.QUALITY.check(wrong)


def test_tables_are_held_to_column_and_kind():
    table = pd.DataFrame(
        {"name": ["a"], "category": [1], "catalogue": ["x"], "ra": [1.0], "dec": [1.0], "galaxy_id": [1]}
    )
    with pytest.raises(
        schema.SchemaError, match=r"column 'category' is int64, not str; column 'separation' is missing"
    ):
        schema.CONTAMINANTS.check_table(table)


def test_level_1_and_2_hold_every_column_of_the_requirements():
    level_1 = (
        "galaxy_id brickname objid ra dec type nobs_z nobs_z_bin type_bin flux_g flux_r flux_z flux_w1 mag_g mag_r "
        "mag_z psfsize_g psfsize_r psfsize_z psfdepth_g psfdepth_r psfdepth_z galdepth_g galdepth_r galdepth_z ebv "
        "maskbits fitbits mw_transmission_g mw_transmission_r mw_transmission_z healpix_64 healpix_128 split "
        "sweep_file row_index pipeline_version git_commit extraction_timestamp"
    )
    assert set(level_1.split()) <= set(schema.MANIFEST.variables)
    level_2 = (
        "cutout_ok has_nan nan_pixel_count bad_pixel_frac wise_brightmask_frac psf_fwhm_g psf_fwhm_r psf_fwhm_z "
        "core_brightness_r outer_brightness_r mad_r median_r clip_frac_r mean_r std_r percentile_1_r percentile_99_r "
        "maskbit_frac_above_threshold bright_star_dist gaia_mag_nearest"
    )
    assert set(level_2.split()) <= set(schema.QUALITY.variables)
    assert {"stamp_size", "bandset", "cutout_url", "download_timestamp", "layer_version"} <= set(
        schema.CUTOUTS.variables
    )
    assert {"source_mag_g", "theta_e_drawn", "q", "gamma1", "magnification", "arc_snr"} <= set(
        schema.INJECTIONS.variables
    )


def test_maskbits_are_those_of_dr10():
    assert [
        schema.MASKBITS[n] for n in ("NPRIMARY", "BRIGHT", "BAILOUT", "MEDIUM", "GALAXY", "CLUSTER", "SUB_BLOB")
    ] == [0, 1, 10, 11, 12, 13, 16]


def test_maskbits_agree_with_the_survey_page(real):
    table = pd.read_csv(real / "schema" / "dr10_maskbits.csv")
    assert dict(zip(table["name"], table["bit"])) == schema.MASKBITS
