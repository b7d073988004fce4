"""A small sky whose bricks can be spoilt."""

import shutil

import pandas as pd
import pytest
from chaos import STAGES as PIXELS
from chaos import Chaos, draw_sky
from loops import in_process

from lenscal import config
from lenscal.audit import run
from lenscal.io import stores


@pytest.fixture(scope="module")
def chaos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    draw_sky(folder, bricks=10, lenses=8)
    chaos = Chaos(folder, seed=1, negatives=6)
    with pytest.MonkeyPatch.context() as patch:
        in_process(patch)
        run(config.load(chaos.runfile("good")), PIXELS[:3])
    return chaos


@pytest.fixture
def spoilt(chaos, tmp_path):
    """Folders of the bricks of a copy of the sky, those with most galaxies first, and settings of a run on it with the
    manifest of the good run.
    """
    shutil.copytree(chaos.folder / "stores" / "sky", tmp_path / "sky")

    def settings(**changes):
        good, here = chaos.folder / "stores" / "good", chaos.folder / "stores" / tmp_path.name
        for part in ("objects", "manifest", ".plan/objects", ".plan/manifest"):
            if not (here / part).exists():
                shutil.copytree(good / part, here / part)
        return config.load(chaos.runfile(tmp_path.name, survey={"root": str(tmp_path / "sky")}, **changes))

    urls = pd.Series(stores.open(chaos.folder / "stores" / "good" / "cutouts.zarr").cutout_url.values.astype(object))
    folders = [(tmp_path / "sky" / url).parent for url in urls[urls != ""].value_counts().index]
    return folders, settings
