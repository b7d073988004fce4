"""Addresses: hashes of all that a product depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping


def short(content: object) -> str:
    """Hash of a canonical JSON text, 32 hexadecimal digits."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def differences(old: Mapping, new: Mapping, prefix: str = "") -> set[str]:
    """Names at which two nested mappings differ, with dots between their parts."""
    names = set()
    for key in set(old) | set(new):
        name = f"{prefix}{key}"
        if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
            names |= differences(old[key], new[key], f"{name}.")
        elif old.get(key) != new.get(key):
            names.add(name)
    return names
