"""A block is complete and as it was written, or it is done again; whatever dies, what comes out has the same bytes."""

import hashlib
import json
import os
import resource
import shutil
from functools import cache

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from astropy.io import fits
from bucket import serving_buckets
from chaos import STAGES as PIXELS
from chaos import Chaos, draw_sky
from viewer import serving

from lenscal import config
from lenscal.audit import PlanError, Run, plan_of, run
from lenscal.audit.stages import STAGES
from lenscal.clusters import Local
from lenscal.engine.contents import contents_of
from lenscal.engine.errors import BlockError
from lenscal.io import folders, locks, stores
from lenscal.io.survey import CoaddSurvey, PixelError

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def chaos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume")
    draw_sky(folder, bricks=8, lenses=8)
    return Chaos(folder, seed=1, negatives=6)


@pytest.fixture(scope="module")
def first(chaos):
    process = chaos.launch(chaos.runfile("first"))
    chaos.wait(process)
    assert process.exitcode == 0, (chaos.folder / "said.txt").read_text()
    return config.load(chaos.runfile("first"))


def copied(chaos, first, name, **changes):
    """The finished run under another name, times of change kept."""
    shutil.copytree(first.stores, chaos.folder / "stores" / name)
    return config.load(chaos.runfile(name, **changes))


def contents(folder):
    return {
        str(p.relative_to(folder)): hashlib.blake2b(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def digests(settings):
    plans = settings.stores / ".plan"
    return {name: json.loads((plans / name / "done.json").read_text())["digest"] for name in PIXELS}


def times(settings):
    """When each file of a shard or chunk was changed."""
    files = (
        path for path in settings.stores.rglob("*") if path.is_file() and "c" in path.relative_to(settings.stores).parts
    )
    return {str(path.relative_to(settings.stores)): path.stat().st_mtime_ns for path in files}


def states(result):
    return {stage.name: stage.state for stage in result.stages}


def turn(file, place):
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


def test_kills_of_driver_worker_scheduler_and_machine_at_six_random_moments_change_no_byte(chaos):
    assert chaos.go(6), "\n".join(chaos.log)
    assert sum(" killed " in line for line in chaos.log) >= 4, "\n".join(chaos.log)
    assert any("machine killed" in line for line in chaos.log), "\n".join(chaos.log)


@pytest.mark.parametrize("finished", [True, False])
def test_damaged_shards_are_found_and_only_their_blocks_are_done_again(chaos, first, here, finished):
    settings = copied(chaos, first, f"damaged-{finished}")
    image, mask = (settings.stores / "cutouts.zarr" / name / "c" for name in ("image", "mask"))
    turn(image / "1/0/0/0", 5000)  # a bit
    (mask / "3/0/0").write_bytes((mask / "3/0/0").read_bytes()[:100])  # half written
    (settings.stores / "quality.zarr" / "sigma" / "c" / "0" / "0").unlink()  # lost
    if not finished:
        (settings.stores / ".plan" / "cutouts" / "done.json").unlink()
    before = times(settings)
    result = run(settings, PIXELS)
    assert states(result) == {
        "objects": "was complete",
        "manifest": "was complete",
        "cutouts": "done",
        "quality": "done",
    }
    assert digests(settings) == digests(first)
    again = {
        (name.split("/")[0], name.split("/")[3])
        for name, changed in times(settings).items()
        if before.get(name) != changed
    }
    assert again == {("cutouts.zarr", "1"), ("cutouts.zarr", "3"), ("quality.zarr", "0")}
    assert set(states(run(settings, PIXELS)).values()) == {"was complete"}


@pytest.mark.parametrize(
    ("file", "again"),
    [
        ("cutouts.zarr/image/zarr.json", "cutouts"),
        ("manifest/Npix-*.parquet", "manifest"),
        (".plan/quality/blocks/*.json", None),
    ],
)
def test_damage_outside_the_blocks_is_found_as_well(chaos, first, here, file, again):
    settings = copied(chaos, first, "outside-" + file.split("/")[1])
    damaged = next(iter(sorted(settings.stores.glob(file))))
    damaged.write_bytes(b"")
    result = run(settings, PIXELS)
    assert [name for name, state in states(result).items() if state == "done"] == ([again] if again else [])
    assert digests(settings) == digests(first)


def leaves(settings):
    return sorted((settings.stores / "objects" / "galaxies" / "dataset").rglob("*.parquet"))


def worked(monkeypatch, name):
    """Names of the blocks of a stage that are worked on from now on."""
    done, stage = [], STAGES[name]
    work = stage.work
    monkeypatch.setattr(
        stage, "work", lambda place, block, *more: done.append(block.name) or work(place, block, *more), raising=False
    )
    return done


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("damage", ["bit", "cut", "lost"])
def test_a_leaf_that_is_not_as_its_file_was_imported_is_imported_again_by_itself(
    chaos, first, here, monkeypatch, finished, damage
):
    settings = copied(chaos, first, f"leaf-{finished}-{damage}")
    leaf = leaves(settings)[1]
    if damage == "bit":
        changed = leaf.stat().st_mtime_ns
        turn(leaf, 3000)
        os.utime(leaf, ns=(changed, changed + 1))
    elif damage == "cut":
        leaf.write_bytes(leaf.read_bytes()[:-500])
    else:
        leaf.unlink()
    stray = leaf.with_name("sweep-000p000-005p005.parquet")
    shutil.copy(leaves(settings)[0], stray)  # of a file that is no longer in the survey
    if not finished:
        (settings.stores / ".plan" / "objects" / "done.json").unlink()
    done = worked(monkeypatch, "objects")
    assert states(run(settings, PIXELS))["objects"] == "done"
    assert done == [leaf.stem]
    assert not stray.exists()
    assert digests(settings) == digests(first)
    assert contents(settings.stores / "objects") == contents(first.stores / "objects")
    assert set(states(run(settings, PIXELS)).values()) == {"was complete"}


def test_a_scan_that_is_not_as_it_was_written_is_made_again_by_itself(chaos, first, here, monkeypatch):
    settings = copied(chaos, first, "scan")
    plan = settings.stores / ".plan" / "manifest"
    (plan / "done.json").unlink()
    one, *others = sorted((plan / "scans").glob("*.parquet"))
    assert others
    one.write_bytes(one.read_bytes()[:-4])
    for path in others:
        os.utime(path, ns=(10**18, 10**18))  # the same bytes at another time
    done = worked(monkeypatch, "manifest")
    assert states(run(settings, PIXELS))["manifest"] == "done"
    assert done == [one.stem]
    assert digests(settings) == digests(first)
    assert contents(settings.stores / "manifest") == contents(first.stores / "manifest")


def test_leaves_are_not_read_again_when_the_import_ends_and_their_ledger_says_what_they_hold(
    chaos, first, here, monkeypatch
):
    settings = copied(chaos, first, "ledger")
    (settings.stores / ".plan" / "objects" / "done.json").unlink()
    read, contents_of_files = [], folders.contents
    monkeypatch.setattr(
        folders, "contents", lambda path, names: read.extend(names := list(names)) or contents_of_files(path, names)
    )
    run(settings, ["objects"])
    assert "lenses.parquet" in read
    assert not [name for name in read if "Npix" in name]
    done = json.loads((settings.stores / ".plan" / "objects" / "done.json").read_text())
    assert done["contents"] == contents_of(plan_of(Run(settings)).progress("objects"))
    assert [name for name in read if "Npix" in name]


def test_a_copy_with_other_times_is_held_against_its_digests_and_no_shard_is_written_again(chaos, first, here):
    settings = copied(chaos, first, "touched")
    for path in settings.stores.rglob("*"):
        os.utime(path, ns=(10**18, 10**18))
    result = run(settings, PIXELS)
    assert set(states(result).values()) == {"was complete"}
    assert set(times(settings).values()) == {10**18}


def test_a_flipped_bit_is_an_error_when_it_is_read_and_never_a_number(chaos, first):
    settings = copied(chaos, first, "flipped")
    turn(settings.stores / "cutouts.zarr/image/c/0/0/0/0", 1000)
    with pytest.raises(ValueError, match="checksum do not match"):
        stores.open(settings.stores / "cutouts.zarr").isel(galaxy=slice(0, 16)).load()


def test_a_kill_while_the_old_products_go_is_no_foreign_store_and_trusts_nothing(chaos, first, here):
    settings = copied(chaos, first, "between", quality={"mask_radius_px": 7})
    progress = plan_of(Run(settings)).progress("quality")
    progress.forget()  # the kill is here: products and the old plan are there, nothing vouches for them
    back = config.load(chaos.runfile("between"))
    assert states(run(back, PIXELS))["quality"] == "done"
    assert digests(back)["quality"] == digests(first)["quality"]


def test_half_a_file_of_a_killed_worker_is_gone_when_the_run_that_went_on_without_it_ends(
    chaos, first, here, monkeypatch
):
    settings = copied(chaos, first, "half")
    folders.remove(settings.stores / ".plan" / "quality")
    folders.remove(settings.stores / "quality.zarr")
    folders.remove(settings.stores / "quality")
    stage, half = STAGES["quality"], settings.stores / "quality.zarr" / "sigma" / "c" / "0.0123.partial"
    whole = type(stage).finish

    def finish(self, place, outcomes):
        half.write_bytes(b"half of a shard")  # as a worker leaves it that is killed while the others go on
        return whole(self, place, outcomes)

    monkeypatch.setattr(type(stage), "finish", finish)
    run(settings, ["quality"])
    assert not half.exists()
    assert digests(settings) == digests(first)


def test_a_stage_that_other_code_began_is_made_again_and_one_that_it_finished_is_kept(chaos, first, here, monkeypatch):
    settings = copied(chaos, first, "code")
    for module in ("code", "markers"):
        monkeypatch.setattr(f"lenscal.engine.{module}.code", lambda: "other")
    assert states(run(settings, PIXELS)) == dict.fromkeys(PIXELS, "was complete")
    (settings.stores / ".plan" / "cutouts" / "done.json").unlink()
    done = worked(monkeypatch, "cutouts")
    result = run(settings, PIXELS)
    assert len(done) == result.stages[2].blocks > 1
    assert result.stages[2].because == ("lenscal's own code",)
    assert digests(settings) == digests(first)


def test_a_store_that_no_run_made_is_never_removed(chaos, first, here):
    settings = copied(chaos, first, "foreign")
    shutil.rmtree(settings.stores / ".plan" / "quality")
    with pytest.raises(
        PlanError, match=r"quality: '.*quality.zarr' is there but no run of lenscal made it; move it away"
    ):
        run(settings, PIXELS)
    assert (settings.stores / "quality.zarr" / "zarr.json").exists()


def test_workers_that_die_while_they_start_are_one_sentence(monkeypatch):
    def dying(**_):
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr("distributed.LocalCluster", dying)
    with (
        pytest.raises(BlockError, match=r"workers on this machine did not start \(Nanny failed.*run again to go on"),
        Local().client(),
    ):
        pass


@pytest.mark.parametrize("wanted", [True, False])
def test_a_dashboard_is_served_and_told_of_only_when_asked_for_and_never_on_a_port_of_others(
    chaos, first, wanted, capfd
):
    from urllib.error import HTTPError
    from urllib.request import urlopen

    from rich.console import Console

    from lenscal.audit import executor_of
    from lenscal.engine.events import Events
    from lenscal.engine.terminal import Terminal

    console = Console(record=True, width=200)
    settings = first.model_copy(update={"cluster": config.Cluster(workers=1, threads=1, dashboard=wanted)})
    with executor_of(settings) as crew:
        address = crew.client(Events([Terminal([], console)])).dashboard_link
        assert address.startswith("http://127.0.0.1:")
        assert ":8787/" not in address
        try:
            served = urlopen(address, timeout=20).status == 200
        except HTTPError:
            served = False
    assert served == wanted
    assert ("Dask dashboard" in console.export_text()) == wanted


def test_two_runs_never_work_in_one_folder(chaos, first, here):
    settings = first
    with (
        locks.alone(settings.stores / ".plan"),
        pytest.raises(stores.StoreError, match=rf"another run \(process {os.getpid()}\) is at work"),
    ):
        run(settings, PIXELS)


def test_a_full_disk_stops_with_the_reason_and_room_lets_it_go_on(chaos, first, here):
    settings = config.load(chaos.runfile("full"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))  # no file beyond 1 MB: a shard of images is larger
    try:
        with pytest.raises(
            stores.StoreError,
            match=r"cutouts.zarr' cannot be written: File too large; check the folder's rights and space",
        ):
            run(settings, PIXELS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(settings.stores.rglob("*.partial"))
    run(settings, PIXELS)
    assert digests(settings) == digests(first)


@pytest.fixture
def bucket(monkeypatch):
    with serving_buckets() as server:
        server.point_to(monkeypatch)
        server.make("stores")
        yield server


def test_a_run_into_a_bucket_that_falters_has_the_bytes_of_one_on_disk(chaos, first, here, bucket):
    settings = config.load(
        chaos.runfile("far", stores="s3://stores/runs/far", cutouts={"block": 48}, quality={"block": 48})
    )
    bucket.faults = {20: 500, 21: 503, 40: "slow", 90: 500, 91: 500, 150: "slow", 200: 500}
    run(settings, PIXELS)
    assert bucket.faults == {}
    assert digests(settings) == digests(first)
    for name in ("cutouts", "quality"):
        far, near = (
            stores.open(settings.stores / f"{name}.zarr").load(),
            stores.open(first.stores / f"{name}.zarr").load(),
        )
        far.attrs.clear()
        near.attrs.clear()
        xr.testing.assert_identical(far, near)
    assert bucket.contents("stores", "runs/far/manifest/") == contents(first.stores / "manifest")
    before = bucket.contents("stores", "")
    assert set(states(run(settings, PIXELS)).values()) == {"was complete"}
    assert bucket.contents("stores", "").keys() == before.keys()

    bucket.remove("stores", "runs/far/cutouts.zarr/image/c/1/0/0/0")
    bucket.puts.clear()
    again = run(settings, PIXELS)
    assert [name for name, state in states(again).items() if state == "done"] == ["cutouts"]
    shards = {key for key in bucket.puts if "/c/" in key}
    assert {key.split("/c/")[1].split("/")[0] for key in shards} == {"1"}
    order = [key for key in bucket.puts if "/c/" in key or "/blocks/" in key]
    assert "/blocks/" in order[-1], "the marker is put after the data"
    assert bucket.contents("stores", "").keys() == before.keys()


def test_a_bucket_that_stays_broken_or_is_not_there_is_said(chaos, first, here, bucket, monkeypatch):
    with pytest.raises(
        stores.StoreError,
        match=r"'s3://none/x/.*cannot be (read|written).*check the bucket, its endpoint and your rights",
    ):
        run(config.load(chaos.runfile("none", stores="s3://none/x")), PIXELS)
    monkeypatch.setitem(config.BUCKET, "config_kwargs", {"retries": {"max_attempts": 1}})
    bucket.always = 500
    with pytest.raises(stores.StoreError, match=r"'s3://stores/y/.*cannot be (read|written).*check the bucket"):
        run(config.load(chaos.runfile("broken-bucket", stores="s3://stores/y")), PIXELS)


def test_a_service_that_fails_midway_is_gone_on_with_and_no_complete_block_is_asked_for_again(chaos, first, here):
    coadds = CoaddSurvey(first.survey.root, "mock")

    @cache
    def source(ra, dec, size):
        read = coadds.read(pd.DataFrame({"galaxy_id": [0], "ra": [ra], "dec": [dec], "brickname": [""]}), size)
        if read.failure.values[0]:
            return None
        return read.image.values[0], read.invvar.values[0], read["mask"].values[0]

    def settings(name):
        service = {"url": viewer.address, "requests_per_second": 10000, "attempts": 2, "backoff_seconds": 0.01}
        return config.load(chaos.runfile(name, survey={"layer": "mock", "service": service}))

    with serving() as viewer:
        viewer.source = source
        run(settings("served"), PIXELS)
        whole = [path for _, path in viewer.asked]
        viewer.asked.clear()
        viewer.faults, viewer.always = [None] * 40, 500
        with pytest.raises(PixelError, match=r"2 attempts at .* failed, the last: answer 500 .*run again to go on"):
            run(settings("broken"), PIXELS)
        before, then = [path for _, path in viewer.asked][:40], [path for _, path in viewer.asked][40:]
        viewer.asked.clear()
        viewer.always = None
        run(settings("broken"), PIXELS)
        after = [path for _, path in viewer.asked]
    assert digests(settings("broken")) == digests(settings("served"))
    assert len(whole) > 48
    assert before == whole[:40]
    assert then[:2] == whole[40:41] * 2
    assert before[-1] in then
    assert len(after) == len(whole) - 1 - 32  # the probe is not made again
    made = stores.open(settings("broken").stores / "cutouts.zarr").load()
    assert set(made.layer_version.values.astype(object)) <= {"mock DR10", "mock"}
    direct = stores.open(first.stores / "cutouts.zarr").load()
    shared = (made.failure.values == "") & (direct.failure.values == "")
    assert shared.sum() > 40
    served, cut = made.image.values[shared], direct.image.values[shared]
    assert (
        (served == cut) | (served != served) | (cut != cut)
    ).all()  # the service takes an exact zero for unobserved; bricks have nexp as well


def blocks_done_again(settings, before):
    """Blocks of 16 whose shards of images, and of measures, were written again."""
    changed = {name for name, when in times(settings).items() if before.get(name) != when}
    return [
        sorted({int(name.split("/")[3]) for name in changed if name.startswith(store)})
        for store in ("cutouts.zarr/image/", "quality.zarr/sigma/")
    ]


@pytest.fixture
def own_sky(chaos, tmp_path):
    """A copy of the sky to be spoilt, and what of a run file says so."""
    shutil.copytree(chaos.folder / "stores" / "sky", tmp_path / "sky")
    return tmp_path / "sky", {"survey": {"root": str(tmp_path / "sky")}}


def a_plane(sky, first):
    """A file of the brick most galaxies of the second block are cut from, and the blocks that looked at it."""
    brick = (
        pd.Series(stores.open(first.stores / "cutouts.zarr").cutout_url.values[16:32].astype(object))
        .mode()[0]
        .split("/")[-2]
    )
    plan = first.stores / ".plan" / "cutouts" / "blocks"
    readers = [
        i for i, path in enumerate(sorted(plan.glob("*.json"))) if brick in json.loads(path.read_text())["sources"]
    ]
    return next(sky.rglob(f"legacysurvey-{brick}-image-r.fits.fz")), readers


def test_a_changed_brick_does_again_only_the_blocks_that_looked_at_it_and_what_reads_them(chaos, first, here, own_sky):
    sky, changes = own_sky
    settings = config.load(chaos.runfile("brick", **changes))
    run(settings, PIXELS)
    assert digests(settings) == digests(first)
    plane, readers = a_plane(sky, settings)
    assert 1 in readers
    assert len(readers) < 8
    with fits.open(plane, mode="update") as hdus:
        hdus[1].data = hdus[1].data * np.float32(1.5)
    before = times(settings)
    result = run(settings, PIXELS)
    assert states(result) == {
        "objects": "was complete",
        "manifest": "was complete",
        "cutouts": "done",
        "quality": "done",
    }
    cut, measured = blocks_done_again(settings, before)
    assert cut == readers
    assert measured
    assert set(measured) <= set(cut), "quality of blocks whose pixels are the same is kept"
    assert digests(settings)["cutouts"] != digests(first)["cutouts"]
    pieced = digests(settings)
    shutil.rmtree(settings.stores)
    run(settings, PIXELS)
    assert digests(settings) == pieced, "what was done again in pieces is what a run from the start gives"


def test_a_file_mended_later_does_again_only_the_blocks_that_had_it(chaos, first, here, own_sky):
    sky, changes = own_sky
    plane, readers = a_plane(sky, first)
    whole = plane.read_bytes()
    plane.write_bytes(whole[: len(whole) // 2])
    settings = config.load(
        chaos.runfile("mended", **changes, cutouts={"broken": "count"}, quality={"failed_fraction_max": 1.0})
    )
    run(settings, PIXELS)
    failure = stores.open(settings.stores / "cutouts.zarr").failure.values.astype(object)
    assert sum(text.startswith("band r") for text in failure) >= 1
    assert set(states(run(settings, PIXELS)).values()) == {"was complete"}, (
        "a broken file that stays as it is is not tried again"
    )
    plane.write_bytes(whole)
    before = times(settings)
    run(settings, PIXELS)
    assert digests(settings) == digests(first)
    cut, measured = blocks_done_again(settings, before)
    assert cut == readers
    assert measured
    assert set(measured) <= set(cut)


def test_quality_is_not_complete_when_a_run_ended_between_the_cutouts_and_it(chaos, first, here, own_sky):
    sky, changes = own_sky
    settings = config.load(chaos.runfile("halfway", **changes))
    run(settings, PIXELS)
    plane, _ = a_plane(sky, settings)
    with fits.open(plane, mode="update") as hdus:
        hdus[1].data = hdus[1].data * np.float32(1.5)
    run(settings, PIXELS[:3])
    assert plan_of(Run(settings)).progress("cutouts").done
    assert plan_of(Run(settings)).progress("quality").done is None
