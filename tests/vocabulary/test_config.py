"""A run file is refused before any work, with a sentence that names the key."""

import numpy as np
import pytest
import yaml
from places import ROOT

from lenscal import config


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
        (
            lambda raw: raw["injections"].update(trials=0),
            r"injections\.trials: .*greater than or equal to 1 \(found 0\)",
        ),
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
def test_run_files_name_stamps_for_the_whole_bracket_of_sources_and_say_which_key_is_wrong_when_they_are_missing(
    name, tmp_path
):
    from lenscal.audit import Run
    from lenscal.audit.stages import STAGES
    from lenscal.io.stores import StoreError

    settings = config.load(ROOT / f"pipelines/{name}.yaml")
    assert settings.realism.morphologies == ["sersic", "clumpy", "stamps"]
    assert settings.realism.source_stamps.endswith("cosmos_stamps.fits.gz")
    missing = settings.realism.model_copy(update={"source_stamps": str(tmp_path / "cosmos_stamps.fits.gz")})
    with pytest.raises(
        StoreError, match=r"cosmos_stamps.fits.gz' is missing; correct realism.source_stamps, or leave it out"
    ):
        STAGES["realism"].inputs(Run(settings.model_copy(update={"realism": missing})))


def leaves(section, prefix=()):
    """Path, kind and value of every setting."""
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, config.Section):
            yield from leaves(value, (*prefix, name))
        else:
            yield (*prefix, name), str(info.annotation), value


def everything(tmp_path):
    """A run file with every optional section, and its settings."""
    raw = yaml.safe_load((ROOT / "tests" / "tiny.yaml").read_text())
    raw["survey"]["service"] = {"requests_per_second": 2.0}
    raw["report"] = {"depth": 23.5}
    raw["cluster"] = {"workers": 2, "threads": 1, "block_timeout": 60.0}
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(raw))
    return raw, config.load(path)


def with_value(raw, path, value):
    raw = dict(raw)
    head, *rest = path
    raw[head] = with_value(raw.get(head, {}), rest, value) if rest else value
    return raw


def refused(tmp_path, raw, path):
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(config.ConfigError) as error:
        config.load(tmp_path / "run.yaml")
    assert ".".join(path) in str(error.value)
    return str(error.value)


def test_a_number_that_is_none_is_refused_in_every_place_of_a_run_file(tmp_path):
    raw, settings = everything(tmp_path)
    seen = 0
    for path, kind, value in leaves(settings):
        if "float" not in kind and "int" not in kind and not isinstance(value, (int, float)):
            continue
        for none in (float("nan"), float("inf"), -float("inf")):
            if isinstance(value, dict):
                bad = (
                    {**value, "edge_on": {"x": none}}
                    if path[-1] == "confuser_cuts"
                    else {**value, next(iter(value), "g"): none}
                )
            else:
                bad = [*value[:-1], none] if isinstance(value, (list, tuple)) else none
            refused(tmp_path, with_value(raw, path, bad), path)
            seen += 1
    assert seen > 200


def test_yes_and_no_are_no_numbers_in_any_place(tmp_path):
    raw, settings = everything(tmp_path)
    seen = 0
    for path, kind, value in leaves(settings):
        if "bool" in kind or path == ("stores",) or "Catalogue" in kind:
            continue
        bad = (
            {**value, next(iter(value), "g"): True}
            if isinstance(value, dict)
            else [*value[:-1], True]
            if isinstance(value, (list, tuple))
            else True
        )
        refused(tmp_path, with_value(raw, path, bad), path)
        seen += 1
    assert seen > 120


def test_a_thing_named_twice_is_refused_in_every_list(tmp_path):
    raw, settings = everything(tmp_path)
    lists = [
        (path, value)
        for path, _, value in leaves(settings)
        if isinstance(value, list) and value and not isinstance(value[0], config.Section)
    ]
    assert {"bands", "false_positive_rates", "morphologies", "priors", "types", "centre_bits", "moffat_betas"} <= {
        path[-1] for path, _ in lists
    }
    for path, value in lists:
        assert "twice; name each once" in refused(tmp_path, with_value(raw, path, [*value, value[0]]), path)


def test_a_range_that_falls_is_refused_everywhere(tmp_path):
    raw, settings = everything(tmp_path)
    ranges = [
        (path, value)
        for path, kind, value in leaves(settings)
        if "tuple[float, float]" in kind.replace("builtins.", "") and value
    ]
    assert len(ranges) >= 10
    for path, value in ranges:
        refused(tmp_path, with_value(raw, path, [value[1], value[0]]), path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.update(stores=None), r"stores: .*expected text: a folder"),
        (lambda raw: raw.update(stores=7), r"stores: .*expected text"),
        (lambda raw: raw.update(stores=["a"]), r"stores: .*expected text"),
        (lambda raw: raw.update(stores="~nobodyhere/x"), r"'~nobodyhere/x' is no path of this machine"),
        (lambda raw: raw.update(stores="a\0b"), r"stores: .*zero byte"),
        (lambda raw: raw["survey"].update(root="a\0b"), r"survey.root: .*zero byte"),
        (lambda raw: raw["objects"]["lenses"][0].update(source="a\0b"), r"source: .*zero byte"),
        (lambda raw: raw["detector"].update(bands=[]), r"detector.bands: .*at least 1 item"),
        (
            lambda raw: raw["detector"]["training"].update(learning_rate=1e30),
            r"learning_rate: .*less than or equal to 10",
        ),
        (
            lambda raw: raw["injections"]["grid"].update(depth={"start": 99, "stop": 99, "step": 1}),
            r"depth has bins from 98.5 to 99.5 mag; expected them within 10 and 40",
        ),
        (
            lambda raw: raw["injections"]["grid"].update(theta_e={"start": 0, "stop": 1, "step": 0.5}),
            r"theta_e has bins from -0.25",
        ),
        (lambda raw: raw["injections"]["grid"]["depth"].update(step=1e-9, stop=24.5), r"bins; expected 10,000 at most"),
        (lambda raw: raw.update(report={"depth": 99}), r"report.depth is 99, outside of the depths of the grid"),
        (lambda raw: raw.update(cluster={"address": "banana"}), r"cluster.address: .*found 'banana'"),
        (lambda raw: raw.update(cluster={"memory_limit": "lots"}), r"cluster.memory_limit: .*found 'lots'"),
        (lambda raw: raw["manifest"].update(dec_range_degree=[-100, 20]), r"dec_range_degree: .*between -90 and 90"),
        (lambda raw: raw.update(seed=2**64), r"seed: .*less than"),
    ],
)
def test_what_no_run_could_work_with_is_refused_by_its_key(tmp_path, change, message):
    with pytest.raises(config.ConfigError, match=message):
        config.load(write(tmp_path, change))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("? [a]\n: 1\n? [a]\n: 2\n", "a key is a list or a mapping, not a name"),
        ("a: 1\nb: 2\na: 3\n", r"key 'a' is given twice\n  in .*line 3"),
        ("[" * 5000, "nested too deeply"),
        ("name: x\nmanifest: {types: &a [*a]}\n", "contains itself|Field required"),
    ],
)
def test_yaml_that_is_no_run_file_is_one_sentence(tmp_path, text, message):
    with pytest.raises(config.ConfigError, match=message):
        config.load(write(tmp_path, text=text))


def test_what_is_merged_yields_to_what_is_written(tmp_path):
    text = (
        (ROOT / "tests" / "tiny.yaml").read_text().replace("cutouts: {size: 101, block: 64}", "cutouts: &c {block: 64}")
    )
    settings = config.load(write(tmp_path, text=text.replace("quality: {block: 64}", "quality: {<<: *c, block: 80}")))
    assert (settings.cutouts.block, settings.quality.block) == (64, 80)


def test_a_file_that_is_no_text_and_a_value_of_many_letters_are_short_messages(tmp_path):
    (tmp_path / "run.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(config.ConfigError, match="is not UTF-8 text"):
        config.load(tmp_path / "run.yaml")
    with pytest.raises(config.ConfigError) as error:
        config.load(write(tmp_path, lambda raw: raw.update(name="x" * 10**6 + "!")))
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("name", ["pipelines/small.yaml", "pipelines/dr10.yaml", "tests/tiny.yaml"])
def test_settings_that_travel_as_json_arrive_as_they_were(name):
    settings = config.load(ROOT / name)
    assert config.Settings.model_validate_json(settings.model_dump_json()) == settings


def test_every_key_of_a_run_file_is_explained_in_one_row_of_its_page():
    rows = [line for line in config.page().splitlines() if line.startswith("| `")]
    assert len(rows) > 150
    for row in rows:
        assert row.count(" | ") >= 3
        assert row.endswith(" |")
        meaning = row.rsplit(" | ", 1)[1].removesuffix(" |")
        assert len(meaning.split()) >= 2, row
