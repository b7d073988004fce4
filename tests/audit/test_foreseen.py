"""Preflight is true: what a run refuses for reasons known beforehand, preflight refuses, in the same words, and a run
does so before any work."""

import os
import shutil

import pytest
import yaml
from foreseen_faults import FAULTS, stamps
from loops import in_process
from places import TESTS
from typer.testing import CliRunner
from viewer import serving

from lenscal import config, mock
from lenscal.cli import app
from lenscal.errors import LenscalError

RUNNER = CliRunner()
BEGUN = "work has begun"


class Begun(LenscalError):
    """A run got as far as its first stage."""


def begin(*_):
    raise Begun(BEGUN)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreseen")
    raw = yaml.safe_load((TESTS / "tiny.yaml").read_text())
    raw["sky"] |= {"bricks": 6, "brick_pixels": 300, "galaxies_per_brick": 20, "lenses": 6, "overlapping_pairs": 0}
    (folder / "run.yaml").write_text(yaml.safe_dump(raw))
    mock.draw(config.load(folder / "run.yaml"), workers=1)
    return folder


@pytest.fixture
def folder(original, tmp_path, monkeypatch):
    """A run whose sky is linked; what a run would do after its checks is cut off."""
    in_process(monkeypatch)
    monkeypatch.setattr("lenscal.engine.running.carry_out", begin)
    shutil.copytree(original, tmp_path / "run", copy_function=os.link)
    return tmp_path / "run"


def lenscal(*arguments):
    return RUNNER.invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200000"})


def words(text):
    return " ".join(text.split())


def refusal(folder):
    """What a run says, without the word in front of it."""
    done = lenscal("run", folder / "run.yaml", "--quiet")
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, SystemExit)
    return words(done.stderr).removeprefix("error: ")


def test_a_run_without_fault_is_refused_by_neither(folder):
    done = lenscal("preflight", folder / "run.yaml")
    assert done.exit_code == 0, done.output
    assert not (folder / "stores" / "tiny").exists()
    assert refusal(folder) == BEGUN


def test_stamps_without_fault_are_refused_by_neither(folder):
    raw = yaml.safe_load((folder / "run.yaml").read_text())
    stamps()(folder, raw)
    (folder / "run.yaml").unlink()
    (folder / "run.yaml").write_text(yaml.safe_dump(raw))
    done = lenscal("preflight", folder / "run.yaml")
    assert done.exit_code == 0, done.output
    assert refusal(folder) == BEGUN


@pytest.mark.parametrize("fault", FAULTS)
def test_preflight_refuses_what_a_run_refuses_in_the_same_words(folder, fault):
    raw = yaml.safe_load((folder / "run.yaml").read_text())
    FAULTS[fault](folder, raw)
    (folder / "run.yaml").unlink()
    (folder / "run.yaml").write_text(yaml.safe_dump(raw))
    asked = lenscal("preflight", folder / "run.yaml")
    said = refusal(folder)
    assert said != BEGUN
    assert asked.exit_code == 1, asked.output
    assert isinstance(asked.exception, SystemExit)
    assert said in words(asked.output), f"run: {said}\npreflight: {words(asked.output)}"


OF_A_SERVICE = {
    "a layer that it does not have": {"body": b"there is no layer ls-dr99"},
    "nothing at any brick": 404,
    "no rights": 403,
    "stamps of another size": {"shrink": 2},
    "other bands": {"bands": "gri"},
    "another unit": {"units": "mJy"},
    "no file": {"body": b"<html>down</html>"},
}


@pytest.mark.parametrize("fault", OF_A_SERVICE)
def test_preflight_asks_a_service_as_a_run_does(folder, fault):
    raw = yaml.safe_load((folder / "run.yaml").read_text())
    with serving() as viewer:
        viewer.always = OF_A_SERVICE[fault]
        service = {"url": viewer.address, "attempts": 2, "backoff_seconds": 0.01, "requests_per_second": 1000}
        raw["survey"]["service"] = service
        (folder / "run.yaml").unlink()
        (folder / "run.yaml").write_text(yaml.safe_dump(raw))
        asked, said = lenscal("preflight", folder / "run.yaml"), refusal(folder)
        assert said != BEGUN
        assert said in words(asked.output)
        viewer.always = None
        assert lenscal("preflight", folder / "run.yaml").exit_code == 0
        assert refusal(folder) == BEGUN


def test_there_are_many_faults():
    assert len(FAULTS) >= 60
