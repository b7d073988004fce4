"""A run whose pixels come from a service goes on past a place at which the service fails, and says so in its row."""

import pytest
import yaml
from loops import in_process
from places import TESTS
from viewer import serving

from lenscal import config, mock
from lenscal.audit import Run, run


@pytest.fixture
def runfile(tmp_path, monkeypatch):
    in_process(monkeypatch)
    raw = yaml.safe_load((TESTS / "tiny.yaml").read_text())
    raw["sky"] |= {"bricks": 6, "brick_pixels": 300, "galaxies_per_brick": 20, "lenses": 6, "overlapping_pairs": 0}
    raw["manifest"] = {"negatives_per_positive": 3, "required_classes": []}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(raw))
    mock.draw(config.load(tmp_path / "run.yaml"), workers=1)
    return tmp_path / "run.yaml"


@pytest.mark.parametrize(("status", "reason"), [(500, "service: 2 attempts"), (404, "outside: the service has no")])
def test_a_place_at_which_the_service_fails_is_a_row_and_the_run_goes_on(runfile, status, reason):
    raw = yaml.safe_load(runfile.read_text())
    with serving() as viewer:
        service = {"url": viewer.address, "attempts": 2, "backoff_seconds": 0.01, "requests_per_second": 1000}
        raw["survey"]["service"] = service
        runfile.write_text(yaml.safe_dump(raw))
        settings = config.load(runfile)
        run(settings, ["objects", "manifest"])
        place = Run(settings).manifest.iloc[2]
        honest = viewer.respond

        def respond(handler):
            viewer.always = status if f"ra={place['ra']:.7f}" in handler.path else None
            honest(handler)

        viewer.respond = respond
        run(settings, ["cutouts"])
    failure = Run(settings).store("cutouts")["failure"].values.astype(object)
    assert [bool(text) for text in failure] == [i == 2 for i in range(len(failure))]
    assert failure[2].startswith(reason)
