"""Anyone's detector through a whole run: forms of one network find the same, scores come back by id, and two
are compared pair by pair.
"""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from astropy.io import fits
from networks import DECLARED, write_forms
from places import TESTS
from typer.testing import CliRunner

import lenscal as lc
from lenscal import completeness, config, detector, mock, report
from lenscal.audit import PlanError, Run, images, run
from lenscal.audit.another import another, before_the_detector
from lenscal.audit.compare import compare
from lenscal.audit.export import export
from lenscal.audit.pipeline import plan_of
from lenscal.audit.stages.report import report_inputs
from lenscal.cli import app
from lenscal.errors import InputError
from lenscal.io import coolest

pytestmark = pytest.mark.filterwarnings("ignore")
UNTIL = ["detector", "scores", "judgement"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The tiny sky, a run until its injections, and one network in five forms."""
    folder = tmp_path_factory.mktemp("bringing")
    raw = yaml.safe_load((TESTS / "tiny.yaml").read_text())
    (folder / "tiny.yaml").write_text(yaml.safe_dump(raw))
    settings = config.load(folder / "tiny.yaml")
    mock.draw(settings, workers=2)
    run(settings, before_the_detector())
    return folder


@pytest.fixture(scope="module")
def forms(folder):
    (folder / "forms").mkdir()
    return write_forms(folder / "forms")


def place_of(folder, name="tiny"):
    return Run(config.load(folder / f"{name}.yaml"))


def audited(folder, artifact, name):
    """A run with another detector on the same trials, until its cube."""
    path, done = another(folder / "tiny.yaml", place_of(folder), artifact, name)
    assert done == before_the_detector()
    settings = config.load(path)
    result = run(settings, [*before_the_detector(), *UNTIL])
    redone = [stage.name for stage in result.stages if stage.state == "done"]
    assert redone == UNTIL, "what no detector decides is taken over"
    return Run(settings)


def counted(place):
    """Trials and detections, cell by cell."""
    parts = (place.store("injections"), place.store("scores", "injections"), place.store("thresholds"))
    return completeness.count(*(part.load() for part in parts), place.settings.completeness)


@pytest.fixture(scope="module")
def runs(folder, forms):
    return {form: audited(folder, artifact, form.replace(" ", "-")) for form, artifact in forms.items()}


@pytest.fixture(scope="module")
def exported(folder):
    out = folder / "out"
    return out, export(place_of(folder), out, format_="npz")


@pytest.fixture(scope="module")
def table(folder, forms, exported):
    """Scores by the owner's own means, from the exported images."""
    out, _ = exported
    network = detector.bring(forms["TorchScript"])
    parts = [np.load(path) for path in sorted(out.glob("*.npz"))]
    scores = np.concatenate([network.score(part["image"]) for part in parts])
    path = folder / "theirs.csv"
    pd.DataFrame({"id": np.concatenate([part["id"] for part in parts]), "score": scores}).to_csv(path, index=False)
    path.with_suffix(".yaml").write_text(yaml.safe_dump({"output": "logit"}))
    return path


def test_trials_of_a_cell_are_written_as_coolest_models_with_their_pixels(folder, tmp_path):
    arguments = ["export", str(folder / "tiny.yaml"), str(tmp_path / "models"), "--format", "coolest", "--trials", "3"]
    refused = CliRunner().invoke(app, [*arguments, "--cell", "1.5"])
    assert refused.exit_code == 1
    assert "three numbers" in refused.output
    told = CliRunner().invoke(app, [*arguments, "--cell", "1.5,1.1,23.5"])
    assert told.exit_code == 0, told.output
    place = place_of(folder)
    cell = place.store("injections").sel(theta_e=1.5, psf_fwhm=1.1, depth=23.5).load()
    files = sorted((tmp_path / "models").glob("*.json"))
    assert len(files) == 3
    for file in files:
        document = coolest.read(file)
        row = cell.isel(trial=int(np.flatnonzero(cell["injection_id"].values == int(document["meta"]["injection"]))[0]))
        found = lc.from_coolest(document, file.name)
        assert found["theta_e"] == pytest.approx(float(row["theta_e_drawn"]))
        assert found["mag_r"] == pytest.approx(float(row["source_mag_r"]))
        beside = {what: fits.getdata(file.with_name(f"{file.stem}-{what}.fits")) for what in ("image", "noise", "psf")}
        shown = images.injected_images(place, row.expand_dims(["theta_e", "psf_fwhm", "depth", "trial"]))
        np.testing.assert_array_equal(beside["image"], shown[0, 1])
        assert beside["psf"].sum() == pytest.approx(1, abs=1e-4)
        assert (beside["noise"] > 0).all()
    again = CliRunner().invoke(app, [*arguments, "--cell", "1.5,1.1,23.5"])
    assert again.exit_code == 1
    assert "not empty" in again.output


def test_forms_of_one_network_and_its_scores_find_the_same(folder, runs, table):
    runs = {**runs, "scores": audited(folder, str(table), "scores")}
    cubes = {form: counted(place) for form, place in runs.items()}
    logits = {form: place.store("scores", "injections")["score"].load() for form, place in runs.items()}
    ranked = np.sort(logits["TorchScript"].values[np.isfinite(logits["TorchScript"].values)])
    middle = ranked[[ranked.size // 2 - 1, ranked.size // 2]].mean()
    assert 0 < (logits["TorchScript"] >= middle).sum() < ranked.size
    for form in runs:
        np.testing.assert_array_equal(logits[form] >= middle, logits["TorchScript"] >= middle, form)
        np.testing.assert_array_equal(cubes[form]["n_detected"], cubes["TorchScript"]["n_detected"], form)
        np.testing.assert_allclose(logits[form], logits["TorchScript"], atol=1e-4, rtol=0)
    assert len({place.detector.hash for place in runs.values()}) == len(runs)


def test_products_say_whose_detector_it_was(runs):
    said = runs["ONNX"].store("scores").attrs["not_scientific"]
    assert (
        said
        == "not scientific: made with a detector brought by the run file, which does not say on what it was trained"
    )
    assert runs["ONNX"].store("scores").attrs["detector_hash"] == runs["ONNX"].detector.hash


@pytest.mark.parametrize("format_", ["zarr", "fits", "npz", "hdf5"])
def test_every_format_holds_the_images_that_are_scored(folder, runs, format_, tmp_path):
    place = place_of(folder)
    manifest = export(place, tmp_path / "out", ["injections"], format_)
    ids, images = read(tmp_path / "out", format_)
    table = pd.read_parquet(tmp_path / "out" / "ids.parquet")
    np.testing.assert_array_equal(ids, table["id"])
    store = place.store("injections")
    made = store["failure"].values.astype(object) == ""
    assert set(ids) == set(store["injection_id"].values[made])
    assert len(ids) == manifest["rows"]["injections"]
    expected = runs["ONNX"].store("scores", "injections")["score"].values[made]
    order = np.argsort(store["injection_id"].values[made])
    np.testing.assert_array_equal(runs["ONNX"].detector.score(images)[np.argsort(ids)], expected[order])
    assert all(len(digest) == 64 for digest in manifest["files"].values())
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["files"] == manifest["files"]


def read(out, format_):
    if format_ == "zarr":
        store = xr.open_zarr(out / "injections.zarr").load()
        return store["id"].values, store["image"].values
    (file,) = [path for path in sorted(out.iterdir()) if path.name.startswith("injections-")]
    if format_ == "npz":
        with np.load(file) as found:
            return found["id"], found["image"]
    if format_ == "hdf5":
        import h5py

        with h5py.File(file) as found:
            return found["id"][:], found["image"][:]
    from astropy.io import fits

    with fits.open(file) as found:
        assert found["IMAGE"].header["BUNIT"] == "nanomaggy"
        return found["IDS"].data["id"].astype(np.int64), found["IMAGE"].data.astype("f4")


def test_a_stopped_export_goes_on_and_ends_with_the_same_bytes(folder, exported, tmp_path, monkeypatch):
    from lenscal.audit import export as module
    from lenscal.io import exported as formats

    monkeypatch.setattr(formats, "PART", 32)
    place, whole = place_of(folder), tmp_path / "whole"
    calm = export(place, whole, ["injections"], "npz")
    done = []
    honest = module._injections

    def stops(place, table):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(table)
        return honest(place, table)

    monkeypatch.setattr(module, "_injections", stops)
    with pytest.raises(KeyboardInterrupt):
        export(place, tmp_path / "stopped", ["injections"], "npz")
    assert not (tmp_path / "stopped" / "manifest.json").exists()
    (tmp_path / "stopped" / "injections-000000.npz").write_bytes(
        b"cut short"
    )  # as a machine that loses power leaves it
    again = []
    monkeypatch.setattr(module, "_injections", lambda place, table: again.append(len(table)) or honest(place, table))
    assert export(place, tmp_path / "stopped", ["injections"], "npz")["files"] == calm["files"]
    assert sum(again) == calm["rows"]["injections"]
    again.clear()
    (tmp_path / "stopped" / "manifest.json").unlink()
    for name in calm["files"]:
        assert (whole / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes()


def test_a_folder_that_holds_something_else_is_refused(folder, exported, tmp_path):
    out, _ = exported
    with pytest.raises(InputError, match="holds an export of another run, kind or format"):
        export(place_of(folder), out, ["injections"], "npz")
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="is not empty and no export"):
        export(place_of(folder), tmp_path)
    with pytest.raises(InputError, match="format 'png' is unknown; expected one of zarr"):
        export(place_of(folder), tmp_path / "new", format_="png")
    with pytest.raises(InputError, match="masks cannot be exported"):
        export(place_of(folder), tmp_path / "new", ["masks"])


def test_scores_of_another_run_or_with_gaps_are_refused_with_counts(folder, table):
    full = pd.read_csv(table)
    for name, spoilt, words in (
        ("gaps", full[: len(full) // 2], r"lacks [\d,]+ of the [\d,]+ ids of this run"),
        ("nan", full.assign(score=full["score"].where(full.index > 5)), r"lacks 6 of the .*6 not finite"),
        ("stranger", full.assign(id=full["id"] + (1 << 40)), r"lacks .* ids of this run"),
        (
            "more",
            pd.concat([full, full.assign(id=full["id"] + (1 << 40))]),
            r"ids of the table of scores are not of this run",
        ),
    ):
        path = folder / f"{name}.parquet"
        spoilt.to_parquet(path)
        runfile, _ = another(folder / "tiny.yaml", place_of(folder), str(path), f"refused-{name}")
        with pytest.raises((InputError, RuntimeError), match=words):
            run(config.load(runfile), [*before_the_detector(), *UNTIL])


def test_gaps_within_the_stated_share_are_counted_as_failed_trials(folder, table):
    full = pd.read_csv(table)
    injections = full["id"] > 1 << 58
    path = folder / "few.parquet"
    full[~(injections & (full.index % 40 == 0))].to_parquet(path)
    path.with_suffix(".yaml").write_text(yaml.safe_dump({"output": "logit", "missing_max": 0.1}))
    place = audited(folder, str(path), "with-gaps")
    cube, attrs = counted(place), place.store("scores").attrs
    missing = int((injections & (full.index % 40 == 0)).sum())
    assert missing > 0
    assert attrs["table_missing"] == missing
    made = (place.store("injections")["failure"].values.astype(object) == "").sum()
    assert int(cube["n_injected"].sum()) == made - missing
    np.testing.assert_array_equal(cube["n_injected"] + cube["n_failed"], place.settings.injections.trials)


@pytest.fixture(scope="module")
def other(folder):
    """A run with another detector."""
    (folder / "other.py").write_text(
        "import numpy as np\n\n\n"
        "def score(x):\n"
        "    return np.arcsinh(x[:, 0] / 0.02).mean((1, 2)) - 0.2 * np.arcsinh(x[:, 2] / 0.05).mean((1, 2))\n"
    )
    return audited(folder, f"{folder / 'other.py'}:score", "other")


def asked(folder, name, beside):
    """Settings of a run file whose report is asked for another detector."""
    raw = yaml.safe_load((folder / f"{name}.yaml").read_text())
    raw["report"] = {**raw.get("report", {}), "beside": beside}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(raw))
    return config.load(folder / f"{name}.yaml")


def test_a_report_has_a_section_on_another_detector(folder, runs, other, tmp_path):
    expected = compare(runs["ONNX"], other, tmp_path / "page")
    asked(folder, "other", "ONNX.yaml")  # each beside the other: neither waits for the other's report
    settings = asked(folder, "ONNX", "other.yaml")
    run(settings)
    place = Run(settings)
    for what in ("all", "objects", "cells"):
        found = pd.read_csv(place.path("report") / "tables" / f"beside_{what}.csv")
        assert (found.pop("rate_requested") == 0.05).all()
        pd.testing.assert_frame_equal(found, expected[f"{what}-0.05.parquet"], check_dtype=False)
    page = (place.path("report") / "index.html").read_text()
    assert "Beside another detector" in page
    assert other.detector.hash in page
    assert (place.path("report") / "figures" / "beside_difference.png").stat().st_size > 5000
    numbers = json.loads((place.path("report") / "numbers.json").read_text())
    assert any("beside_all" in number["id"] for number in numbers)
    assert all(same for _, _, _, same in report.verify(report_inputs(place), numbers))


def test_a_report_changes_with_the_detector_beside_it_and_asks_for_its_scores(folder, runs, other):
    settings = asked(folder, "TorchScript", "nobody.yaml")
    with pytest.raises(PlanError, match=r"report\.beside: .*nobody\.yaml.* cannot be read"):
        run(settings)
    settings = asked(folder, "TorchScript", "tiny.yaml")
    with pytest.raises(PlanError, match=r"report\.beside: .*scores of 'tiny' are not complete"):
        run(settings)
    settings = asked(folder, "TorchScript", "other.yaml")
    addresses = [plan_of(Run(settings)).pipeline.stages["report"].inputs(Run(settings))]
    addresses.append(
        plan_of(place := Run(asked(folder, "TorchScript", "ONNX.yaml"))).pipeline.stages["report"].inputs(place)
    )
    assert addresses[0]["beside"] != addresses[1]["beside"]


def test_two_detectors_are_compared_trial_by_trial(folder, runs, other, tmp_path):
    second = other
    tables = compare(runs["ONNX"], second, tmp_path / "page")
    cells, whole = tables["cells-0.05.parquet"], tables["all-0.05.parquet"].iloc[0]
    assert int(cells["n"].sum()) == whole["n"] == int(counted(runs["ONNX"])["n_injected"].sum())
    for place, name in ((runs["ONNX"], "first"), (second, "second")):
        cube = counted(place)
        found = cube["n_detected"].isel(threshold=0)
        assert whole[name] == pytest.approx(float(found.sum() / cube["n_injected"].sum()))
    assert whole["union"] >= max(whole["first"], whole["second"])
    assert whole["both"] + whole["only_first"] + whole["only_second"] + whole["neither"] == whole["n"]
    page = (tmp_path / "page" / "index.html").read_text()
    assert "Either finds" in page
    assert "Made from the embedded (mock) sky" in page
    with pytest.raises(InputError, match="both runs have the detector"):
        compare(second, second, tmp_path / "same")


def test_a_changed_artifact_or_declaration_makes_its_stages_again(folder, forms):
    declared = folder / "forms" / "script.yaml"
    place = audited(folder, forms["TorchScript"], "changed")
    before = place.detector.hash
    declared.write_text(yaml.safe_dump({**DECLARED, "scale": [0.01, 0.02, 0.05]}))
    try:
        result = run(place.settings, [*before_the_detector(), *UNTIL])
        assert [stage.name for stage in result.stages if stage.state == "done"] == UNTIL
        assert Run(place.settings).detector.hash != before
    finally:
        declared.write_text(yaml.safe_dump(DECLARED))


def test_a_detector_larger_than_the_injections_is_refused(folder):
    (folder / "wide.py").write_text("def score(x):\n    return x.sum((1, 2, 3))\n")
    (folder / "wide.yaml").write_text("size: 81\n")
    path, _ = another(folder / "tiny.yaml", place_of(folder), f"{folder / 'wide.py'}:score", "too-wide")
    with pytest.raises(
        (InputError, PlanError, RuntimeError), match=r"wants 81 px, injections.size is 64: set injections.size"
    ):
        run(config.load(path), [*before_the_detector(), *UNTIL])


def test_the_old_key_is_refused_with_the_new_one(tmp_path):
    raw = yaml.safe_load((TESTS / "tiny.yaml").read_text())
    raw["detector"] = {"frozen": "stores/first/detector"}
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(
        config.ConfigError, match="frozen is called artifact now; write `artifact: stores/first/detector`"
    ):
        config.load(tmp_path / "old.yaml")


def test_commands_say_what_they_did_and_what_comes_next(folder, forms):
    from typer.testing import CliRunner

    said = CliRunner().invoke(app, ["detector", "describe", forms["ONNX"], "--json"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.output)["seen"]["moved_by_company"] < 1e-5
    said = CliRunner().invoke(app, ["bring", str(folder / "tiny.yaml"), forms["ONNX"], "--name", "asked"])
    assert said.exit_code == 0, said.output
    assert "taken over: objects, manifest, cutouts, quality, injections" in said.output.replace("\n", " ")
    assert "next: lenscal run" in said.output
    said = CliRunner().invoke(app, ["bring", str(folder / "tiny.yaml"), forms["ONNX"], "--name", "asked"])
    assert said.exit_code == 1
    assert "is there already" in said.output


def test_preflight_probes_the_detector_that_a_run_file_brings(folder, forms):
    from typer.testing import CliRunner

    def asked(artifact):
        raw = yaml.safe_load((folder / "tiny.yaml").read_text()) | {"detector": {"artifact": artifact}}
        (folder / "asked-first.yaml").write_text(yaml.safe_dump(raw))
        said = CliRunner().invoke(app, ["preflight", str(folder / "asked-first.yaml")], env={"COLUMNS": "400"})
        return said.exit_code, said.output

    code, said = asked(forms["function"])
    assert code == 0, said
    assert "Brought python 48 px grz" in said
    (folder / "falls.py").write_text("def score(x):\n    return -x.sum((1, 2, 3))\n")
    code, said = asked("falls.py:score")
    assert code == 1
    assert "It falls instead: bring the negative of the score" in said
    assert "correct detector.artifact or its declaration" in said
