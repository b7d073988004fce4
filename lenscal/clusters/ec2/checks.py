"""Whether an account, its region and its bucket can have the machines of a run: asked, row by row, before any starts.

A permission is asked for by dry-run calls, which start nothing. What AWS does not say is "not known", and stops no run.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lenscal import extras
from lenscal.clusters.ec2 import aws, bundle, group, prices, tags, userdata, versions, wheel
from lenscal.clusters.ec2.aws import ClusterError

OK, MISSING, UNKNOWN = "ok", "missing", "not known"
QUOTAS = {False: ("L-1216C47A", "on-demand"), True: ("L-34B43A08", "spot")}
"""Service quotas of vCPU of standard types, by whether they are of spot instances."""
ROOT_DEVICE = "/dev/sda1"
"""Of the images of Ubuntu; the volume that is asked for has this name."""


@dataclass(frozen=True)
class Row:
    """One thing that was looked for."""

    what: str
    verdict: str
    found: str
    fix: str = ""


class Account:
    """Checks of one account for the machines of one run file.

    Parameters
    ----------
    settings : part `cluster.ec2` of a run file
    stores : str
    block_gb : float
        Memory that the largest block of the run needs.
    """

    def __init__(self, settings: Any, stores: str, block_gb: float) -> None:
        self.settings, self._stores, self._block_gb = settings, stores, block_gb
        self._clients: dict[str, Any] = {}
        self._account = ""

    def rows(self) -> list[Row]:
        """One row a check; where the region, the types or the credentials are none, AWS is not asked the others."""
        found = [self._row(*one) for one in self._here()]
        if any(row.what in ("region", "machine types") and row.verdict != OK for row in found):
            return found
        found.append(self._row("credentials", self._credentials, "set AWS_PROFILE, or log in (aws sso login)"))
        if found[-1].verdict != OK:
            return found
        found += [self._row(*one) for one in self._there()]
        found += [self._permission(*one) for one in self._permissions()]
        return found + [self._quota(spot) for spot in self._markets()]

    def _row(self, what: str, ask: Callable[[], tuple[str, str]], fix: str) -> Row:
        try:
            found, wrong = ask()
        except extras.MissingExtra as error:
            return Row(what, MISSING, "not installed", str(error))
        except ClusterError as error:
            return Row(what, MISSING, str(error), fix)
        except Exception as error:
            return Row(what, MISSING, aws.reason(error), fix)
        return Row(what, MISSING if wrong else OK, found, wrong)

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = aws.client(service, self.settings.region)
        return self._clients[service]

    def _here(self) -> list[tuple[str, Callable[[], tuple[str, str]], str]]:
        """What is known without asking AWS."""
        return [
            ("region", self._region, "correct cluster.ec2.region"),
            ("software", self._software, "install what is named"),
            ("machine types", self._types, "correct cluster.ec2.instance_types"),
            ("memory", self._memory, "correct cluster.ec2.instance_types"),
            ("start of a machine", self._text, "shorten the prefix of `stores`"),
            ("price table", self._prices, "correct lenscal/clusters/ec2/prices.yaml"),
        ]

    def _there(self) -> list[tuple[str, Callable[[], tuple[str, str]], str]]:
        """What AWS is asked."""
        return [
            ("bucket", self._bucket, "correct `stores`, or make the bucket in the region of the machines"),
            (
                "bucket: write, read, delete",
                self._probe,
                "add s3:PutObject, GetObject, DeleteObject to the policy",
            ),
            ("instance profile", self._profile, "make it (docs/cluster.md), or correct cluster.ec2.instance_profile"),
            ("image", self._image, "correct cluster.ec2.ami: an Ubuntu image of this region"),
            ("subnet", self._subnet, "correct cluster.ec2.subnet: a subnet of this region"),
            ("security group", self._group, "correct cluster.ec2.security_group and cluster.ec2.client"),
        ]

    def _credentials(self) -> tuple[str, str]:
        found = self._client("sts").get_caller_identity()
        self._account = found["Account"]
        return f"account {self._account}, {found['Arn'].rpartition('/')[2] or found['Arn']}", ""

    def _region(self) -> tuple[str, str]:
        import botocore.session

        known = botocore.session.get_session().get_available_regions("ec2")
        region = self.settings.region
        return region, "" if region in known else f"there is no region '{region}'; correct cluster.ec2.region"

    def _software(self) -> tuple[str, str]:
        with extras.named():
            import dask_cloudprovider.aws  # noqa: F401
        pins = wheel.constraints().count("\n")
        here = versions.of_this_process()
        return f"Python {here['python']}, dask {here['dask']}; {pins} versions go with lenscal to the machines", ""

    def _types(self) -> tuple[str, str]:
        names = [*self.settings.instance_types, self.settings.scheduler_type]
        kinds = [prices.type_of(name, self.settings.region) for name in names]
        if len({kind.architecture for kind in kinds}) > 1:
            of = ", ".join(f"{kind.name} {kind.architecture}" for kind in kinds)
            return of, "one image runs on one architecture: name types of one"
        return ", ".join(f"{kind.name} ({kind.cores} vCPU, {kind.memory_gb:g} GiB)" for kind in kinds), ""

    def _memory(self) -> tuple[str, str]:
        need, short = self._block_gb * self.settings.threads, []
        for name in self.settings.instance_types:
            kind = prices.type_of(name, self.settings.region)
            share = kind.memory_gb / (self.settings.processes or kind.cores)
            if share < need:
                short.append(f"{name} has {share:.1f} GB for a worker")
        fix = f"{'; '.join(short)}: take larger types, fewer cluster.ec2.processes, or smaller blocks (cutouts.block)"
        return f"the largest block of a worker needs {need:.1f} GB", fix if short else ""

    def _text(self) -> tuple[str, str]:
        place = bundle.place_of(self._stores, "x" * 49)
        of = (self.settings.region, place.bucket, place.bundle, 99999, self.settings.python)
        text = userdata.user_data(userdata.Machine("scheduler", "x" * 40, "", *of))
        return f"{len(text.encode()):,} of {userdata.LIMIT:,} bytes of user data", ""

    def _prices(self) -> tuple[str, str]:
        return f"list prices of {prices.as_of()}; spot prices are asked for when machines are", ""

    def _bucket(self) -> tuple[str, str]:
        place = bundle.place_of(self._stores, "probe")
        from botocore.exceptions import ClientError

        try:
            answer = self._client("s3").head_bucket(Bucket=place.bucket, ExpectedBucketOwner=self._account)
        except ClientError as error:
            what = {"403": "is not of this account, or may not be looked at", "404": "is not there"}
            code = aws.code_of(error)
            found = f"s3://{place.bucket} {what.get(code, aws.reason(error))}"
            return found, "correct `stores`: a bucket of this account in the region of the machines"
        where = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region") or answer.get("BucketRegion", "")
        if where and where != self.settings.region:
            return f"s3://{place.bucket} is in {where}", (
                f"the machines are in {self.settings.region}: every byte would be paid for; take a bucket there, or "
                f"set cluster.ec2.region: {where}"
            )
        return f"s3://{place.bucket} in {where or self.settings.region}", ""

    def _probe(self) -> tuple[str, str]:
        place, s3 = bundle.place_of(self._stores, f"preflight-{uuid.uuid4().hex[:8]}"), self._client("s3")
        key, body = f"{place.prefix}probe", b"lenscal preflight"
        for what, ask in {
            "written": lambda: s3.put_object(Bucket=place.bucket, Key=key, Body=body, ServerSideEncryption="AES256"),
            "read": lambda: s3.get_object(Bucket=place.bucket, Key=key)["Body"].read(),
            "listed": lambda: s3.list_objects_v2(Bucket=place.bucket, Prefix=place.prefix),
            "deleted": lambda: s3.delete_object(Bucket=place.bucket, Key=key),
        }.items():
            with aws.named(f"an object cannot be {what}"):
                ask()
        return f"an object was written, read, listed and deleted below {place}", ""

    def _profile(self) -> tuple[str, str]:
        name = self.settings.instance_profile
        found = self._client("iam").get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
        roles = [role["RoleName"] for role in found["Roles"]]
        return f"{name}: role {', '.join(roles) or 'none'}", "" if roles else f"add a role to the profile '{name}'"

    def _image(self) -> tuple[str, str]:
        found = self._client("ec2").describe_images(ImageIds=[self.settings.ami])["Images"]
        if not found:
            return f"{self.settings.ami} is not there", "correct cluster.ec2.ami: an image of this region"
        image, kind = (
            {"Architecture": "unknown", **found[0]},
            prices.type_of(self.settings.instance_types[0], self.settings.region),
        )
        told = f"{self.settings.ami}: {image.get('Name', '')[:60]}, {image['Architecture']}, {image['State']}"
        if image["Architecture"] != kind.architecture:
            return told, f"{kind.name} is {kind.architecture}: take an image of it, or types of {image['Architecture']}"
        if image["State"] != "available":
            return told, "wait until it is available"
        device = image.get("RootDeviceName", ROOT_DEVICE)
        fix = f"its root device is {device}, not {ROOT_DEVICE}: take an Ubuntu image"
        return told, "" if device == ROOT_DEVICE else fix

    def _subnet(self) -> tuple[str, str]:
        found = self._client("ec2").describe_subnets(SubnetIds=[self.settings.subnet])["Subnets"][0]
        free, need = found["AvailableIpAddressCount"], self.settings.workers[1] + 1
        told = f"{self.settings.subnet} in {found['AvailabilityZone']}: {free:,} addresses free, {need} needed"
        return told, "" if free >= need else "take a larger subnet, or fewer cluster.ec2.workers"

    def _group(self) -> tuple[str, str]:
        if self.settings.security_group is None:
            return f"one is made for the run, and admits {group.client_of(self.settings)} and itself", ""
        wide = group.open_to_many(self._client("ec2"), self.settings.security_group)
        told = f"{self.settings.security_group}" + (f" admits {', '.join(wide)}" if wide else "")
        return told, "it is open to the world: name the addresses of the run, or leave the key out" if wide else ""

    def _permissions(self) -> list[tuple[str, str, dict]]:
        settings, no_instance, no_group = self.settings, "i-00000000000000000", "sg-00000000000000000"
        machine = {
            "ImageId": settings.ami,
            "InstanceType": settings.instance_types[0],
            "MinCount": 1,
            "MaxCount": 1,
            "SubnetId": settings.subnet,
            "IamInstanceProfile": {"Name": settings.instance_profile},
        }
        if settings.spot:
            machine["InstanceMarketOptions"] = {"MarketType": "spot"}
        mark = tags.listed({tags.CLUSTER: "preflight"})
        rights = [
            ("ec2:RunInstances, iam:PassRole", "run_instances", machine),
            ("ec2:CreateTags", "create_tags", {"Resources": [no_instance], "Tags": mark}),
            ("ec2:TerminateInstances", "terminate_instances", {"InstanceIds": [no_instance]}),
            ("ec2:DescribeInstances", "describe_instances", {}),
        ]
        if settings.security_group is None:
            name = {"GroupName": f"lenscal-preflight-{uuid.uuid4().hex[:8]}", "Description": "none"}
            rights += [
                ("ec2:CreateSecurityGroup", "create_security_group", name),
                ("ec2:AuthorizeSecurityGroupIngress", "authorize_security_group_ingress", {"GroupId": no_group}),
                ("ec2:DeleteSecurityGroup", "delete_security_group", {"GroupId": no_group}),
            ]
        return rights

    def _permission(self, what: str, call: str, arguments: dict) -> Row:
        try:
            getattr(self._client("ec2"), call)(**arguments, DryRun=True)
        except Exception as error:
            code = aws.code_of(error)
            if code == "DryRunOperation":
                return Row(what, OK, "allowed (dry run)")
            if code in ("UnauthorizedOperation", "AccessDenied"):
                return Row(what, MISSING, f"refused (dry run: {code})", "add it to the policy (docs/cluster.md)")
            return Row(what, UNKNOWN, f"the dry run says: {aws.reason(error)[:160]}")
        return Row(what, OK, "allowed")

    def _markets(self) -> list[bool]:
        return [True, False] if self.settings.spot else [False]

    def _quota(self, spot: bool) -> Row:
        """vCPU that the account may have at once; workers of a spot run count on demand only where spot is full."""
        code, name = QUOTAS[spot]
        what, kind = f"quota of vCPU, {name}", prices.type_of(self.settings.instance_types[0], self.settings.region)
        scheduler = prices.type_of(self.settings.scheduler_type, self.settings.region)
        need = 0 if spot else scheduler.cores
        if spot == self.settings.spot:
            need += kind.cores * self.settings.workers[1]
        try:
            answer = self._client("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode=code)
            have = answer["Quota"]["Value"]
        except Exception as error:
            told = f"{need} needed; Service Quotas says: {aws.reason(error)[:120]}"
            return Row(what, UNKNOWN, told, f"look at {code} in Service Quotas")
        fix = f"ask for {need} (Service Quotas, {code}), or set cluster.ec2.workers to fewer"
        return Row(what, OK if have >= need else MISSING, f"{have:g}, {need} needed", "" if have >= need else fix)
