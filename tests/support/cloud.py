"""A cloud on this machine: moto answers EC2, S3, STS, IAM and Service Quotas on 127.0.0.1, every call is recorded, and
the machines that are asked for are local processes that run their user data.

The double invents public addresses: nobody dials them, since the step in which a machine gets its address is replaced
before any client can connect.
"""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs

import botocore.session

from lenscal.clusters.ec2 import aws

REGION = "us-east-1"
AMI = "ami-03cf127a"
"""One of those that moto has."""
SHUTDOWN = """#!/bin/bash
# Instead of the machine: what it is told goes into a file, and at "now" its processes end.
echo "$@" >> "$LENSCAL_MACHINE/shutdown"
"""


@dataclass
class Call:
    """One request to a service."""

    service: str
    action: str
    parameters: dict = field(default_factory=dict)
    refused: bool = False

    @property
    def shown(self):
        """Without the text of the machine, for lists."""
        told = {key: value for key, value in self.parameters.items() if key not in ("UserData", "Action", "Version")}
        return f"{self.service}:{self.action} {told}"


class Cloud:
    """Server, record of calls, and machines as processes below a folder."""

    def __init__(self, application, folder):
        self.application, self.folder, self.calls = application, Path(folder), []
        self.address, self.machines, self.refuse = "", {}, {}
        """`refuse` maps (action, instance type or "*") to the code that is answered in its place."""
        self.answers, self._clients = {}, {}
        """Maps an action to status, type and text of a recorded answer."""

    def __call__(self, environ, start):
        scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split("/")
        service = scope[3] if len(scope) > 3 else ""
        form = {} if service == "s3" else self._form(environ)
        action = form.get("Action") or environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        if environ.get("HTTP_X_MINE") == "1":
            return self.application(environ, start)
        if service == "s3":
            action = environ["REQUEST_METHOD"]
            form = {"path": environ["PATH_INFO"]}
        call = Call(service, action, form)
        self.calls.append(call)
        kind = form.get("InstanceType", "*")
        code = self.refuse.get((action, kind)) or self.refuse.get((action, "*"))
        if code:
            call.refused = True
            start("400 Bad Request", [("Content-Type", "text/xml")])
            error = f"<Error><Code>{code}</Code><Message>as the test says</Message></Error>"
            return [(error if service == "s3" else f"<Response><Errors>{error}</Errors></Response>").encode()]
        if action in self.answers:
            status, kind, text = self.answers[action]
            start(status, [("Content-Type", kind)])
            return [text.encode()]
        if action == "TerminateInstances" and form.get("DryRun") != "true":
            self.end([value for key, value in form.items() if key.startswith("InstanceId.")])
        return self.application(environ, start)

    @staticmethod
    def _form(environ):
        """What was sent, which is put back for the application."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        return {key: values[0] for key, values in parse_qs(body.decode("latin-1")).items()}

    def client(self, service):
        """A client of the test itself, whose calls are not recorded."""
        if service in self._clients:
            return self._clients[service]
        session = botocore.session.get_session()
        session.register_component("data_loader", aws._models())
        client = self._clients[service] = session.create_client(
            service, endpoint_url=self.address, region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b"
        )
        mark = lambda request, **_: request.headers.__setitem__("X-Mine", "1")  # noqa: E731
        client.meta.events.register(f"before-send.{service}", mark)
        return client

    def of(self, action):
        """Calls of one action."""
        return [call for call in self.calls if call.action == action]

    def boot(self, id_, text):
        """Run the user data of a machine as a process of its own group."""
        root = self.folder / id_
        (root / "bin").mkdir(parents=True)
        (root / "bin" / "shutdown").write_text(SHUTDOWN)
        (root / "bin" / "shutdown").chmod(0o700)
        script = root / "user-data"
        script.write_text(text)
        environment = {
            **os.environ,
            "LENSCAL_MACHINE": str(root),
            "PATH": f"{root / 'bin'}:{os.environ['PATH']}",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{self.address}/nobody",
        }
        with (root / "console").open("wb") as console:
            self.machines[id_] = subprocess.Popen(
                ["bash", str(script)], env=environment, stdout=console, stderr=console, start_new_session=True
            )

    def end(self, ids):
        """What EC2 does with machines that are ended: their processes are told, then killed."""
        for id_ in ids:
            process = self.machines.get(id_)
            if process is None:
                continue
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            waited(lambda process=process: not _lives(process.pid), 90)
            self.kill(id_)

    def kill(self, id_):
        """Take a machine away without a word."""
        process = self.machines[id_]
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def alive(self):
        """Ids of machines whose processes live."""
        return [id_ for id_, process in self.machines.items() if process.poll() is None]

    def log(self, id_):
        """All that a machine said."""
        files = [self.folder / id_ / "console", *(self.folder / id_).glob("*.log")]
        return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')}" for file in files if file.exists())


def _lives(group):
    """Whether a group of processes has one that is no zombie."""
    import psutil

    for process in psutil.process_iter(["pid", "status"]):
        with suppress(ProcessLookupError, psutil.Error):
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                return True
    return False


def free_ports():
    """Two ports in a row that nobody has."""
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            with suppress(OSError, OverflowError):
                two.bind(("127.0.0.1", port + 1))
                return port


@contextmanager
def serving_cloud(folder, monkeypatch):
    """A cloud that this process finds as AWS, with a bucket `stores`, an instance profile and a subnet."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from s3fs import S3FileSystem
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        def log(self, *_):
            pass

    cloud = Cloud(DomainDispatcherApplication(create_backend_app), folder)
    server = make_server("127.0.0.1", 0, cloud, threaded=True, request_handler=Silent)
    import threading

    threading.Thread(target=server.serve_forever, daemon=True).start()
    cloud.address = f"http://127.0.0.1:{server.server_port}"
    for name, value in {
        "AWS_ENDPOINT_URL": cloud.address,
        "AWS_ACCESS_KEY_ID": "AKIATESTTESTTEST0000",
        "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    S3FileSystem.clear_instance_cache()
    try:
        cloud.client("s3").create_bucket(Bucket="stores")
        iam = cloud.client("iam")
        iam.create_instance_profile(InstanceProfileName="lenscal-machines")
        role = iam.create_role(RoleName="lenscal-machines", AssumeRolePolicyDocument="{}")["Role"]
        iam.add_role_to_instance_profile(InstanceProfileName="lenscal-machines", RoleName=role["RoleName"])
        _machines_here(cloud, monkeypatch)
        yield cloud
    finally:
        for id_ in cloud.alive():
            cloud.kill(id_)
        S3FileSystem.clear_instance_cache()
        import requests

        requests.post(f"{cloud.address}/moto-api/reset", timeout=30)
        server.shutdown()


def _machines_here(cloud, monkeypatch):
    """A machine gets its address by being started here."""
    from dask_cloudprovider.aws.ec2 import EC2Instance

    async def configured(self, client):
        id_ = self.instance["InstanceId"]
        self.instance["PrivateIpAddress"] = "127.0.0.1"
        text = [call for call in cloud.of("RunInstances") if not call.refused][-1].parameters["UserData"]
        cloud.boot(id_, _decoded(text))
        return "127.0.0.1", None

    monkeypatch.setattr(EC2Instance, "configure_vm", configured)
    monkeypatch.setattr("lenscal.clusters.ec2.life.PORT", free_ports())
    monkeypatch.setattr("lenscal.clusters.ec2.life.HOST", "127.0.0.1")


def _decoded(text):
    return base64.b64decode(text).decode()


def section(cloud, **changes):
    """The part `cluster.ec2` of a run file for this cloud."""
    ec2 = cloud.client("ec2")
    return {
        "region": REGION,
        "ami": AMI,
        "subnet": ec2.describe_subnets()["Subnets"][0]["SubnetId"],
        "instance_profile": "lenscal-machines",
        "instance_types": ["m7i.4xlarge", "m6i.4xlarge"],
        "workers": [1, 1],
        "processes": 1,
        "client": "127.0.0.1/32",
        "python": sys.executable,
        "owner": "tests",
        "idle_timeout": 60,
        "start_timeout": 120,
        **changes,
    }


def waited(true, seconds=60):
    """Whether something comes true in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.2)
    return bool(true())
