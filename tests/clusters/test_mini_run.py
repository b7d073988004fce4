"""The mini run of tests/tiny.yaml on machines of a cloud: its bytes are those of a run here, and every call that was
made is looked at: who is admitted, what is tagged, what a machine is told, and that all is removed.
"""

import base64
import json

import pytest
import yaml
from cloud import section, serving_cloud
from finished import runfile

from lenscal import audit, config, mock
from lenscal.audit.mini import mini, pools_and_splits
from lenscal.clusters.ec2 import keeping, remains, tags
from lenscal.clusters.ec2.userdata import LIMIT
from lenscal.engine import InProcess

STAGES = ["objects", "manifest", "cutouts", "quality", "injections"]
"""Those whose blocks workers do, as far as no detector is needed."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What a mini run on machines gave, what one here gave, and the cloud with its calls."""
    folder = tmp_path_factory.mktemp("mini")
    path = runfile(folder, "tiny")  # on a smaller sky
    near = config.load(path)
    mock.draw(near, workers=1)
    with pytest.MonkeyPatch.context() as monkeypatch, serving_cloud(folder / "machines", monkeypatch) as cloud:
        monkeypatch.setattr(keeping, "LOOK_S", 1.0)
        raw = yaml.safe_load(path.read_text())
        raw["stores"] = "s3://stores/runs/tiny"
        raw["cluster"] = {"ec2": section(cloud, shared_folders=True, workers=[1, 9]), "budget_dollars": 5}
        (folder / "far.yaml").write_text(yaml.safe_dump(raw))
        settings = mini(config.load(folder / "far.yaml"))
        far = audit.run(settings, STAGES)
        yield cloud, settings, far, audit.run(mini(near), STAGES, executor=InProcess())


def test_the_bytes_are_those_of_a_run_on_this_machine(ran):
    _, settings, far, near = ran
    assert [stage.digest for stage in far.stages] == [stage.digest for stage in near.stages]
    assert [stage.state for stage in far.stages] == ["done"] * len(STAGES)
    assert far.gates
    assert not [gate for gate in far.failed if gate.critical]
    assert {split for _, split, _ in pools_and_splits(settings)} == {"train", "val", "test"}


def machines(cloud):
    return [call for call in cloud.of("RunInstances") if call.parameters.get("DryRun") != "true"]


def text_of(call):
    return base64.b64decode(call.parameters["UserData"]).decode()


def test_two_machines_of_workers_and_one_scheduler_are_asked_for(ran):
    cloud, *_ = ran
    assert [call.parameters["InstanceType"] for call in machines(cloud)] == ["m7i.large", "m7i.4xlarge", "m7i.4xlarge"]
    names = [text_of(call).split(' "$ROOT" ')[1].split()[1] for call in machines(cloud)]
    assert len(set(names)) == 3, names
    assert all(call.parameters["IamInstanceProfile.Name"] == "lenscal-machines" for call in machines(cloud))
    assert all(call.parameters["InstanceInitiatedShutdownBehavior"] == "terminate" for call in machines(cloud))
    assert all(call.parameters["MetadataOptions.HttpTokens"] == "required" for call in machines(cloud))
    assert all(call.parameters["BlockDeviceMapping.1.Ebs.Encrypted"] == "true" for call in machines(cloud))


def test_the_security_group_admits_the_run_and_itself_only(ran):
    cloud, *_ = ran
    rules = cloud.of("AuthorizeSecurityGroupIngress")[-1].parameters
    group = machines(cloud)[0].parameters["NetworkInterface.1.SecurityGroupId.1"]
    assert rules["IpPermissions.1.IpRanges.1.CidrIp"] == "127.0.0.1/32"
    assert int(rules["IpPermissions.1.ToPort"]) - int(rules["IpPermissions.1.FromPort"]) == 1, "scheduler and dashboard"
    assert rules["IpPermissions.2.Groups.1.GroupId"] == group
    assert not [key for key in rules if "Cidr" in key and key != "IpPermissions.1.IpRanges.1.CidrIp"]
    assert not [key for key in rules if key.startswith("IpPermissions.3")]
    assert all(call.parameters["NetworkInterface.1.SecurityGroupId.1"] == group for call in machines(cloud))


def marks(call, kind):
    """Tags of one kind of thing in a call."""
    p = call.parameters
    number = next(key.split(".")[1] for key, value in p.items() if key.endswith("ResourceType") and value == kind)
    keys = [key for key in p if key.startswith(f"TagSpecification.{number}.Tag.") and key.endswith(".Key")]
    return {p[key]: p[key.removesuffix("Key") + "Value"] for key in keys}


def test_everything_has_its_tags_from_its_first_moment(ran):
    cloud, *_ = ran
    for call in machines(cloud):
        kinds = ["instance", "volume", "network-interface"]
        kinds += ["spot-instances-request"] if call.parameters.get("InstanceMarketOptions.MarketType") else []
        for kind in kinds:
            found = marks(call, kind)
            assert found[tags.RUN] == "tiny-mini"
            assert found[tags.OWNER] == "tests"
            assert found[tags.CLUSTER].startswith("tiny-mini-")
            assert found[tags.EXPIRY] > "2026"
            assert found[tags.ROLE] == ("scheduler" if call is machines(cloud)[0] else "worker")
    group = [call for call in cloud.of("CreateSecurityGroup") if call.parameters.get("DryRun") != "true"]
    assert len(group) == 1
    assert marks(group[0], "security-group")[tags.OWNER] == "tests"


def test_what_a_machine_is_told_is_short_and_no_secret(ran):
    cloud, *_ = ran
    for call in machines(cloud):
        text = text_of(call)
        assert len(text.encode()) < LIMIT
        assert text.startswith("#!/bin/bash\n")
        assert "trap 'shutdown -h now' EXIT" in text
        assert "shutdown -h +240" in text, "a mini run has four hours"
        for secret in ("PRIVATE KEY", "a-secret-of-the-test", "AKIA", "X-Amz-", "AWS_SECRET"):
            assert secret not in text


def test_nothing_is_left_and_the_key_of_the_cluster_is_gone(ran):
    cloud, *_ = ran
    assert remains.remains(cloud.client("ec2")) == []
    assert cloud.alive() == []
    ended = {
        value
        for call in cloud.of("TerminateInstances")
        for key, value in call.parameters.items()
        if "InstanceId" in key
    }
    assert set(cloud.machines) <= ended
    s3 = cloud.client("s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="stores", MaxKeys=1000)["Contents"]]
    beside = [key.split("/", 3)[3] for key in keys if key.startswith("runs/tiny-mini.clusters/")]
    assert {key for key in beside if not key.startswith("logs/")} == {"cluster.json", "performance-report.html"}
    assert len([key for key in beside if key.startswith("logs/")]) == 3
    assert "runs/tiny-mini/.plan/lock" not in keys, "the lease was given back"
    for key in keys:
        if not key.endswith((".parquet",)) and "/c/" not in key:
            body = s3.get_object(Bucket="stores", Key=key)["Body"].read()
            assert b"PRIVATE KEY" not in body
            assert b"a-secret-of-the-test" not in body
            assert b"X-Amz-Signature" not in body


def test_what_the_machines_were_and_cost_stands_beside_the_stores(ran):
    cloud, *_ = ran
    s3 = cloud.client("s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="stores", Prefix="runs/tiny-mini.clusters/")["Contents"]]
    record = json.loads(
        s3.get_object(Bucket="stores", Key=next(k for k in keys if k.endswith("cluster.json")))["Body"].read()
    )
    assert set(record["machine_hours"]) == set(cloud.machines)
    assert 0 < record["dollars"] < 1
    report = s3.get_object(Bucket="stores", Key=next(k for k in keys if k.endswith("report.html")))["Body"].read()
    assert b"Dask Performance Report" in report
