"""Whatever is wrong with the pixels of a survey, a run stops and names it, or counts the galaxy with its
reason; no number is made up.
"""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from chaos import STAGES as PIXELS
from spoilt import change
from typer.testing import CliRunner

from lenscal import config, gates
from lenscal.audit import plan_of, run
from lenscal.audit.products import Run
from lenscal.cli import app
from lenscal.io import stores
from lenscal.quality import REASONS, QualityError

pytestmark = pytest.mark.filterwarnings("ignore")


def cut_short(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


FILES = {
    "truncated": ("image-r", cut_short, "band r: file '.*image-r.fits.fz' (is truncated|cannot be read)"),
    "missing plane": (
        "invvar-z",
        lambda path: path.unlink(),
        "band z: file '.*invvar-z.fits.fz' is missing; g, r, z are all required",
    ),
    "no scale": (
        "image-g",
        lambda path: change(path, {"CD1_1": None, "CD2_2": None}),
        "band g: file '.*' has no pixel scale",
    ),
    "no place": (
        "image-g",
        lambda path: change(path, {"CRVAL1": None}),
        "band g: file '.*' does not say where it is: it has no CRVAL1",
    ),
    "another unit": (
        "image-z",
        lambda path: change(path, {"BUNIT": "mag"}),
        "band z: file '.*' is in 'mag', not 'nanomaggy'",
    ),
    "another shape": (
        "invvar-g",
        lambda path: change(path, pixels=lambda d: d[:-1]),
        r"band g: .* has shape \(\d+, \d+\), its sisters",
    ),
}


def spoil(folders, faults):
    """A brick for each fault, in order: the brick's name by that of the fault."""
    found = {}
    for folder, (fault, change_it) in zip(folders, faults.items()):
        found[fault] = folder.name
        change_it(folder / f"legacysurvey-{folder.name}")
    assert len(found) == len(faults)
    return found


def test_a_broken_file_costs_the_galaxies_of_its_brick_each_with_the_reason(spoilt, here):
    folders, settings = spoilt
    named = spoil(
        folders,
        {
            fault: lambda at, fault=fault: FILES[fault][1](at.with_name(f"{at.name}-{FILES[fault][0]}.fits.fz"))
            for fault in FILES
        },
    )
    counted = settings(cutouts={"broken": "count"}, quality={"failed_fraction_max": 1.0})
    cutouts, _ = adds_up(counted, run(counted, PIXELS))
    own = Run(counted).manifest["brickname"].to_numpy(str)
    for fault, brick in named.items():
        told = cutouts.failure.values[own == brick]
        assert len(told), brick
        assert all(re.match(FILES[fault][2], text) for text in told if text), (fault, set(told.tolist()))
        assert (told != "").mean() > 0.8, fault  # others lie in a neighbour as well, and are cut there


def test_a_run_stops_at_a_broken_file_and_says_what_to_do(spoilt, here):
    folders, settings = spoilt
    cut_short(next(folders[0].glob("*-image-r.fits.fz")))
    with pytest.raises(
        stores.StoreError,
        match=(r"band r: file '.*' (is truncated|cannot be read).*mend the files, or set cutouts.broken: count"),
    ):
        run(settings(), PIXELS)


PLANES = {
    "NaN": ({"image-r": lambda d: np.full_like(d, np.nan)}, "band not observed"),
    "zeros without weight": ({"image-r": np.zeros_like, "invvar-r": np.zeros_like}, "band not observed"),
    "zeros with weight": ({"image-r": np.zeros_like}, "constant image"),
    "no weights": ({"invvar-z": np.zeros_like}, "band not observed"),
    "NaN weights": ({"invvar-g": lambda d: np.full_like(d, np.nan)}, "band not observed"),
    "infinite": ({"image-g": lambda d: np.full_like(d, np.inf)}, "band not observed"),
}


def test_planes_without_pixels_exclude_their_galaxies_with_the_reason(spoilt, here):
    folders, settings = spoilt

    def of(planes):
        return lambda at: [
            change(at.with_name(f"{at.name}-{product}.fits.fz"), pixels=pixels) for product, pixels in planes.items()
        ]

    named = spoil(folders, {fault: of(PLANES[fault][0]) for fault in PLANES})
    counted = settings(quality={"failed_fraction_max": 1.0})
    cutouts, quality = adds_up(counted, run(counted, PIXELS))
    for fault, brick in named.items():
        reasons = quality.reason.values[np.array([f"/{brick}/" in url for url in cutouts.cutout_url.values])]
        assert len(reasons)
        assert set(reasons.tolist()) == {PLANES[fault][1]}, fault


def adds_up(settings, result):
    """Every galaxy has a row, those that are unfit a reason, the fit ones every number that a later stage reads;
    cutouts and quality come back.
    """
    cutouts = stores.open(settings.stores / "cutouts.zarr").load()
    quality = stores.open(settings.stores / "quality.zarr").load()
    manifest = Run(settings).manifest
    assert cutouts.galaxy_id.values.tolist() == quality.galaxy_id.values.tolist() == manifest["galaxy_id"].tolist()
    ok, why = quality.cutout_ok.values, quality.reason.values.astype(object)
    assert (why[~ok] != "").all()
    assert set(why[~ok]) <= set(REASONS)
    assert 0 < ok.sum() < ok.size
    assert ((cutouts.failure.values != "") == (why == "no pixels")).all()
    assert [len(bands) == 3 for bands in cutouts.bandset.values[ok]] == [True] * ok.sum()
    for name in (
        "sigma",
        "noise_correlation",
        "noise_lags",
        "core_brightness_r",
        "mad_r",
        "median_r",
        "psf_fwhm_r",
        "sky_invvar",
    ):
        assert np.isfinite(quality[name].values[ok]).all(), name
    centre = cutouts.image.values[ok][:, :, 28:73, 28:73]
    assert np.isfinite(centre).all()
    verdicts = {gate.id: gate.verdict for gate in result.gates}
    assert {
        verdicts[name] for name in ("cutouts.rows", "rows.cutouts", "rows.quality", "quality.nan", "quality.reasons")
    } == {gates.PASS}
    ledgers = {
        name: json.loads((settings.stores / ".plan" / name / "done.json").read_text())["ledgers"][name]
        for name in ("cutouts", "quality")
    }
    for ledger in ledgers.values():
        assert ledger["rows_in"] == ledger["rows_out"] + sum(ledger["dropped"].values()) == len(manifest)
    return cutouts, quality


def test_a_bad_partition_stops_the_run_with_its_name_and_what_is_complete_stays(spoilt, here):
    folders, settings = spoilt
    for path in folders[0].glob("*-image-r.fits.fz"):
        change(path, pixels=lambda data: np.full_like(data, np.nan))
    strict = settings(quality={"failed_fraction_max": 0.5, "reason_fraction_max": {"band not observed": 0.1}})
    with pytest.raises(
        QualityError,
        match=(
            r"of the 16 cutouts of block '0000000\d\d' \d+ .*band not observed.*; look at the pixels of "
            r"this block, or change quality"
        ),
    ):
        run(strict, PIXELS)
    assert plan_of(Run(strict)).progress("cutouts").done
    assert plan_of(Run(strict)).progress("quality").done is None


def test_two_galaxies_of_one_id_are_refused_before_anything_is_cut_wherever_they_are(spoilt, here):
    """Also where the one ends a block and the other begins the next, so that neither block sees both."""
    _, settings = spoilt
    twice = settings()
    ids = Run(twice).manifest["galaxy_id"].to_numpy()
    for path in sorted((twice.stores / "manifest").rglob("*.parquet")):
        table = pd.read_parquet(path)
        table.loc[table["galaxy_id"] == ids[16], "galaxy_id"] = ids[15]
        table.to_parquet(path, index=False)
    with pytest.raises(ValueError, match=rf"cutouts: galaxy_id {ids[15]} is there more than once \(1 rows too many\)"):
        run(twice, ["cutouts"])
    assert not (twice.stores / "cutouts.zarr").exists()


def test_a_store_of_another_schema_version_is_never_read_as_one_of_this(chaos, here):
    shutil.copytree(chaos.folder / "stores" / "good", chaos.folder / "stores" / "versions")
    settings = config.load(chaos.runfile("versions"))
    meta = settings.stores / "cutouts.zarr" / "zarr.json"
    meta.write_text(meta.read_text().replace('"schema_version": ', '"schema_version": 9'))
    with pytest.raises(
        stores.StoreError, match=r"cutouts.zarr' was written with schema version 9\d+, this lenscal reads version"
    ):
        run(settings, ["quality"])
    result = run(settings, PIXELS[:3])
    assert [stage.state for stage in result.stages] == ["was complete", "was complete", "done"], (
        "a run makes such a store again"
    )


def test_positives_are_cut_at_the_canonical_size_from_the_same_layer_as_negatives(chaos):
    cutouts = stores.open(chaos.folder / "stores" / "good" / "cutouts.zarr").load()
    positive = cutouts.pool.values == "positive"
    assert positive.any()
    assert cutouts.sizes["y"] == cutouts.sizes["x"] == 101
    assert set(cutouts.stamp_size.values.tolist()) == {101}
    assert set(cutouts.layer_version.values[positive].tolist()) == set(cutouts.layer_version.values[~positive].tolist())


def test_a_command_ends_with_one_sentence(spoilt):
    folders, settings = spoilt
    cut_short(next(folders[0].glob("*-image-r.fits.fz")))
    path = settings().stores.parent.parent / f"{settings().stores.name}.yaml"
    said = CliRunner().invoke(app, ["run", str(path), "--quiet", "--stages", ",".join(PIXELS)])
    assert said.exit_code == 1
    assert "Traceback" not in said.output
    lines = [line for line in said.output.splitlines() if line.strip()]
    assert len(lines) == 1, said.output
    assert "band r: file" in lines[0]
