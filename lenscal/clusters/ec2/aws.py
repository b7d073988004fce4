"""Questions to Amazon's services, and what their errors mean, in words without keys."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from lenscal.engine.errors import BlockError

_SESSION_OVER = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_NOT_KNOWN = {
    "AuthFailure",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_REFUSED = {"UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "403"}


class ClusterError(BlockError):
    """Machines that cannot be had or kept; the message says what is in the way and what to do."""


def client(service: str, region: str) -> Any:
    """A client of one service; credentials come from where every AWS client looks for them."""
    import botocore.session
    from botocore.config import Config

    settings = Config(retries={"max_attempts": 6, "mode": "standard"}, connect_timeout=10, read_timeout=60)
    session = botocore.session.get_session()
    session.register_component("data_loader", _models())
    return session.create_client(service, region_name=region, config=settings)


@lru_cache(maxsize=1)
def _models() -> Any:
    """What services there are and how they are asked, read once."""
    import botocore.session

    return botocore.session.get_session().get_component("data_loader")


def code_of(error: BaseException) -> str:
    """What AWS calls an error; empty for one that it did not answer."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


@contextmanager
def named(what: str) -> Iterator[None]:
    """Turn what AWS refuses into one sentence; `what` was to be done.

    Raises
    ------
    ClusterError
        Without credentials, with such as have expired or are not known, without the right, or for any other reason.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise ClusterError(f"{what}: {reason(error)}") from None


def reason(error: BaseException) -> str:
    """Why AWS or the way to it refused, and the fix, as one sentence without keys, tokens or signed addresses."""
    code, kind = code_of(error), type(error).__name__
    if kind in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
        return "no credentials were found; set AWS_PROFILE, or log in (aws sso login)"
    if kind in ("TokenRetrievalError", "SSOTokenLoadError", "UnauthorizedSSOTokenError") or code in _SESSION_OVER:
        return "the credentials have expired; log in again (aws sso login)"
    if code in _NOT_KNOWN:
        return f"AWS does not know the credentials ({code}); check AWS_PROFILE and the clock of this machine"
    if kind == "EndpointConnectionError":
        return "the service of this region does not answer; check cluster.ec2.region and the network"
    if code in _REFUSED:
        return f"the account has no right to it ({code}); add it to the policy (docs/cluster.md)"
    return without_secrets(str(error))


_SECRETS = (
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"),
    re.compile(r"(?i)(X-Amz-[A-Za-z-]+|AWSAccessKeyId|Signature)=[^&\s\"']+"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S),
    re.compile(r"(?i)(aws_secret_access_key|aws_session_token)\s*[=:]\s*\S+"),
)


def without_secrets(text: str) -> str:
    """A text without keys, tokens and signatures of addresses, those of this process's environment among them."""
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        if len(secret := os.environ.get(name, "")) > 7:
            text = text.replace(secret, "(left out)")
    for pattern in _SECRETS:
        text = pattern.sub("(left out)", text)
    return text
