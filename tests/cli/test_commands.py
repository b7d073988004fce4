"""Bad input ends with one clear sentence and an exit code; nothing half-done passes for finished."""

import json
import math
import re
import shutil
from importlib.metadata import version

import pandas as pd
import pytest
import yaml
from astropy.io import fits
from places import TESTS as HERE
from typer.testing import CliRunner

from lenscal import config, mock
from lenscal.cli import app

RUNNER = CliRunner()
STAGES_TO_CUTOUTS = ["--stages", "objects,manifest,cutouts", "--quiet"]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    raw = yaml.safe_load((HERE / "tiny.yaml").read_text())
    raw["sky"] |= {"bricks": 12, "brick_pixels": 400, "galaxies_per_brick": 30, "lenses": 8}
    (folder / "run.yaml").write_text(yaml.safe_dump(raw))
    mock.draw(config.load(folder / "run.yaml"), workers=2)
    return folder


@pytest.fixture
def folder(original, tmp_path):
    shutil.copytree(original, tmp_path / "copy")
    return tmp_path / "copy"


def lenscal(*arguments):
    return RUNNER.invoke(app, [str(a) for a in arguments])


def refused(result, *words):
    """One short message with these words, exit code 1, no traceback."""
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    assert "error" in result.stderr
    for word in words:
        assert word in result.stderr, result.stderr


def complete(folder, stage):
    return (folder / "stores" / "tiny" / ".plan" / stage / "done.json").exists()


def change(folder, edit):
    raw = yaml.safe_load((folder / "run.yaml").read_text())
    edit(raw)
    (folder / "run.yaml").write_text(yaml.safe_dump(raw))


def sweep(folder):
    return next((folder / "stores" / "sky").rglob("sweep-*.fits"))


def brick_file(folder, kind):
    """A plane of a brick that the manifest uses."""
    return sorted((folder / "stores" / "sky").rglob(f"legacysurvey-*-{kind}.fits.fz"))[0]


def test_unknown_key(folder):
    change(folder, lambda raw: raw["manifest"].update(colour="red"))
    refused(lenscal("run", folder / "run.yaml"), "manifest.colour", "unknown key")


def test_missing_run_file(folder):
    refused(lenscal("run", folder / "none.yaml"), "none.yaml", "cannot be read")


def test_unknown_stage(folder):
    refused(lenscal("run", folder / "run.yaml", "--stages", "cut"), "no stage 'cut'", "stages are objects")


def test_stage_before_what_it_reads(folder):
    refused(
        lenscal("run", folder / "run.yaml", "--stages", "quality"),
        "quality reads objects, manifest, cutouts",
        "not complete",
    )


def test_missing_sky(folder):
    shutil.rmtree(folder / "stores" / "sky")
    refused(lenscal("run", folder / "run.yaml"), "missing", "lenscal mock")


def test_truncated_sweep(folder):
    path = sweep(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(lenscal("run", folder / "run.yaml", *STAGES_TO_CUTOUTS), path.name)
    assert not complete(folder, "objects")


def test_missing_column(folder):
    path = sweep(folder)
    with fits.open(path) as hdus:
        table = fits.BinTableHDU.from_columns([c for c in hdus[1].columns if c.name.upper() != "SERSIC"])
    table.writeto(path, overwrite=True)
    refused(lenscal("run", folder / "run.yaml", *STAGES_TO_CUTOUTS), path.name, "SERSIC")


def test_wrong_unit_of_a_column(folder):
    path = sweep(folder)
    with fits.open(path, mode="update") as hdus:
        number = [name.upper() for name in hdus[1].columns.names].index("FLUX_R") + 1
        hdus[1].header[f"TUNIT{number}"] = "mJy"
    refused(
        lenscal("run", folder / "run.yaml", *STAGES_TO_CUTOUTS), path.name, "FLUX_R is in 'mJy', expected 'nanomaggy'"
    )
    assert not complete(folder, "objects")


@pytest.mark.parametrize("kind", ["image-r", "invvar-z"])
def test_missing_plane_of_a_brick(folder, kind):
    path = brick_file(folder, kind)
    path.unlink()
    refused(lenscal("run", folder / "run.yaml", *STAGES_TO_CUTOUTS), path.name)
    assert complete(folder, "manifest")
    assert not complete(folder, "cutouts")


def test_truncated_plane_of_a_brick(folder):
    path = brick_file(folder, "image-g")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(lenscal("run", folder / "run.yaml", *STAGES_TO_CUTOUTS), path.name)
    assert not complete(folder, "cutouts")


def test_wrong_unit_of_a_plane(folder):
    path = brick_file(folder, "image-r")
    with fits.open(path, mode="update", disable_image_compression=True) as hdus:
        hdus[1].header["BUNIT"] = "ADU"
    refused(lenscal("run", folder / "run.yaml", *STAGES_TO_CUTOUTS), path.name, "nanomaggy")


def test_missing_brick(folder):
    shutil.rmtree(brick_file(folder, "image-r").parent)
    refused(lenscal("run", folder / "run.yaml", *STAGES_TO_CUTOUTS), "has no folder", "mend the files")


def test_broken_input_mended_goes_on(folder):
    path = brick_file(folder, "image-r")
    content = path.read_bytes()
    path.unlink()
    assert lenscal("run", folder / "run.yaml", *STAGES_TO_CUTOUTS).exit_code == 1
    path.write_bytes(content)
    assert lenscal("run", folder / "run.yaml", *STAGES_TO_CUTOUTS).exit_code == 0


def test_store_of_another_schema_version(folder):
    assert lenscal("run", folder / "run.yaml", *STAGES_TO_CUTOUTS).exit_code == 0
    meta = folder / "stores" / "tiny" / "cutouts.zarr" / "zarr.json"
    content = json.loads(meta.read_text())
    content["attributes"]["schema_version"] = 0
    meta.write_text(json.dumps(content))
    refused(lenscal("run", folder / "run.yaml", "--stages", "quality"), "schema version 0")


def test_unwritable_folder(folder):
    (folder / "stores" / "blocked").write_text("a file where a folder should be")
    change(folder, lambda raw: raw.update(stores="stores/blocked/tiny"))
    refused(lenscal("run", folder / "run.yaml", *STAGES_TO_CUTOUTS), "cannot be written")


def test_a_stranger_in_the_place_of_a_store_is_not_removed(folder):
    stranger = folder / "stores" / "tiny" / "objects"
    stranger.mkdir(parents=True)
    (stranger / "thesis.txt").write_text("years of work")
    refused(lenscal("run", folder / "run.yaml", *STAGES_TO_CUTOUTS), "no run of lenscal made it")
    assert (stranger / "thesis.txt").exists()


def test_unknown_architecture_is_refused_before_any_work(folder):
    change(folder, lambda raw: raw["detector"].update(architecture="resnet19"))
    refused(lenscal("run", folder / "run.yaml"), "resnet19", "resnet18")
    assert not (folder / "stores" / "tiny").exists()


def test_missing_lens_catalogue(folder):
    (folder / "stores/sky/catalogues/known-lenses.csv").unlink()
    refused(lenscal("run", folder / "run.yaml"), "known-lenses.csv", "missing")


def test_preflight_names_what_is_missing_and_the_fix(folder):
    result = lenscal("preflight", folder / "run.yaml")
    assert result.exit_code == 0
    plain = " ".join(result.output.split())
    assert "sweep files" in plain
    assert "with a published" in plain
    shutil.rmtree(folder / "stores" / "sky")
    result = lenscal("preflight", folder / "run.yaml")
    assert result.exit_code == 1
    assert "lenscal mock" in result.output


def test_preflight_of_the_survey_on_an_empty_folder_says_what_is_there_what_is_expected_and_what_to_do(tmp_path):
    text = (
        (HERE.parent / "pipelines" / "dr10.yaml")
        .read_text()
        .replace("/data/legacysurvey/dr10", str(tmp_path / "empty"))
    )
    (tmp_path / "empty").mkdir()
    (tmp_path / "dr10.yaml").write_text(text)
    (tmp_path / "lenses.fits").write_bytes(b"SIMPLE")
    (tmp_path / "dr10.yaml").write_text(text.replace("/data/desi/desi-sl-vac-v1.fits", str(tmp_path / "lenses.fits")))
    result = RUNNER.invoke(app, ["preflight", str(tmp_path / "dr10.yaml")], env={"COLUMNS": "1000"})
    assert result.exit_code == 1
    lines = {line.split()[0]: line for line in result.output.splitlines()[1:]}
    for words in (
        "missing",
        "has no table of bricks: it is empty; expected survey-bricks.fits.gz",
        "correct survey.root",
    ):
        assert words in lines["survey"]
    for words in (
        "missing",
        "no sweep file below",
        "it is empty; expected south/sweep/10.1/sweep-<corner>-<corner>.fits",
        "correct survey.root",
    ):
        assert words in lines["sweeps"]
    assert "32,838 rows" in lines["lenscat"]
    assert "lenses.fits' cannot be read" in lines["desi-sl-vac"]
    assert "its header cannot be read, nor any row" in lines["desi-sl-vac"]
    assert "does not exist" in lines["gz-mergers"]
    refused(
        lenscal("run", tmp_path / "dr10.yaml", "--stages", "manifest"),
        "manifest reads objects",
        "--stages objects,manifest",
    )
    refused(lenscal("conditions", tmp_path / "dr10.yaml"), "has no table of bricks: it is empty")
    refused(lenscal("calibrate-cuts", tmp_path / "dr10.yaml"), "there are no galaxies yet", "--stages objects")


def test_status_tells_done_from_waiting(folder):
    lenscal("run", folder / "run.yaml", "--stages", "objects", "--quiet")
    output = lenscal("status", folder / "run.yaml").output
    assert "complete" in output
    assert "not started" in output


def test_a_dry_run_says_what_would_be_done_and_does_nothing(folder):
    lenscal("run", folder / "run.yaml", "--stages", "objects", "--quiet")
    before = sorted(path for path in folder.rglob("*"))
    said = lenscal("run", folder / "run.yaml", "--dry-run").output
    assert "nothing is done" in said
    assert "to be done after manifest" in " ".join(said.split())
    assert sorted(path for path in folder.rglob("*")) == before
    assert (
        "nothing to do: all is complete"
        in lenscal("run", folder / "run.yaml", "--stages", "objects", "--dry-run").output
    )


def test_the_release_is_said():
    assert lenscal("--version").output.strip() == f"lenscal {version('lenscal')}"


@pytest.mark.parametrize(
    "command",
    [
        "mock",
        "preflight",
        "run",
        "status",
        "verify",
        "query",
        "conditions",
        "calibrate-cuts",
        "calibrate-prior",
        "catalog",
        "bring",
        "export",
        "compare",
        "detector",
    ],
)
def test_every_command_explains_itself(command):
    result = lenscal(command, "--help")
    assert result.exit_code == 0
    assert len(result.output) > 200


def test_what_is_missing_outside_is_said_before_any_stage_is_done(folder):
    change(folder, lambda raw: raw["detector"].update(artifact="stores/nowhere"))
    refused(lenscal("run", folder / "run.yaml"), "nowhere", "correct detector.artifact")
    change(folder, lambda raw: (raw["detector"].pop("artifact"), raw["injections"].update(prior="none-such")))
    refused(lenscal("run", folder / "run.yaml"), "none-such", "observed-colours")
    assert not complete(folder, "objects")


def test_a_survey_that_is_called_real_after_all_is_done_again(folder):
    assert lenscal("run", folder / "run.yaml", *STAGES_TO_CUTOUTS).exit_code == 0
    change(folder, lambda raw: raw["survey"].update(layer="another"))
    said = " ".join(lenscal("status", folder / "run.yaml").output.split())
    assert re.search(r"objects: to be done again, for .*settings\.survey\.layer", said)


def test_calibrate_writes_a_prior_that_can_be_named_and_never_writes_over_one(tmp_path):
    output, runfile = tmp_path / "mine.yaml", HERE / "tiny.yaml"
    done = lenscal("calibrate-prior", runfile, output, "--conditions", "survey", "--count", 400, "--name", "mine")
    assert done.exit_code == 0, done.output
    assert "annulus_snr by quantile" in done.output
    assert set(yaml.safe_load(output.read_text())) == {"mine"}
    refused(lenscal("calibrate-prior", runfile, output, "--conditions", "survey"), "exists", "frozen")
    refused(
        lenscal("calibrate-prior", runfile, tmp_path / "b.yaml", "--conditions", "survey", "--target", "5"),
        "quantile:snr",
    )
    refused(lenscal("calibrate-prior", runfile, tmp_path / "b.yaml", "--conditions", "moon"), "'anchors' or 'survey'")


def test_no_command_takes_the_place_of_another():
    names = [command.name for command in app.registered_commands]
    assert len(names) == len(set(names))


def test_the_sky_is_not_drawn_anew_under_a_run_nor_read_while_it_is_drawn(folder):
    from lenscal.io import locks

    sky = folder / "stores" / "sky"
    with locks.reading(sky / ".mock", "the sky"):
        refused(
            lenscal("mock", folder / "run.yaml", "--again"), "a run reads the embedded sky", "wait for it or stop it"
        )
    with locks.alone(sky, ".mock"):
        refused(
            lenscal("run", folder / "run.yaml", "--quiet"),
            "the embedded sky in",
            "is being replaced by process",
            "run again",
        )
    assert (sky / "sha256sums.txt").exists()


def test_preflight_of_stamps_is_a_table(real):
    done = lenscal("preflight", HERE.parent / "pipelines" / "real-sample.yaml")
    assert "Traceback" not in done.output
    assert "survey" in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


EVIL = """
aliases: {x: x}
entries: {x: {reader: 'os:system', kwargs: {data: '{data(y)}'}, metadata: {description: harmless}}}
data: {y: {datatype: 'os:system', kwargs: {url: '{root}/touched'}}}
"""


def test_a_catalogue_that_lies_in_the_current_folder_is_not_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "catalogs.yaml").write_text(EVIL)
    assert "harmless" not in lenscal("catalog").output
    monkeypatch.setattr(
        "lenscal.io.datasets.__file__", str(tmp_path / "a" / "b" / "c" / "catalog.py")
    )  # as installed, without a checkout
    refused(lenscal("catalog"), "no catalogs.yaml beside lenscal", "--path")


def test_describing_a_catalogue_calls_nothing_that_it_names(tmp_path, monkeypatch):
    import os

    (tmp_path / "mine.yaml").write_text(EVIL)
    monkeypatch.setattr(os, "system", lambda *_: pytest.fail("called"))
    monkeypatch.setattr("intake.from_yaml_file", lambda *_: pytest.fail("loaded"))
    done = lenscal("catalog", "--path", tmp_path / "mine.yaml")
    assert (done.exit_code, "harmless" in done.output) == (0, True)


@pytest.mark.parametrize(
    "text",
    [
        "aliases: {x: x}\nentries: {}\n",
        "aliases: {x: x}\nentries: {x: {kwargs: {data: '{data(y)}'}}}\n",
        "aliases: &a {x: *a}\nentries: *a\n",
        "[",
        "- 1",
        "",
        "aliases: {x: x}\nentries: {x: {kwargs: {data: 3}}}",
    ],
)
def test_a_catalogue_that_is_none_is_one_sentence(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    refused(lenscal("catalog", "--path", tmp_path / "mine.yaml"), "mine.yaml' is no catalogue of lenscal")


def test_messages_are_cut_and_obey_no_terminal():
    from lenscal.cli.refusal import _escaped

    text = _escaped("a \x1b[31m[red]" + "x" * 10**6 + "\n" * 1000 + "end")
    assert len(text) < 3000
    assert "\x1b" not in text
    assert "\\x1b" in text
    assert "\\[red]" in text


@pytest.mark.parametrize(
    ("narrow", "said"), [(True, "no cell needs a trial"), (False, "no cell with an interval needs")]
)
def test_allocate_says_which_cells_have_no_interval(narrow, said, monkeypatch, tmp_path):
    """A plan without a trial may mean that all is narrow, or that nothing can be told."""
    cells = {"trials": [0, 0, 0], "injected": [9, 9, 0], "half_width": [0.1, 0.1 if narrow else math.nan, math.nan]}
    plan = pd.DataFrame(cells | {"needed": 9.0})
    monkeypatch.setattr("lenscal.audit.allocating.allocate", lambda *_: (plan, []))
    monkeypatch.setattr("lenscal.audit.adding.Summand.of_run", lambda _: None)
    result = lenscal("allocate", HERE / "tiny.yaml", tmp_path / "next.yaml", "--half-width", "0.2")
    assert result.exit_code == 0, result.output
    assert said in result.output
    assert ("1 cells have no interval" in result.output) is not narrow
