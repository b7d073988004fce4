"""A run file is refused before any work, with a sentence that names the key."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from lenscal import config

ROOT = Path(__file__).resolve().parents[1]


def write(tmp_path, change=None, text=None):
    raw = yaml.safe_load((ROOT / "tests" / "tiny.yaml").read_text())
    if change:
        change(raw)
    path = tmp_path / "run.yaml"
    path.write_text(text if text is not None else yaml.safe_dump(raw))
    return path


@pytest.mark.parametrize("name", ["pipelines/small.yaml", "pipelines/dr10.yaml", "tests/tiny.yaml"])
def test_run_files_of_the_project_load(name):
    settings = config.load(ROOT / name)
    assert settings.stores.is_absolute()


def test_dr10_holds_the_grid_of_record():
    grid = config.load(ROOT / "pipelines/dr10.yaml").injections.grid
    np.testing.assert_allclose(grid.theta_e.centres, np.arange(0.5, 3.01, 0.25))
    np.testing.assert_allclose(grid.psf_fwhm.centres, np.arange(0.9, 1.81, 0.15))
    np.testing.assert_allclose(grid.depth.edges, np.arange(22.25, 24.76, 0.5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw["manifest"].update(colour="red"), r"manifest\.colour: unknown key"),
        (lambda raw: raw.update(wrong=1), r"wrong: unknown key"),
        (lambda raw: raw.pop("seed"), r"seed: Field required"),
        (lambda raw: raw["injections"].update(trials=0), r"injections\.trials: .*greater than or equal to 1 \(found 0\)"),
        (lambda raw: raw["injections"]["grid"]["depth"].update(stop=23.7), r"not a whole number of steps"),
        (lambda raw: raw["injections"].update(size=200), r"larger than cutouts\.size"),
        (lambda raw: raw["quality"].update(centre_bits=["BRIGHTER"]), r"'BRIGHTER' is no MASKBITS name"),
        (lambda raw: raw["detector"].update(bands=["g", "i"]), r"names \['i'\]"),
    ],
)
def test_a_wrong_key_is_named(tmp_path, change, message):
    with pytest.raises(config.ConfigError, match=message):
        config.load(write(tmp_path, change))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(config.ConfigError, match=r"nowhere\.yaml' cannot be read"):
        config.load(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(("text", "message"), [("a: [1", "is not the YAML of a run file"), ("- 1\n", "not a mapping")])
def test_what_is_no_run_file_is_refused(tmp_path, text, message):
    with pytest.raises(config.ConfigError, match=message):
        config.load(write(tmp_path, text=text))


def test_yaml_cannot_run_code(tmp_path):
    with pytest.raises(config.ConfigError, match="is not the YAML of a run file"):
        config.load(write(tmp_path, text="!!python/object/apply:os.system ['true']"))


def test_paths_are_relative_to_the_run_file(tmp_path):
    settings = config.load(write(tmp_path))
    assert settings.stores == tmp_path / "stores" / "tiny"
    assert settings.objects.lenses[0].source == str(tmp_path / "stores/sky/catalogues/known-lenses.csv")


def test_real_data_folder_must_exist(monkeypatch):
    monkeypatch.setenv("LENSCAL_REAL_DATA", "/nowhere/at/all")
    with pytest.raises(config.ConfigError, match="LENSCAL_REAL_DATA is '/nowhere/at/all', which is no folder"):
        config.real_data()


def test_spectra_of_imaging_candidates_are_no_independent_selection(tmp_path):
    raw = yaml.safe_load((ROOT / "tests" / "tiny.yaml").read_text())
    raw["objects"]["lenses"][1]["channel"] = "spectroscopic"
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(config.ConfigError, match="it is `follow-up`, not independent"):
        config.load(tmp_path / "run.yaml")


def test_a_key_given_twice_is_refused_and_not_overwritten(tmp_path):
    text = (ROOT / "tests" / "tiny.yaml").read_text()
    with pytest.raises(config.ConfigError, match="'seed' is given twice"):
        config.load(write(tmp_path, text=text + "\nseed: 99\n"))


@pytest.mark.parametrize("injections", [{"source": "stamps"}, {"source": "sersic", "source_stamps": "stamps.fits"}])
def test_stamps_need_a_file_and_only_they(tmp_path, injections):
    with pytest.raises(config.ConfigError, match="stamps need a file, and only they"):
        config.load(write(tmp_path, lambda raw: raw["injections"].update(injections)))


@pytest.mark.parametrize("name", ["small", "dr10"])
def test_run_files_name_stamps_for_the_whole_bracket_of_sources_and_say_which_key_is_wrong_when_they_are_missing(name, tmp_path):
    from lenscal.io.stores import StoreError
    from lenscal.run import Place
    from lenscal.run.stages import STAGES

    settings = config.load(ROOT / f"pipelines/{name}.yaml")
    assert settings.realism.morphologies == ["sersic", "clumpy", "stamps"]
    assert settings.realism.source_stamps.endswith("cosmos_stamps.fits.gz")
    missing = settings.realism.model_copy(update={"source_stamps": str(tmp_path / "cosmos_stamps.fits.gz")})
    with pytest.raises(StoreError, match=r"cosmos_stamps.fits.gz' is missing; correct realism.source_stamps, or leave it out"):
        STAGES["realism"].inputs(Place(settings.model_copy(update={"realism": missing})))
