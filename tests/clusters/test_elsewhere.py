"""A run whose machine is lost goes on from another that has nothing but the bucket: the same bytes, nothing twice,
nothing lost.
"""

import json
import subprocess
import sys
import textwrap
import time

import pytest
from bucket import serving_buckets
from places import TESTS
from toys import Run, Toy, opened, pipeline
from upath import UPath

from lenscal import engine
from lenscal.config import BUCKET
from lenscal.engine import InProcess
from lenscal.io.stores import StoreError

KILLED = textwrap.dedent(
    """
    import os
    from toys import Run, Toy, pipeline
    from upath import UPath
    from lenscal import engine
    from lenscal.config import BUCKET
    from lenscal.io import leases

    leases.SECONDS = 3.0

    class Lost(Toy):
        def work(self, run, block, say=lambda text: None):
            outcome = super().work(run, block)
            if block.name == "001":  # written, but not marked
                os._exit(9)
            return outcome

    engine.run(pipeline(Run(UPath("s3://stores/run", **BUCKET)), Lost("a")))
    """
)


@pytest.fixture
def bucket(monkeypatch):
    with serving_buckets() as server:
        server.point_to(monkeypatch)
        monkeypatch.setenv("PYTHONPATH", str(TESTS / "support"))
        server.make("stores")
        yield server


def test_a_run_whose_machine_is_lost_goes_on_from_another_with_only_the_bucket(bucket, tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 9, done.stderr
    folder = UPath("s3://stores/run", **BUCKET)
    again = Toy("a")
    words = r"another run .* is at work in 's3://stores/run'; .* its lease runs out in \d s"
    with pytest.raises(StoreError, match=words):
        engine.run(pipeline(Run(folder), again))
    time.sleep(4.5)
    result = engine.run(pipeline(Run(folder), again))
    assert again.calls == ["001", "002"], "what was marked is left, what was not is done again"
    calm = engine.run(opened(json.dumps(["Toy", str(tmp_path / "run")])), executor=InProcess())
    assert result.stages[0].digest == calm.stages[0].digest
    here = {path.name: path.read_text() for path in (tmp_path / "run" / "a").iterdir()}
    there = bucket.contents("stores", "run/a/")
    assert set(there) == set(here)
    assert {name: (folder / "a" / name).read_text() for name in there} == here
    assert not (folder / ".plan" / "lock").exists()
