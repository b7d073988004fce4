"""A small run, finished, for tests of what is made of finished runs."""

import yaml
from places import TESTS

from lenscal import config, mock
from lenscal.audit import run
from lenscal.engine import InProcess

SMALL = {
    "sky": {"bricks": 10, "brick_pixels": 400, "galaxies_per_brick": 30, "lenses": 10, "overlapping_pairs": 0},
    "detector": {
        "size": 64,
        "training": {
            "epochs": 1,
            "batch": 32,
            "positives_per_epoch": 16,
            "negatives_per_epoch": 32,
            "val_negatives": 30,
        },
    },
    "realism": {"sensitivity_injections": 8, "splits": 100, "panel": 2},
    "scores": {"resamples": 100, "counterfactuals": 8},
    "manifest": {"negatives_per_positive": 12},
}


def runfile(folder, name, **changes):
    """tiny.yaml, smaller, with other stores and settings."""
    raw = yaml.safe_load((TESTS / "tiny.yaml").read_text()) | {"name": name, "stores": f"stores/{name}"}
    for section, values in [*SMALL.items(), *changes.items()]:
        raw[section] = {**raw.get(section, {}), **values} if isinstance(values, dict) else values
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def finish(path, stages=None, sky=False):
    """Settings of a run file whose run is finished, in this process."""
    settings = config.load(path)
    if sky:
        mock.draw(settings, workers=1)
    run(settings, stages, executor=InProcess())
    return settings
