"""The parts of a cluster by themselves: what a machine is told, what it installs, how many are wanted, what they cost,
what is left of them.
"""

import json
import subprocess
import sys
import zipfile
from io import BytesIO

import pytest
from cloud import REGION, section
from places import ROOT
from typer.testing import CliRunner

import lenscal
from lenscal import config
from lenscal.audit import costs
from lenscal.audit.mini import mini
from lenscal.cli import app
from lenscal.clusters.ec2 import (
    ClusterError,
    group,
    keeping,
    launching,
    machine,
    prices,
    same,
    tags,
    userdata,
    versions,
    wheel,
)
from lenscal.clusters.ec2.bundle import place_of
from lenscal.config import Ec2 as Section


def told(**changes):
    of = {"role": "worker", "name": "w", "scheduler": "tls://10.0.0.1:8786", "region": "us-west-2"}
    of |= {"bucket": "b", "prefix": "p/bundle/", "minutes": 60, "python": None}
    return userdata.user_data(userdata.Machine(**{**of, **changes}))


@pytest.mark.parametrize("python", [None, "/opt/env/bin/python"])
def test_what_a_machine_is_told_is_a_script_that_ends_it_whatever_happens(python, tmp_path):
    text = told(python=python)
    lines = text.splitlines()
    assert lines[0] == "#!/bin/bash"
    assert lines[2:4] == ["shutdown -h +60", "trap 'shutdown -h now' EXIT"], "before anything can fail"
    (tmp_path / "script").write_text(text)
    assert subprocess.run(["bash", "-n", str(tmp_path / "script")], check=False).returncode == 0
    assert ("pip install" in text) == (python is None)
    minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert (f"{minor} -m venv env" in text) == (python is None), "the Python of the run"
    assert ("-m zipfile -e" in text) == (python is not None)


def test_names_with_blanks_and_quotes_stay_names():
    text = told(prefix="it's a prefix; shutdown/bundle/", python="/opt/my env/python")
    assert "'it'\"'\"'s a prefix; shutdown/bundle/'" in text
    assert "PYTHON='/opt/my env/python'" in text


def test_a_text_that_is_longer_than_ec2_takes_is_refused():
    with pytest.raises(ClusterError, match=r"has 17,\d+ bytes, and EC2 takes 16,384: shorten the prefix of `stores`"):
        told(prefix="x" * 16_000)


def test_the_wheel_has_the_sources_of_this_process_and_is_the_same_each_time(tmp_path):
    name, content = wheel.wheel()
    archive = zipfile.ZipFile(BytesIO(content))
    archive.extractall(tmp_path)
    assert name == f"lenscal-{lenscal.__version__}-py3-none-any.whl"
    code = "from lenscal.engine.code import code; import lenscal; print(code(), lenscal.__file__)"
    command, where = [sys.executable, "-c", code], {"PYTHONPATH": str(tmp_path)}
    there = subprocess.run(command, cwd=tmp_path, env=where, capture_output=True, text=True, check=True)
    found, place = there.stdout.split()
    assert found == versions.of_this_process()["lenscal"]
    assert place.startswith(str(tmp_path))
    wheel.wheel.cache_clear()
    assert wheel.wheel() == (name, content)
    record = archive.read(f"lenscal-{lenscal.__version__}.dist-info/RECORD").decode()
    assert {line.split(",")[0] for line in record.splitlines()} == set(archive.namelist())


def test_the_versions_that_go_to_machines_are_those_that_are_installed_here():
    from importlib.metadata import version

    pins = dict(line.split("==") for line in wheel.constraints().splitlines())
    assert {"dask", "distributed", "numba", "zarr", "s3fs", "torch", "bokeh"} <= set(pins)
    torch = pins.pop("torch")
    assert torch == version("torch").partition("+")[0] + "+cpu", "machines have no GPU, and CUDA is gigabytes"
    assert all(version(name) == pin for name, pin in pins.items())
    assert "pytest" not in pins


def test_another_version_here_or_there_is_named():
    here = versions.of_this_process()
    assert versions.differences(here, here) == []
    other = {**here, "numba": "0.1"}
    del other["zarr"]
    assert versions.differences(here, other) == [
        f"numba: {here['numba']} here, 0.1 there",
        f"zarr: {here['zarr']} here, absent there",
    ]


def test_a_machine_with_other_versions_ends_and_says_why(tmp_path, monkeypatch):
    (tmp_path / "bundle").mkdir()
    other = {**versions.of_this_process(), "dask": "1.0"}
    settings = {"versions": other, "region": REGION, "bucket": "b", "logs": "l/"}
    (tmp_path / "bundle" / "settings.json").write_text(json.dumps(settings))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")  # else they would be asked for at an address of EC2
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("it went to work"))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    machine.main(str(tmp_path), "worker", "w", "tls://127.0.0.1:9")
    assert "this machine differs from the run: dask: 1.0 here" in (tmp_path / "w.log").read_text()
    assert same.main(str(tmp_path / "bundle" / "settings.json")) == 0, "the sources are the same"


@pytest.mark.parametrize(
    ("left", "idle", "now", "expected"),
    [
        (0, 0, 0, 1),  # before the first block
        (1, 0, 0, 1),
        (64, 0, 1, 4),
        (65, 0, 1, 5),
        (1e6, 0, 1, 25),
        (3, 0, 25, 25),  # none is ended while blocks are left: those at work may be on any
        (0, 10, 25, 25),
        (0, 1000, 25, 1),
    ],
)
def test_machines_follow_the_blocks_that_are_left(left, idle, now, expected):
    assert keeping.wanted(left, 16, (1, 25), idle, now) == expected


def test_types_are_asked_for_by_the_price_of_a_core_and_on_demand_last():
    today = {"m7i.4xlarge": 0.4, "m7i.8xlarge": 0.6}
    names = ["r7i.4xlarge", "m7i.4xlarge", "m7i.8xlarge"]
    ordered = prices.ordered(names, REGION, today)
    assert ordered == ["m7i.8xlarge", "m7i.4xlarge", "r7i.4xlarge"]
    assert list(launching.choices(ordered[:2], True)) == [
        ("m7i.8xlarge", True),
        ("m7i.4xlarge", True),
        ("m7i.8xlarge", False),
        ("m7i.4xlarge", False),
    ]


def test_costs_count_machines_by_their_hours_and_prices(cloud):
    of = Section(**section(cloud, volume_gb=73))
    found = keeping.Costs(of, {"m7i.4xlarge": 0.4})
    for _ in range(2):
        found.count(1800, {"a": ("m7i.4xlarge", True), "b": ("m7i.large", False)})
    beside = 73 * 0.08 / 730 + 0.005
    assert found.machine_hours == pytest.approx(2.0)
    assert found.dollars == pytest.approx(0.4 + 0.1008 + 2 * beside)


def test_what_a_run_costs_grows_with_its_work_and_not_with_the_machines_that_share_it():
    few, many = costs.Rates(16, 0.8, 0.1), costs.Rates(160, 8.0, 0.1)
    work = costs.Work(rows=1e9, cutouts=1e5, trials=1e5, images=0)
    one, ten = costs.expected(work, few), costs.expected(work, many)
    shared = [(a, b) for a, b in zip(one, ten) if a.core_hours]
    assert all(a.core_hours == b.core_hours and a.hours == pytest.approx(10 * b.hours) for a, b in shared)
    assert all(a.dollars == pytest.approx(b.dollars, rel=0.2) for a, b in shared)
    three = costs.expected(costs.Work(rows=1e9, cutouts=1e5, trials=1e5, images=0, detectors=3), few)
    grown = {a.stage for a, b in zip(one, three) if b.core_hours > a.core_hours}
    assert grown == {"scores"}
    four = costs.expected(costs.Work(rows=1e9, cutouts=1e5, trials=1e5, images=0, bands=4), few)
    grown = {a.stage: b.core_hours / a.core_hours for a, b in zip(one, four) if b.core_hours > a.core_hours}
    assert grown == dict.fromkeys(("cutouts", "quality", "injections", "scores"), pytest.approx(4 / 3))


def test_the_whole_survey_is_counted_from_its_run_file():
    settings = config.load(ROOT / "pipelines" / "dr10.yaml")
    work = costs.work_of(settings, 1436)
    assert work.rows == pytest.approx(2_827_055_986, rel=1e-5)
    assert work.trials == 77_000
    assert work.cutouts == pytest.approx(510_000, rel=0.05)


def test_stages_that_are_planned_are_those_that_are_done_by_workers_and_here():
    from lenscal.audit.stages import STAGES

    table = costs.table()
    assert set(table["stages"]) == {name for name, stage in STAGES.items() if stage.parallel}
    assert set(table["driver"]) == {name for name, stage in STAGES.items() if not stage.parallel}


def test_the_mini_test_has_stores_of_its_own_and_two_bins_of_each_axis():
    settings = config.load(ROOT / "pipelines" / "dr10.yaml")
    survey = settings.survey.model_copy(update={"sweeps": ["sweep-000p000-005p005"]})
    small = mini(settings.model_copy(update={"survey": survey}))
    assert str(small.stores) == f"{settings.stores}-mini"
    assert small.name == "dr10-mini"
    grid = small.injections.grid
    assert [len(getattr(grid, name).centres) for name in type(grid).model_fields] == [2, 2, 2]
    assert small.injections.trials == 8
    assert small.detector.training.epochs == 1
    assert small.manifest.train_range == settings.manifest.train_range


def test_a_bucket_without_a_prefix_has_its_clusters_beside():
    assert str(place_of("s3://b/runs/one", "c")) == "s3://b/runs/one.clusters/c/"
    assert str(place_of("s3://b", "c")) == "s3://b/.clusters/c/"
    with pytest.raises(ClusterError, match="a folder of this machine, which machines in EC2 do not see"):
        place_of("/data/stores", "c")


def test_a_group_that_machines_still_have_is_removed_once_they_are_gone(cloud, monkeypatch):
    monkeypatch.setattr(group, "TRY_S", 0.0)
    ec2 = cloud.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    made = group.made(ec2, "g", vpc, "2001:db8::7/128", 8786, {tags.CLUSTER: "c"})
    asked = []

    class Busy:
        def delete_security_group(self, **of):
            asked.append(of)
            if len(asked) < 3:
                from botocore.exceptions import ClientError

                raise ClientError({"Error": {"Code": "DependencyViolation"}}, "DeleteSecurityGroup")
            return ec2.delete_security_group(**of)

    group.removed(Busy(), made)
    assert len(asked) == 3
    group.removed(ec2, made)  # it may be asked again


def test_what_is_left_is_listed_and_removed_and_again(cloud):
    ec2 = cloud.client("ec2")
    mark = [{"Key": tags.CLUSTER, "Value": "one"}, {"Key": tags.OWNER, "Value": "jane"}]
    of = [{"ResourceType": kind, "Tags": mark} for kind in ("instance", "volume")]
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    ec2.run_instances(ImageId="ami-03cf127a", MinCount=2, MaxCount=2, SubnetId=subnet, TagSpecifications=of)
    ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, TagSpecifications=of[1:])
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    group.made(ec2, "g", vpc, "127.0.0.1/32", 8786, {tags.CLUSTER: "two"})
    other = ec2.run_instances(ImageId="ami-03cf127a", MinCount=1, MaxCount=1, SubnetId=subnet)["Instances"][0]

    def lenscal_cluster(*words):
        return CliRunner().invoke(app, ["cluster", *words], env={"COLUMNS": "200"})

    listed = lenscal_cluster("list")
    assert listed.exit_code == 1
    assert all(word in listed.output for word in ("instance", "volume", "security group", "one", "two", "jane"))
    assert "name one cluster" in lenscal_cluster("down").output
    assert lenscal_cluster("down", "one").exit_code == 0
    left = lenscal_cluster("list").output
    assert "two" in left
    assert "jane" not in left
    assert lenscal_cluster("down", "--all").exit_code == 0
    again = lenscal_cluster("down", "--all")
    assert (again.exit_code, again.output.strip()) == (0, "nothing is left")
    assert lenscal_cluster("list").exit_code == 0
    found = ec2.describe_instances(InstanceIds=[other["InstanceId"]])["Reservations"][0]["Instances"][0]
    assert found["State"]["Name"] == "running", "what others have is not touched"


def test_a_survey_may_be_a_part_of_its_sweeps(tmp_path):
    from lenscal.io import sweeps

    for name in ("sweep-150p000-155p005", "sweep-155p000-160p005"):
        (tmp_path / f"{name}.fits").touch()
    found = sweeps.sweep_files(tmp_path, ["sweep-155p000-160p005"])
    assert [path.name for path in found] == ["sweep-155p000-160p005.fits"]
    assert sweeps.box_of("x/sweep-000m010-005m005.fits") == (0.0, 5.0, -10.0, -5.0)
    with pytest.raises(sweeps.SweepError, match=r"survey\.sweeps names sweep-1, which is not below"):
        sweeps.sweep_files(tmp_path, ["sweep-1"])
