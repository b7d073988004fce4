"""Anyone's detector: each form of one network is the same detector, is handed what it can use, and is refused
by name when it is none.
"""

import json
import pickle
import shutil
import sys

import numpy as np
import pytest
import torch
import yaml
from contracts import check_detector, stamps_for
from networks import DECLARED, BlueRing, save_onnx, write_forms

import lenscal as lc
from lenscal.detector import ScoreTable, bringing, keeping, probe
from lenscal.detector.adapters import torch_files
from lenscal.detector.declaration import declared
from lenscal.detector.preparing import prepared
from lenscal.errors import InputError

FORMS = ("function", "state dict", "safetensors", "TorchScript", "ONNX", "OpenVINO")


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    return write_forms(tmp_path_factory.mktemp("forms"))


@pytest.fixture
def own(forms, tmp_path):
    """The forms in a folder that a test may spoil."""
    shutil.copytree(bringing.Path(forms["ONNX"]).parent, tmp_path, dirs_exist_ok=True)
    return {
        form: place.replace(str(bringing.Path(forms["ONNX"]).parent), str(tmp_path)) for form, place in forms.items()
    }


def blue_light(images):
    """Light of the first band over that of the last, about the centre."""
    flux = images[:, :, 8:-8, 8:-8].sum((2, 3))
    return np.arcsinh(flux[:, 0]) - 0.2 * np.arcsinh(flux[:, -1])


class Template:
    """A callable that holds numbers."""

    def __init__(self, weight):
        self.weight = weight

    def __call__(self, images):
        return (images * self.weight).sum((1, 2, 3))


@pytest.mark.parametrize("form", FORMS)
def test_each_form_keeps_the_contract(forms, form):
    check_detector(lc.detector(forms[form]))


@pytest.mark.parametrize(
    "made",
    [
        lambda: lc.detector(blue_light, size=32),
        lambda: lc.detector(Template(0.5), bands=["i"], size=25, fill=-1.0),
        lambda: lc.detector(BlueRing(), DECLARED),
        lambda: lc.detector(Template(0.5), bands=["g", "z"], size=24, about={"w": 1}, offset=[0.1, 0.2]),
    ],
    ids=["function", "one band, odd side", "module in memory", "object"],
)
def test_what_is_in_memory_keeps_the_contract(made):
    check_detector(made())


def test_forms_of_one_network_give_the_same_logits(forms):
    images = stamps_for(lc.detector(forms["function"]), count=100)
    expected = (
        BlueRing().eval()(torch.from_numpy(prepared(images[:, :, 2:-3, 2:-3], declared(DECLARED, "")))).detach().numpy()
    )
    for form in FORMS:
        np.testing.assert_allclose(lc.detector(forms[form]).score(images), expected, atol=1e-4, rtol=0)


def test_forms_are_detectors_of_their_own(forms):
    hashes = [lc.detector(forms[form]).hash for form in FORMS]
    assert len(set(hashes)) == len(hashes)
    assert [lc.detector(forms[form]).hash for form in FORMS] == hashes


def test_the_function_sees_native_numbers_without_a_hole_as_declared():
    seen = []

    def keep(images):
        seen.append(images)
        return images.sum((1, 2, 3))

    told = {
        "size": 20,
        "fill": -2.5,
        "zeropoint": 25.0,
        "offset": 1.0,
        "scale": [1, 2, 4],
        "clip": (-50, 1e6),
        "layout": "channels_last",
        "dtype": "float64",
    }
    detector = lc.detector(keep, told)
    seen.clear()
    images = stamps_for(detector).astype(">f8")
    images[0, 1, 10, 10] = np.inf
    crop = np.ma.masked_array(images, images > 15)
    detector.score(crop)
    (shown,) = seen
    assert shown.dtype == np.dtype("=f8")
    assert shown.flags.c_contiguous
    start = (images.shape[-1] - 20) // 2
    plain = np.where(np.isfinite(images) & (images <= 15), images, -2.5)[:, :, start : start + 20, start : start + 20]
    scaled = (plain * 10 ** (0.4 * 2.5) - 1) / np.array([1, 2, 4])[:, None, None]
    np.testing.assert_allclose(shown, np.moveaxis(np.clip(scaled, -50, 1e6), 1, -1), rtol=1e-12)


@pytest.mark.parametrize(
    ("stretch", "by_hand"),
    [
        ("none", lambda x: x),
        ("arcsinh", np.arcsinh),
        ("sqrt", lambda x: np.sign(x) * np.abs(x) ** 0.5),
        ("log", lambda x: np.sign(x) * np.log(1 + np.abs(x))),
    ],
)
def test_stretches_are_what_their_names_say(stretch, by_hand):
    crop = np.random.default_rng(0).normal(0, 3, (2, 1, 9, 9))
    told = declared({"bands": ["r"], "size": 9, "stretch": stretch, "dtype": "float64"}, "")
    np.testing.assert_allclose(prepared(crop, told), by_hand(crop), rtol=1e-12)


@pytest.mark.parametrize(
    "change",
    [
        {"size": 32},
        {"bands": ["r", "g", "z"]},
        {"fill": 1.0},
        {"scale": [1, 1, 2]},
        {"stretch": "log"},
        {"zeropoint": 22.0},
        {"about": {"weights": 2}},
        {"dtype": "float64"},
    ],
    ids=str,
)
def test_another_declaration_is_another_detector(change):
    def summed(images):
        return images.astype(float).sum((1, 2, 3))

    assert lc.detector(summed, {"size": 40, **change}).hash != lc.detector(summed, size=40).hash
    assert lc.detector(summed, size=40, prevalence=0.5).hash == lc.detector(summed, size=40).hash


def test_functions_of_one_file_are_detectors_of_their_own(tmp_path):
    (tmp_path / "two.py").write_text(
        "def one(x):\n    return x.sum((1, 2, 3))\n\n\ndef two(x):\n    return 2 * x.sum((1, 2, 3))\n"
    )
    one, two = (lc.detector(f"{tmp_path}/two.py:{name}") for name in ("one", "two"))
    assert one.hash != two.hash
    assert "size" in one.about["undeclared"]


@pytest.mark.parametrize("form", [form for form in FORMS if form != "function"])
def test_a_changed_byte_is_another_detector_and_refused_where_the_frozen_one_is_meant(own, form):
    detector = lc.detector(own[form])
    packed = pickle.dumps(detector)
    module = BlueRing()
    with torch.no_grad():
        module.fc.bias += 1e-3
    path = bringing.Path(own[form])
    if form == "state dict":
        torch.save(module.state_dict(), path)
    elif form == "safetensors":
        from safetensors.torch import save_file

        save_file(module.state_dict(), path)
    else:
        path.write_bytes(path.read_bytes() + b"")
        files = write_changed(path, module, form)
        assert files
    assert lc.detector(own[form]).hash != detector.hash
    with pytest.raises(InputError, match=f"is not the one that was frozen: expected hash {detector.hash[:12]}"):
        pickle.loads(packed)


def write_changed(path, module, form):
    """The changed network in the form of the file."""
    if form == "TorchScript":
        torch.jit.trace(module.eval(), torch.zeros(2, 3, 48, 48)).save(path)
    else:
        save_onnx(module, path)
    return path.exists()


@pytest.mark.parametrize("form", FORMS)
def test_what_a_run_keeps_is_the_same_detector_again(own, form, tmp_path):
    detector, kept = lc.detector(own[form]), tmp_path / "kept"
    kept.mkdir()
    keeping.written(detector, own[form], lambda name, content: (kept / name).write_bytes(content))
    again = keeping.reopened(kept)
    images = stamps_for(detector)
    assert again.hash == detector.hash
    np.testing.assert_array_equal(again.score(images), detector.score(images))
    about = json.loads((kept / "detector.json").read_text())
    assert about["seen"]["grows_for_lenses"] > 0.5


def test_a_reference_of_its_owner_catches_what_the_declaration_has_wrong(own, tmp_path):
    detector = lc.detector(own["ONNX"])
    images = stamps_for(detector, count=9)
    np.savez(tmp_path / "reference.npz", images=images, scores=detector.score(images))
    path = bringing.Path(own["ONNX"]).with_suffix(".yaml")
    path.write_text(yaml.safe_dump({**DECLARED, "reference": "reference.npz"}))
    assert lc.detector(own["ONNX"]).about["seen"]["reference"].startswith("9 stamps")
    for wrong in ({"scale": [0.01, 0.02, 0.05]}, {"zeropoint": 22.6}, {"stretch": "log"}, {"bands": ["r", "g", "z"]}):
        path.write_text(yaml.safe_dump({**DECLARED, "reference": "reference.npz", **wrong}))
        if "bands" in wrong:  # the stamps of the reference are in the declared order: their colours say nothing
            continue
        with pytest.raises(InputError, match="the reference stamps get other scores than its own pipeline gives"):
            lc.detector(own["ONNX"])


def by_batch(images):
    return (images - images.mean(0)).sum((1, 2, 3)) + images.std()


def by_row(images):
    return images.sum((1, 2, 3)) + 100 * np.arange(len(images))


def at_random(images):
    return images.sum((1, 2, 3)) + np.random.default_rng().normal(size=len(images))


@pytest.mark.parametrize(
    ("function", "told", "words"),
    [
        (by_batch, {}, "a stamp that is .* has another score, by .*depends on its own pixels"),
        (by_row, {}, "a stamp that is .* has another score"),
        (at_random, {}, "a stamp that is asked again has another score"),
        (lambda x: np.ones(len(x)), {}, r"have one score \(1\); expected scores that vary"),
        (lambda x: x.sum((1, 2)), {}, r"gave shape \(48, 32\) for 48 images; declare which `column`"),
        (
            lambda x: np.log(x.min((1, 2, 3))),
            {},
            "48 of 48 scores are not finite, though every pixel that it was shown is",
        ),
        (lambda x: -x.sum((1, 2, 3)), {}, "It falls instead: bring the negative of the score"),
        (
            lambda x: x[:, 0].sum((1, 2)) / x[:, 2].sum((1, 2)),
            {"bands": ["z", "r", "g"]},
            r"With the bands in the order \['g', 'r', 'z'\] it is .*correct `bands`",
        ),
        (
            lambda x: x.sum((1, 2, 3)),
            {"output": "probability"},
            "declared are probabilities, found .*declare `output: logit`",
        ),
        (
            lambda x: 1 / (1 + np.exp(-x.sum((1, 2, 3)) / 1000)),
            {"output": "logit"},
            "declared are logits, found scores .*declare `output: probability`",
        ),
        (lambda x: x.missing, {}, "it fails on float32 images of shape .*AttributeError"),
        (lambda x: np.array(["lens"] * len(x)), {}, "it gave <U4; expected numbers"),
        (lambda x: np.stack([x.sum((1, 2, 3))] * 2, 1), {"column": 5}, "declared is column 5 of 2 outputs"),
    ],
    ids=[
        "batch",
        "row",
        "random",
        "constant",
        "shape",
        "not finite",
        "falls",
        "bands turned",
        "no probability",
        "no logit",
        "fails",
        "text",
        "column",
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_no_detector_is_refused_by_what_it_does(function, told, words):
    with pytest.raises(InputError, match=words):
        lc.detector(function, {"size": 32, **told})


def test_a_stamp_beside_a_bright_star_keeps_its_score():
    def quantised(images):  # as dynamic quantisation does: one scale for the batch
        step = np.abs(images).max() / 127
        return np.round(images / step).sum((1, 2, 3)) * step

    with pytest.raises(
        InputError, match=r"a stamp that is (alone|one of many|in another order|beside a bright star) has another score"
    ):
        lc.detector(quantised, size=32)


def test_dropout_that_is_live_is_found():
    module = torch.nn.Sequential(BlueRing(), torch.nn.Dropout(0.2))
    module.eval = lambda: module  # as an export in train mode leaves it
    module.train()
    with pytest.raises(InputError, match="a stamp that is asked again has another score"):
        lc.detector(module, DECLARED)


def test_prints_of_a_detector_are_kept_from_the_terminal(capsys):
    def loud(images):
        print("epoch 1")
        return images.sum((1, 2, 3))

    detector = lc.detector(loud, size=24)
    assert capsys.readouterr().out == ""
    assert detector.about["facts"]["prints"].startswith("epoch 1")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"sise": 3}, "sise: is unknown; expected one of .*size"),
        ({"size": 3}, "size: .*greater than or equal to 5"),
        ({"bands": []}, "bands: "),
        ({"scale": 0}, "scale is .*expected positive"),
        ({"scale": [1, 2]}, "scale has 2 numbers for the bands"),
        ({"fill": np.nan}, "fill: "),
        ({"clip": [3, 1]}, "clip"),
        ({"stretch": "cubic"}, "stretch: "),
    ],
)
def test_declarations_that_cannot_be_are_refused_by_key(told, words):
    with pytest.raises(InputError, match=words):
        lc.detector(blue_light, told)


def test_images_of_other_bands_or_too_small_are_refused():
    detector = lc.detector(blue_light, size=32)
    with pytest.raises(InputError, match=r"images have shape \(2, 1, 40, 40\); expected \(n, 3, y, x\)"):
        detector.score(np.zeros((2, 1, 40, 40)))
    with pytest.raises(InputError, match=r"stamps are 20 px, smaller than detector.size 32"):
        detector.score(np.zeros((2, 3, 20, 20)))


def test_no_detector_at_all_is_refused():
    with pytest.raises(InputError, match=r"3.0 is no function"):
        lc.detector(3.0)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "weights.yaml").unlink(), r"holds weights alone; declare `network` \(resnet18"),
        (
            lambda f: (f / "weights.yaml").write_text(yaml.safe_dump({**DECLARED, "network": "resnet18"})),
            "does not fit the network: of its tensors .*are missing .*are unknown",
        ),
        (
            lambda f: (f / "weights.yaml").write_text(
                yaml.safe_dump({**DECLARED, "network": "mine.py:build", "arguments": {"side": 32}})
            ),
            "have another shape .*ring",
        ),
        (
            lambda f: (f / "weights.yaml").write_text(yaml.safe_dump({**DECLARED, "network": "mine.py:absent"})),
            "holds no 'absent'; it holds BlueRing, MODULE, build, score",
        ),
        (lambda f: (f / "weights.yaml").write_text("- a list"), "holds list; expected a mapping such as 'bands"),
        (
            lambda f: torch.save(torch.nn.Linear(2, 1), f / "weights.pt"),
            "nothing is unpickled here: save `module.state_dict",
        ),
        (lambda f: (f / "weights.pt").unlink(), "'.*weights.pt' is missing; expected 'module:function'"),
    ],
    ids=["no network", "another network", "another size", "no factory", "no mapping", "whole module", "missing"],
)
def test_weights_that_do_not_fit_are_refused_with_the_names(own, spoil, words):
    folder = bringing.Path(own["state dict"]).parent
    spoil(folder)
    with pytest.raises(InputError, match=words):
        lc.detector(own["state dict"])


def test_published_weights_under_torchvisions_names_load(tmp_path):
    from lenscal.detector.network import ResNet18

    torch.manual_seed(3)
    module = ResNet18(3)
    torch.save(
        {"state_dict": {f"module.{name}": value for name, value in module.state_dict().items()}}, tmp_path / "r.pth"
    )
    told = declared({"kind": "state_dict", "network": "resnet18", "size": 64}, "")
    runtime = torch_files.read(tmp_path / "r.pth", told)  # fresh weights need not grow for lenses, as the probe asks
    images = np.random.default_rng(2).normal(0, 1, (64, 3, 64, 64)).astype("f4")
    np.testing.assert_allclose(runtime.ask(images), module.eval()(torch.from_numpy(images)).detach(), atol=1e-5)


def test_an_archive_that_runs_code_needs_leave(tmp_path):
    program = torch.export.export(BlueRing().eval(), (torch.zeros(64, 3, 48, 48),))
    torch.export.save(program, tmp_path / "net.pt2")
    with pytest.raises(InputError, match="runs what the file says; declare `allow_code: true`"):
        lc.detector(tmp_path / "net.pt2", DECLARED)
    check_detector(lc.detector(tmp_path / "net.pt2", DECLARED, allow_code=True))


def edited(path, change):
    import onnx

    model = onnx.load(path)
    change(model)
    onnx.save(model, path)


def fixed_batch(model, size=1):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = size
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = size


def test_a_graph_fixed_to_one_image_is_asked_one_by_one(own):
    expected = lc.detector(own["ONNX"])
    images = stamps_for(expected)
    scores = expected.score(images)
    edited(own["ONNX"], fixed_batch)
    detector = lc.detector(own["ONNX"])
    np.testing.assert_allclose(detector.score(images), scores, atol=1e-5)
    check_detector(detector)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"bands": ["g", "r"]}, r"takes .*\(n, 3, 48, 48\); declared are \(n, 2, 48, 48\)"),
        ({"size": 64}, r"declared are \(n, 3, 64, 64\)"),
        ({"layout": "channels_last"}, r"declared are \(n, 48, 48, 3\): correct bands, size or layout"),
        ({"dtype": "float64"}, "takes .*float32.*declared is float64: declare `dtype: float32`"),
    ],
)
def test_a_graph_that_takes_something_else_is_refused_with_what_it_takes(own, told, words):
    bringing.Path(own["ONNX"]).with_suffix(".yaml").write_text(yaml.safe_dump({**DECLARED, "scale": 0.01, **told}))
    with pytest.raises(InputError, match=words):
        lc.detector(own["ONNX"])


def test_what_an_onnx_file_declares_in_itself_is_read_and_holds(own):
    def carry(model):
        entry = model.metadata_props.add()
        entry.key, entry.value = "lenscal", yaml.safe_dump(DECLARED)

    beside = bringing.Path(own["ONNX"]).with_suffix(".yaml")
    edited(own["ONNX"], carry)
    beside.unlink()
    detector = lc.detector(own["ONNX"])
    assert detector.bands == ("g", "r", "z")
    assert detector.about["undeclared"] == []
    beside.write_text(yaml.safe_dump({**DECLARED, "bands": ["z", "r", "g"]}))
    with pytest.raises(InputError, match=r"declares in itself something else than its declaration \(bands"):
        lc.detector(own["ONNX"])


def test_weights_beside_an_onnx_file_are_part_of_it(own):
    import onnx

    path = bringing.Path(own["ONNX"])
    plain = lc.detector(path)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="net.data", size_threshold=256)
    detector = lc.detector(path)
    assert detector.hash != plain.hash
    assert {file.name for file in detector.files} == {"net.onnx", "net.data"}
    content = bytearray((path.parent / "net.data").read_bytes())
    content[-1] ^= 1
    (path.parent / "net.data").write_bytes(bytes(content))
    assert keeping.inputs_of(str(path), None)[-1].name == "net.data"
    (path.parent / "net.data").unlink()
    with pytest.raises(InputError, match=r"keeps weights in 'net.data', which is missing beside it; copy both"):
        lc.detector(path)


def test_two_declarations_are_refused(own):
    with pytest.raises(InputError, match="declared twice"):
        lc.detector(own["ONNX"], DECLARED)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent.onnx", "is missing"),
        ("notes.txt", "is no form that is known; expected"),
        ("nowhere_at_all:score", "cannot be imported"),
        ("absent.py:score", "is missing; expected 'module:function'"),
        ("broken.py:score", "cannot be imported .*SyntaxError"),
        ("empty.onnx", "is no ONNX file"),
        ("empty.safetensors", "is no file of safetensors"),
        ("folder", "holds no detector.json"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_can(tmp_path, name, words):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "broken.py").write_text("def score(:")
    (tmp_path / "empty.onnx").write_bytes(b"\x00\x01garbage")
    (tmp_path / "empty.safetensors").write_bytes(b"")
    (tmp_path / "empty.yaml").write_text("network: resnet18\n")
    (tmp_path / "folder").mkdir()
    place = name if name.startswith("nowhere") else str(tmp_path / name)
    with pytest.raises(InputError, match=words):
        lc.detector(place)


def test_the_stamps_of_the_probe_are_lenses_of_the_survey():
    plain, lensed = probe.stamps("grz", 64)
    arc = (lensed - plain).sum((2, 3))
    magnitude = 22.5 - 2.5 * np.log10(arc[:, 1])
    assert (magnitude > 19).all()
    assert (magnitude < 22).all()
    host = plain.sum((2, 3))
    assert ((host[:, 0] / host[:, 1]) < 0.6).all()  # red
    assert ((arc[:, 0] / arc[:, 1]) > 0.7).all()  # blue
    np.testing.assert_array_equal(probe.stamps("grz", 64)[1], lensed)


def table_of(path, ids, scores, **more):
    import pandas as pd

    table = pd.DataFrame({"id": ids, "score": scores, **more})
    if path.suffix == ".parquet":
        table.to_parquet(path)
    elif path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        from astropy.table import Table

        Table.from_pandas(table).write(path, overwrite=True)
    return path


IDS = np.array([9010 << 42 | 5, 9010 << 42 | 6, (1500 << 49) | 3, (1 << 61) + 1], np.int64)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ecsv", ".fits"])
def test_scores_come_back_by_id_whatever_the_table(tmp_path, suffix):
    scores = np.array([0.1, 1 / 3, -2.5, 7.123456789012345])
    path = table_of(tmp_path / f"scores{suffix}", IDS[::-1], scores[::-1])
    detector = lc.detector(path)
    assert isinstance(detector, ScoreTable)
    np.testing.assert_array_equal(detector.of_ids(IDS), scores)
    assert np.isnan(detector.of_ids(np.array([1, 1 << 62]))).all()
    assert detector.hash == lc.detector(table_of(tmp_path / "again.parquet", IDS, scores)).hash
    assert (
        detector.hash
        != lc.detector(table_of(tmp_path / "other.parquet", IDS, scores + np.array([0, 0, 0, 1e-14]))).hash
    )
    with pytest.raises(InputError, match="known by a table of scores, which has none for these images"):
        detector.score(np.zeros((1, 3, 64, 64)))


@pytest.mark.parametrize(
    ("ids", "scores", "found"),
    [
        ([*IDS, 77], [1, 2, 3, 4, 5], {"unknown": 1}),
        (IDS[:3], [1, 2, 3], {"missing": 1}),
        (IDS, [1, np.nan, 3, np.inf], {"missing": 2, "not_finite": 2}),
        ([*IDS, IDS[0]], [1, 2, 3, 4, 9], {"missing": 1, "contradictory": 1}),
        ([*IDS, IDS[0]], [1, 2, 3, 4, 1], {"repeated": 1}),
    ],
    ids=["unknown", "missing", "not finite", "contradictory", "repeated"],
)
def test_ids_that_do_not_fit_are_counted_and_refused_beyond_a_stated_share(tmp_path, ids, scores, found):
    path = table_of(tmp_path / "scores.csv", ids, scores)
    strict, lenient = lc.detector(path), lc.detector(path, missing_max=0.5)
    counted = lenient.check(IDS)
    assert {name: counted[name] for name in found} == found
    if found.keys() & {"missing", "unknown"}:
        with pytest.raises(InputError, match=r"the table of scores"):
            strict.check(IDS)
    else:
        assert strict.check(IDS) == counted


@pytest.mark.parametrize(
    ("columns", "told", "words"),
    [
        ({"name": IDS, "score": [1, 2, 3, 4]}, {}, "expected id and score, id missing"),
        ({"id": IDS.astype(float), "score": [1, 2, 3, 4]}, {}, "column id .*expected whole numbers"),
        ({"id": IDS, "score": [1.0] * 4}, {}, "holds 1 different finite scores"),
        ({"id": IDS, "score": ["a", "b", "c", "d"]}, {}, "expected numbers"),
        ({"id": IDS, "score": [1, 2, 3, 4]}, {"output": "probability"}, "declared are probabilities"),
        ({"id": IDS, "score": [0.1, 0.2, 0.3, 0.4]}, {"output": "logit"}, "declared are logits"),
    ],
)
def test_tables_that_are_none_are_refused(tmp_path, columns, told, words):
    import pandas as pd

    path = tmp_path / "scores.parquet"
    pd.DataFrame(columns).to_parquet(path)
    with pytest.raises(InputError, match=words):
        lc.detector(path, told or None)


def test_training_rows_are_what_their_owner_lists(tmp_path):
    import pandas as pd

    pd.DataFrame({"galaxy_id": IDS[:2][::-1], "ra": [10.0, 11.0], "dec": [1.0, 2.0]}).to_parquet(
        tmp_path / "rows.parquet"
    )
    told = {"size": 32, "trained_on": {"layer": "ls-dr10", "rows": str(tmp_path / "rows.parquet")}}
    detector = lc.detector(blue_light, told)
    np.testing.assert_array_equal(detector.training_ids, IDS[:2])
    np.testing.assert_array_equal(detector.training_positions, [[11, 2], [10, 1]])
    assert detector.survey == {"layer": "ls-dr10", "mock": False}
    assert detector.origin == "trained on 'ls-dr10'"
    assert lc.detector(blue_light, size=32).origin == "which does not say on what it was trained"
    pd.DataFrame({"galaxy_id": [1.5]}).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(InputError, match="expected galaxy_id as whole numbers"):
        lc.detector(blue_light, told)


def test_a_run_file_of_the_name_of_an_artifact_is_no_declaration(own):
    path = bringing.Path(own["ONNX"])
    path.with_suffix(".yaml").write_text("stores: here\nsurvey: {root: there}\n")
    assert bringing.declaration_file(str(path), "onnx") is None
    path.with_suffix(".yml").write_text(yaml.safe_dump(DECLARED))
    assert lc.detector(path).bands == ("g", "r", "z")


@pytest.mark.parametrize(
    ("form", "library"),
    [("ONNX", "onnxruntime"), ("ONNX", "onnx"), ("OpenVINO", "openvino"), ("safetensors", "safetensors")],
)
def test_an_absent_runtime_is_named_with_what_installs_it(forms, form, library, monkeypatch):
    from lenscal import extras

    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setattr(extras, "fix", lambda name: f"pip install 'lenscal[{extras.EXTRA_OF[name]}]'")
    with pytest.raises(extras.MissingExtra, match=rf"needs {library}, which is not installed; .*lenscal\["):
        lc.detector(forms[form])
