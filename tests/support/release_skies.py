"""Small skies of other releases and regions, drawn, and the runs that read them."""

import numpy as np
from astropy.io import fits

from lenscal import config, mock
from lenscal.audit import Run
from lenscal.audit.stages import STAGES

SKY = {"bricks": 8, "brick_pixels": 300, "galaxies_per_brick": 9, "lenses": 6, "overlapping_pairs": 1}
GRID = {
    "theta_e": {"start": 0.75, "stop": 2.0, "step": 0.25},
    "psf_fwhm": {"start": 1.1, "stop": 1.5, "step": 0.4},
    "depth": {"start": 23.5, "stop": 23.5, "step": 1.0},
}


def plain(root, release="dr11", region="north", **survey):
    """A run file, as read from YAML."""
    lenses = {"name": "known", "source": str(root / "catalogues/known-lenses.csv"), "format": "lenscat"}
    return {
        "name": "release",
        "seed": 7,
        "stores": str(root.with_name(f"{root.name}-stores")),
        "sky": {"release": release, "region": region, **SKY},
        "survey": {"layout": release, "region": region, "root": str(root), "mock": True, **survey},
        "objects": {"lenses": [{**lenses, "channel": "literature"}]},
        "manifest": {"dec_range_degree": [-90, 90]},
        "injections": {"grid": GRID},
    }


def drawn(root, release, region):
    """Settings of a sky that was drawn."""
    settings = config.Settings.model_validate(plain(root, release, region))
    mock.draw(settings, workers=1)
    return settings


def reading(settings, **survey):
    """The run of settings whose survey reads otherwise; the sky is not drawn again."""
    values = {"layout": settings.survey.layout, "region": settings.survey.region, "root": settings.survey.root} | survey
    return Run(settings.model_copy(update={"survey": config.Survey(**values)}))


def imported(run):
    """Gates, ledgers and digest of the stage `objects`."""
    stage = STAGES["objects"]
    return stage.finish(run, [stage.work(run, block) for block in stage.blocks(run)])


def rewritten(path, columns, place=None, **stated):
    """A table of a file written anew, with other columns (None: without it) and units as `stated`, else
    as they are."""
    with fits.open(path) as hdus:
        table, header = hdus[1].data, hdus[1].header
        new = {name: np.asarray(table[name]) for name in table.columns.names}
        units = {column.name: column.unit for column in table.columns} | stated
    new = {name: values for name, values in (new | columns).items() if values is not None}
    made = [
        fits.Column(name, fits.column._convert_record2fits(values.dtype), array=values, unit=units.get(name))
        for name, values in new.items()
        if values.ndim == 1
    ]
    hdu = fits.BinTableHDU.from_columns(made, name=header["EXTNAME"])
    if "DENSITY" in header:
        hdu.header["DENSITY"] = header["DENSITY"]
    place = place or path
    place.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(place, overwrite=True)
    return place
