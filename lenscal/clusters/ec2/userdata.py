"""What a machine does when it starts: fetch the bundle of its cluster, install it, work, and end."""

from __future__ import annotations

import platform
import shlex
from dataclasses import dataclass
from importlib.metadata import version

from lenscal.clusters.ec2.aws import ClusterError

LIMIT = 16_384
"""Bytes of user data that EC2 takes."""
TORCH = "https://download.pytorch.org/whl/cpu"
"""Index that has PyTorch without CUDA, which would be gigabytes more."""


@dataclass(frozen=True)
class Machine:
    """One machine of a cluster; nothing in here is a secret, since whoever may describe an instance reads it."""

    role: str
    """"scheduler" or "worker"."""
    name: str
    scheduler: str
    """Address of the scheduler; empty for the scheduler."""
    region: str
    bucket: str
    prefix: str
    """Where the bundle lies, ending in a slash."""
    minutes: int
    """After which the machine ends, whatever it does."""
    python: str | None = None
    extra: str = "detector"


_HEAD = """#!/bin/bash
# lenscal: {role} {name}. This machine ends when its work ends, however that is.
shutdown -h +{minutes}
trap 'shutdown -h now' EXIT
set -eu
umask 077
ROOT=${{LENSCAL_MACHINE:-/opt/lenscal}}
export AWS_DEFAULT_REGION={region} OMP_NUM_THREADS=1
mkdir -p "$ROOT/bundle"
cd "$ROOT"
"""
_MADE = """export DEBIAN_FRONTEND=noninteractive
for attempt in 1 2 3 4 5; do
  command -v python{minor} > /dev/null || add-apt-repository -y ppa:deadsnakes/ppa
  apt-get update -q && apt-get install -qy python{minor}-venv && break
  sleep 15
done
python{minor} -m venv env
PYTHON="$ROOT/env/bin/python"
"$PYTHON" -m pip install -q --retries 10 botocore=={botocore}
"""
_FETCH = """"$PYTHON" - {bucket} {prefix} <<'FETCH'
import sys, time
import botocore.session
bucket, prefix = sys.argv[1:]
for attempt in range(8):
    try:
        s3 = botocore.session.get_session().create_client("s3")
        for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
            with open("bundle/" + item["Key"].rsplit("/", 1)[1], "wb") as file:
                file.write(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
        break
    except Exception as error:
        print("bundle:", type(error).__name__, error, flush=True)
        if attempt == 7:
            raise
        time.sleep(2 ** attempt)
FETCH
"""
_INSTALLED = """"$PYTHON" -m pip install -q --retries 10 --extra-index-url {torch} -c bundle/constraints.txt \\
  "$(ls "$ROOT"/bundle/lenscal-*.whl)[{extra}]"
"""
_UNPACKED = """if ! "$PYTHON" -m lenscal.clusters.ec2.same bundle/settings.json 2> /dev/null; then
  "$PYTHON" -m zipfile -e bundle/lenscal-*.whl lib
  export PYTHONPATH="$ROOT/lib${{PYTHONPATH:+:$PYTHONPATH}}"
fi
"""
_WORK = """"$PYTHON" -m lenscal.clusters.ec2.machine "$ROOT" {role} {name} {scheduler}
"""


def user_data(machine: Machine) -> str:
    """The script that a machine runs when it starts.

    Raises
    ------
    ClusterError
        It is longer than EC2 takes, as with a very long name of the bucket's prefix.
    """
    words = {name: shlex.quote(str(value)) for name, value in vars(machine).items()}
    minor = ".".join(platform.python_version_tuple()[:2])
    words |= {"botocore": version("botocore"), "torch": TORCH, "minor": minor}
    if machine.python is None:
        parts = [_HEAD, _MADE, _FETCH, _INSTALLED, _WORK]
    else:
        parts = [_HEAD, "PYTHON={python}\n", _FETCH, _UNPACKED, _WORK]
    text = "".join(part.format(**words) for part in parts)
    if len(text.encode()) > LIMIT:
        raise ClusterError(
            f"the text that starts a machine has {len(text.encode()):,} bytes, and EC2 takes {LIMIT:,}: shorten the "
            "prefix of `stores`"
        )
    return text
