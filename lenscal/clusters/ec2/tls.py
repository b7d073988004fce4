"""A key and a certificate made for one cluster, by which its processes and the run know each other."""

from __future__ import annotations

import datetime
from typing import Any


def pair(hours: float) -> tuple[str, str]:
    """A private key of the curve P-256 and its own certificate, both as PEM; valid from an hour ago on (clocks differ).

    Parameters
    ----------
    hours : float
        That the certificate holds from now on.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lenscal-cluster")])
    now = datetime.datetime.now(tz=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=hours))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()


def security(key: str, certificate: str) -> Any:
    """What Dask speaks TLS with; only who has the key is answered."""
    from distributed.security import Security

    return Security(
        require_encryption=True,
        tls_ca_file=certificate,
        **{
            f"tls_{who}_{what}": value
            for who in ("client", "scheduler", "worker")
            for what, value in (("key", key), ("cert", certificate))
        },
    )
