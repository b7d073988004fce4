"""What an account, a bucket or a budget lacks is found before anything starts, by name, and refused with the fix."""

import json

import pytest
import yaml
from cloud import section
from places import TESTS
from typer.testing import CliRunner

from lenscal import audit, config
from lenscal.audit import cluster_checks
from lenscal.cli import app
from lenscal.clusters.ec2 import ClusterError, aws
from lenscal.clusters.ec2.checks import Account

JSON = "application/x-amz-json-1.1"


@pytest.fixture
def runfile(cloud, tmp_path):
    """Writes a run file of tests/tiny.yaml with machines in the cloud, whose survey is taken to be there."""

    def write(stores="s3://stores/runs/tiny", budget=None, cutouts=64, **changes):
        raw = yaml.safe_load((TESTS / "tiny.yaml").read_text())
        raw |= {"stores": stores, "cutouts": {"size": 101, "block": cutouts}}
        raw["cluster"] = {"ec2": section(cloud, **{"shared_folders": True, **changes})}
        if budget:
            raw["cluster"]["budget_dollars"] = budget
        path = tmp_path / "far.yaml"
        path.write_text(yaml.safe_dump(raw))
        return path

    return write


def rows_of(path):
    found = cluster_checks.preflight(config.load(path))
    return {row.what: row for row in found.rows}


def quota(value):
    return "200 OK", JSON, json.dumps({"Quota": {"QuotaCode": "L", "Value": value}})


def test_an_account_that_has_all_passes_row_by_row_and_nothing_is_started(cloud, runfile):
    cloud.answers["GetServiceQuota"] = quota(280.0)
    rows = rows_of(runfile())
    assert {row.verdict for row in rows.values()} == {"ok"}
    assert {
        "credentials",
        "region",
        "software",
        "memory",
        "bucket",
        "bucket: write, read, delete",
        "instance profile",
        "image",
        "subnet",
        "security group",
        "ec2:RunInstances, iam:PassRole",
        "quota of vCPU, spot",
        "quota of vCPU, on-demand",
        "survey on machines",
        "cost",
    } <= set(rows)
    asked = cloud.of("RunInstances") + cloud.of("TerminateInstances") + cloud.of("CreateSecurityGroup")
    assert all(call.parameters["DryRun"] == "true" for call in asked)
    assert cloud.machines == {}
    assert cloud.client("s3").list_objects_v2(Bucket="stores").get("KeyCount") == 0, "the probe is removed"


def other_architecture(cloud):
    image = cloud.client("ec2").describe_images()["Images"][0] | {"Architecture": "arm64"}
    text = "".join(f"<{name[0].lower()}{name[1:]}>{image[name]}</{name[0].lower()}{name[1:]}>" for name in _IMAGE)
    text = text.replace("state>", "imageState>")
    cloud.answers["DescribeImages"] = (
        "200 OK",
        "text/xml",
        f"<DescribeImagesResponse><imagesSet><item>{text}</item></imagesSet></DescribeImagesResponse>",
    )
    return {}


_IMAGE = ("ImageId", "Name", "Architecture", "State", "RootDeviceName")


def open_group(cloud):
    ec2 = cloud.client("ec2")
    group = ec2.create_security_group(GroupName="open", Description="open")["GroupId"]
    world = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 9999, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=world)
    return {"security_group": group}


def far_bucket(cloud):
    where = {"LocationConstraint": "eu-west-1"}
    cloud.client("s3").create_bucket(Bucket="far", CreateBucketConfiguration=where)
    return {"stores": "s3://far/runs"}


def refused(action, code):
    def of(cloud):
        cloud.refuse[(action, "*")] = code
        return {}

    return of


def answered(action, *answer):
    def of(cloud):
        cloud.answers[action] = answer
        return {}

    return of


BAD = [
    (
        "a region that is not there",
        lambda _: {"region": "us-east-9"},
        "region",
        "there is no region 'us-east-9'; correct",
    ),
    ("expired credentials", refused("GetCallerIdentity", "ExpiredToken"), "credentials", "have expired; log in again"),
    (
        "unknown credentials",
        refused("GetCallerIdentity", "InvalidClientTokenId"),
        "credentials",
        "AWS does not know the",
    ),
    (
        "no quota",
        answered("GetServiceQuota", *quota(8.0)),
        "quota of vCPU, spot",
        "ask for 16 .Service Quotas, L-34B43A08",
    ),
    ("a bucket elsewhere", far_bucket, "bucket", "s3://far is in eu-west-1.*every byte would be paid for"),
    ("no bucket", lambda _: {"stores": "s3://nobodys/x"}, "bucket", "s3://nobodys is not there"),
    ("another's bucket", answered("HEAD", "403 Forbidden", "text/xml", ""), "bucket", "is not of this account"),
    ("no right to write", refused("PUT", "AccessDenied"), "bucket: write, read, delete", "no right to it"),
    ("stores in a folder", lambda _: {"stores": "stores/tiny"}, "bucket", "a folder of this machine"),
    ("no profile", lambda _: {"instance_profile": "nobody"}, "instance profile", "make it .docs/cluster.md."),
    ("another architecture", other_architecture, "image", "arm64.*m7i.4xlarge is x86_64: take an image of it"),
    (
        "two architectures",
        lambda _: {"instance_types": ["m7i.4xlarge", "m7g.4xlarge"]},
        "machine types",
        "name types of one",
    ),
    ("no image", lambda _: {"ami": "ami-0123456789abcdef0"}, "image", "correct cluster.ec2.ami"),
    ("no subnet", lambda _: {"subnet": "subnet-0123456789abcdef0"}, "subnet", "correct cluster.ec2.subnet"),
    ("a small subnet", lambda _: {"workers": [1, 5000]}, "subnet", "take a larger subnet"),
    ("an open group", open_group, "security group", "0.0.0.0/0.*it is open to the world"),
    (
        "no right",
        refused("RunInstances", "UnauthorizedOperation"),
        "ec2:RunInstances, iam:PassRole",
        "add it to the policy",
    ),
    ("little memory", lambda _: {"processes": 16, "cutouts": 4096}, "memory", "m7i.4xlarge has 4.0 GB for a worker"),
    ("a survey here", lambda _: {"shared_folders": False}, "survey on machines", "put it into the bucket"),
    ("a small budget", lambda _: {"budget": 0.01}, "cost", "raise cluster.budget_dollars above"),
    (
        "a type without a price",
        lambda _: {"instance_types": ["x9.huge"]},
        "machine types",
        "in no line of the price",
    ),
]


@pytest.mark.parametrize(("change", "row", "words"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_what_is_missing_is_found_by_name_and_refused_before_anything_is_started(cloud, runfile, change, row, words):
    settings = config.load(runfile(**change(cloud)))
    with pytest.raises(ClusterError, match=rf"machines in EC2 are not started: .*{row}: .*{words}"):
        cluster_checks.refuse(settings)
    assert not [call for call in cloud.of("RunInstances") if call.parameters.get("DryRun") != "true"]


def test_without_credentials_nothing_else_is_asked(cloud, runfile, monkeypatch, tmp_path):
    path = runfile()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    cloud.calls.clear()
    rows = rows_of(path)
    assert rows["credentials"].verdict == "missing"
    assert "no credentials were found; set AWS_PROFILE" in rows["credentials"].found
    assert "bucket" not in rows
    assert cloud.calls == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"client": "0.0.0.0/0"},
            "opens the scheduler to 4,294,967,296 addresses; name those from which the run connects",
        ),
        ({"workers": [3, 1]}, "expected the fewest and the most"),
        ({"tags": {"lenscal:run": "x"}}, "which lenscal or EC2 sets"),
        ({"instance_types": []}, "at least 1 item"),
        ({"owner": ""}, "at least 1 character"),
    ],
)
def test_a_part_of_the_run_file_that_cannot_be_is_refused_when_it_is_read(runfile, changes, words):
    with pytest.raises(config.ConfigError, match=words):
        config.load(runfile(**changes))


def test_machines_and_an_address_are_two_places_for_the_workers(cloud, runfile):
    path = runfile()
    raw = yaml.safe_load(path.read_text())
    raw["cluster"]["address"] = "tcp://127.0.0.1:1"
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(config.ConfigError, match="address and ec2 are both given"):
        config.load(path)


def test_a_run_that_is_refused_starts_nothing_and_says_all_that_is_missing(cloud, runfile, monkeypatch):
    settings = config.load(runfile(budget=0.01, instance_profile="nobody"))
    cluster = audit.executor_of(settings)._cluster
    with (
        pytest.raises(ClusterError, match=r"(?s)instance profile: .*cost: .*\(lenscal preflight shows all\)"),
        cluster.client(),
    ):
        pass
    assert cloud.machines == {}


def test_preflight_prints_rows_and_costs_as_json_with_an_exit_code(cloud, runfile):
    cloud.answers["GetServiceQuota"] = quota(280.0)
    result = CliRunner().invoke(app, ["preflight", str(runfile()), "--json"])
    told = json.loads(result.stdout)
    assert result.exit_code == 1, "the survey was not drawn"
    by_name = {row["input"]: row for row in told["rows"]}
    assert any(row["verdict"] == "missing" and "lenscal mock" in row["found"] + row["fix"] for row in told["rows"])
    assert by_name["credentials"]["verdict"] == "ok"
    assert {cost["stage"] for cost in told["costs"]} >= {"objects", "cutouts", "scores", "detector", "starting"}
    assert told["dollars"] == pytest.approx(sum(cost["dollars"] for cost in told["costs"]), abs=0.01)
    assert told["prices_as_of"]


@pytest.mark.parametrize(
    "text",
    [
        "the key AKIATESTTESTTEST0000 is not known",
        "https://b.s3.amazonaws.com/k?X-Amz-Signature=abcdef0123&X-Amz-Credential=AKIATESTTESTTEST0000%2F",
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGBy\n-----END PRIVATE KEY-----",
        "aws_secret_access_key = a-secret-of-the-test",
        "sent a-secret-of-the-test away",
    ],
)
def test_no_key_token_or_signed_address_is_in_what_is_said(cloud, text):
    said = aws.without_secrets(text)
    for secret in ("AKIATEST", "abcdef0123", "MIGHAgEA", "a-secret-of-the-test"):
        assert secret not in said
    assert "(left out)" in said


def test_a_check_that_aws_does_not_answer_is_not_known_and_stops_nothing(cloud, runfile):
    rows = rows_of(runfile())  # moto has no quotas
    assert rows["quota of vCPU, spot"].verdict == "not known"
    cluster_checks.refuse(config.load(runfile()))


def test_the_quota_that_is_needed_is_that_of_the_market_that_is_asked(cloud, runfile):
    cloud.answers["GetServiceQuota"] = quota(1e6)
    spot = Account(config.load(runfile(workers=[1, 25])).cluster.ec2, "s3://stores/x", 1.0)
    demand = Account(config.load(runfile(workers=[1, 25], spot=False)).cluster.ec2, "s3://stores/x", 1.0)
    assert [spot._quota(True).found, spot._quota(False).found] == ["1e+06, 400 needed", "1e+06, 2 needed"]
    assert demand._quota(False).found == "1e+06, 402 needed"
