"""Machines come up from the text they are given, do blocks, are replaced when lost, and none outlives its run."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import dask
import pytest
from cloud import section, waited
from contracts import check_cluster
from places import TESTS
from toys import opened

from lenscal import engine
from lenscal.clusters.ec2 import ClusterError, Ec2, keeping, remains
from lenscal.config import Ec2 as Section
from lenscal.engine import InProcess, events
from lenscal.engine.errors import BlockError
from lenscal.engine.executors.on_dask import OnDask


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(TESTS / "support"))
    for name, value in {"LOOK_S": 0.5, "NEW_S": 3.0}.items():
        monkeypatch.setattr(keeping, name, value)
    monkeypatch.setattr("lenscal.clusters.ec2.life.GONE_S", 4.0)


def made(cloud, **changes):
    of = Section(**section(cloud, **{key: value for key, value in changes.items() if key != "idle_timeout"}))
    of = of.model_copy(update={"idle_timeout": changes.get("idle_timeout", 60)})
    return Ec2(of, "s3://stores/runs/one", "one")


def left(cloud):
    return remains.remains(cloud.client("ec2"))


def toys(folder, kind="Toy"):
    folder.parent.mkdir(parents=True, exist_ok=True)
    return opened(json.dumps([kind, str(folder)]))


def other_python(folder):
    """A Python that has the requirements of lenscal, but none of its own."""
    path = folder / "python"
    path.write_text(f'#!/bin/bash\n[ "$2" = lenscal.clusters.ec2.same ] && exit 1\nexec "{sys.executable}" "$@"\n')
    path.chmod(0o700)
    return str(path)


def test_machines_hold_the_contract_of_clusters_with_the_sources_of_the_bundle(cloud, tmp_path):
    before = json.dumps(dask.config.config, default=str)
    check_cluster(made(cloud, python=other_python(tmp_path)))
    assert all((cloud.folder / id_ / "lib" / "lenscal" / "__init__.py").exists() for id_ in cloud.machines)
    assert left(cloud) == []
    assert cloud.alive() == []
    assert json.dumps(dask.config.config, default=str) == before, "the key of the cluster stays in no setting"


class Losing(OnDask):
    """Loses a machine of workers once a block has begun there."""

    def __init__(self, cluster, cloud):
        super().__init__(cluster, workers_timeout=90)
        self.cloud, self.lost = cloud, []
        self.listeners.append(self.hear)

    def hear(self, event):
        if isinstance(event, events.BlockEnded) and not self.lost:
            worker = self.cloud.alive()[-1]
            self.lost.append(worker)
            self.cloud.kill(worker)
            self.cloud.client("ec2").terminate_instances(InstanceIds=[worker])


def test_a_machine_that_is_taken_away_is_replaced_and_the_bytes_are_those_of_the_loop(cloud, tmp_path):
    calm = engine.run(toys(tmp_path / "loop" / "run"), executor=InProcess())
    heard = []
    executor = Losing(made(cloud), cloud)
    result = engine.run(
        toys(tmp_path / "far" / "run"), executor=executor, listeners=[*executor.listeners, heard.append]
    )
    assert result.stages[0].digest == calm.stages[0].digest
    assert len(executor.lost) == 1
    assert any(
        "is gone (taken away, or ended); another is started for it" in event.text
        for event in heard
        if isinstance(event, events.Told)
    )
    assert len(cloud.machines) == 3
    assert left(cloud) == []
    assert cloud.alive() == []
    assert_no_secret(cloud, heard)


def assert_no_secret(cloud, heard):
    """No key, token or signed address in any object, log, report or word."""
    s3 = cloud.client("s3")
    names = [item["Key"] for item in s3.list_objects_v2(Bucket="stores").get("Contents", [])]
    objects = [s3.get_object(Bucket="stores", Key=name)["Body"].read().decode("latin-1") for name in names]
    assert any(name.endswith("performance-report.html") for name in names)
    assert any(name.endswith(".log") for name in names), names
    logs = [cloud.log(id_) for id_ in cloud.machines]
    for text in [*objects, *logs, *(str(event) for event in heard)]:
        for secret in ("PRIVATE KEY", "a-secret-of-the-test", "X-Amz-Signature"):
            assert secret not in text


def test_a_scheduler_that_is_killed_is_one_sentence_and_leaves_nothing(cloud, tmp_path):
    class Killing(OnDask):
        def client(self, tell):
            connected = super().client(tell)
            cloud.kill(cloud.alive()[0])
            return connected

    cluster = made(cloud)
    with pytest.raises(BlockError, match="the Dask scheduler is gone; what is complete stays complete"):
        engine.run(toys(tmp_path / "run"), executor=Killing(cluster), listeners=[cluster])
    assert left(cloud) == []
    assert cloud.alive() == []


def test_machines_whose_run_was_killed_end_by_themselves_and_down_removes_the_rest(cloud, tmp_path):
    script = textwrap.dedent(
        f"""
        import os, signal, sys
        from _pytest.monkeypatch import MonkeyPatch
        from cloud import Cloud, _machines_here
        import lenscal.clusters.ec2.life as life
        from lenscal.clusters.ec2 import Ec2
        from lenscal.config import Ec2 as Section
        from dask_cloudprovider.aws.ec2 import EC2Instance
        async def configured(self, client):
            id_ = self.instance["InstanceId"]
            self.instance["PrivateIpAddress"] = "127.0.0.1"
            text = self.cluster.render_process_cloud_init(self)
            Cloud.boot(here, id_, text)
            print("machine", id_, here.machines[id_].pid, flush=True)
            return "127.0.0.1", None
        EC2Instance.configure_vm = configured
        here = Cloud(None, {str(cloud.folder)!r})
        here.address = {cloud.address!r}
        life.PORT, life.HOST, life.GONE_S = {_port()}, "127.0.0.1", 4.0
        of = Section(**{section(cloud)!r}).model_copy(update={{"idle_timeout": 3}})
        cluster = Ec2(of, "s3://stores/runs/one", "one")
        cluster.left = 1
        with cluster.client() as connected:
            connected.wait_for_workers(1, timeout=60)
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pids = {line.split()[1]: int(line.split()[2]) for line in done.stdout.splitlines() if line.startswith("machine")}
    assert len(pids) == 2
    try:
        assert waited(lambda: not any(_there(pid) for pid in pids.values()), 60), "machines outlive their run"
        assert all("now" in (cloud.folder / id_ / "shutdown").read_text() for id_ in pids)
        ec2, s3 = cloud.client("ec2"), cloud.client("s3")
        things = left(cloud)
        assert {thing.kind for thing in things} >= {"instance", "security group"}  # moto's do not end by themselves
        remains.removed(ec2, s3, things)
        assert left(cloud) == []
        assert remains.removed(ec2, s3, left(cloud)) == []
        assert not [i for i in s3.list_objects_v2(Bucket="stores")["Contents"] if i["Key"].endswith("key.pem")]
    finally:
        for pid in pids.values():
            if _there(pid):
                os.killpg(pid, signal.SIGKILL)


def _there(pid):
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def _port():
    from cloud import free_ports

    return free_ports()


def test_a_scheduler_that_does_not_come_is_waited_for_no_longer_than_the_run_file_says(cloud):
    with (
        pytest.raises(ClusterError, match=r"the scheduler did not start within \d s \(cluster.ec2.start_timeout\)"),
        made(cloud, python="/nonexistent/python", start_timeout=2).client(),
    ):
        pass
    assert left(cloud) == []


INTERRUPTED = """
import os, signal, sys
import pytest
from cloud import section, serving_cloud
from lenscal.clusters.ec2 import Ec2, remains
from lenscal.config import Ec2 as Section

def interrupted(address, timeout):
    os.kill(os.getpid(), signal.SIGINT)
    return False

with pytest.MonkeyPatch.context() as patch, serving_cloud(sys.argv[1], patch) as cloud:
    patch.setattr("lenscal.clusters.ec2.machines.answers", interrupted)
    of = Section(**section(cloud, python="/nonexistent/python"))
    try:
        with Ec2(of, "s3://stores/runs/one", "one").client():
            pass
    except KeyboardInterrupt:
        print("stopped;", len(cloud.machines), "machine; left:", remains.remains(cloud.client("ec2")))
"""


def test_ctrl_c_while_the_scheduler_is_waited_for_leaves_nothing(tmp_path):
    """In a process of its own: a signal is a matter of the whole process."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)], capture_output=True, text=True, check=False, timeout=200
    )
    assert done.stdout == "stopped; 1 machine; left: []\n", done.stderr


def test_where_there_is_no_spot_capacity_the_next_type_is_asked_for_and_then_one_on_demand(cloud, monkeypatch):
    cloud.refuse = {("RunInstances", "m7i.4xlarge"): "InsufficientInstanceCapacity"}
    cluster = made(cloud)
    cluster.left = 1
    with cluster.client() as connected:
        connected.wait_for_workers(1, timeout=60)
    asked = [
        (call.parameters["InstanceType"], call.parameters.get("InstanceMarketOptions.MarketType"), call.refused)
        for call in cloud.of("RunInstances")
    ]
    assert asked == [
        ("m7i.large", None, False),
        ("m7i.4xlarge", "spot", True),
        ("m6i.4xlarge", "spot", False),
    ]


def test_a_machine_that_the_account_may_not_have_is_refused_by_name(cloud):
    cloud.refuse = {("RunInstances", "*"): "UnauthorizedOperation"}
    with (
        pytest.raises(
            ClusterError,
            match=r"no machine of type m7i.large: the account has no right to it \(UnauthorizedOperation\)",
        ),
        made(cloud).client(),
    ):
        pass
    assert left(cloud) == []


def test_a_run_whose_machines_have_cost_the_budget_stops(cloud, tmp_path, monkeypatch):
    monkeypatch.setattr(keeping.prices, "beside", lambda settings: 1e6)
    cluster = made(cloud)
    cluster.budget = 1.0
    with pytest.raises(
        ClusterError, match=r"has cost .* dollars, and cluster.budget_dollars is 1.00; its machines are"
    ):
        engine.run(toys(tmp_path / "run", "Hanging"), executor=OnDask(cluster), listeners=[cluster])
    assert left(cloud) == []
