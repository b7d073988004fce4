"""RO-Crate: a folder that says, in one JSON-LD file, what each of its files is (https://w3id.org/ro/crate/1.2)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from lenscal.extras import named

FILE = "ro-crate-metadata.json"
VERSION = "1.2"


@dataclass(frozen=True)
class Licence:
    """A licence: its SPDX name, address and title."""

    id: str
    url: str
    name: str


@dataclass(frozen=True)
class Part:
    """A file of the crate, or a folder (its path ends in ``/``), in words and with its media type."""

    path: str
    name: str
    about: str
    format: str = ""
    more: dict = field(default_factory=dict)


@dataclass(frozen=True)
class About:
    """What the crate is as a whole.

    `software` has name, version and url of what made it; `result` names the part that its run made of the part
    `instructions`.
    """

    name: str
    description: str
    published: str
    licence: Licence
    authors: Sequence[dict]
    software: dict
    instructions: str
    result: str
    keywords: Sequence[str] = ()


def metadata(about: About, parts: Sequence[Part]) -> bytes:
    """The file `FILE` of a crate; the same parts give the same bytes, whatever the clock.

    Raises
    ------
    MissingExtra
        ro-crate-py is not installed.
    """
    with named():
        from rocrate.model.contextentity import ContextEntity
        from rocrate.rocrate import ROCrate

    crate = ROCrate(version=VERSION)
    root = crate.root_dataset
    root["name"], root["description"] = about.name, about.description
    root["datePublished"] = about.published
    root["keywords"] = ", ".join(about.keywords)
    entity = lambda id_, **more: crate.add(ContextEntity(crate, id_, properties=more))  # noqa: E731
    licence = about.licence
    root["license"] = entity(
        licence.url, **{"@type": "CreativeWork", "name": licence.name, "identifier": licence.id, "url": licence.url}
    )
    authors = [entity(_id(author), **_described(author)) for author in about.authors]
    root["author"] = root["publisher"] = authors
    made = {}
    for part in parts:
        add = crate.add_dataset if part.path.endswith("/") else crate.add_file
        properties = {"name": part.name, "description": part.about, **part.more}
        if part.format:
            properties["encodingFormat"] = part.format
        made[part.path] = add(dest_path=part.path, properties=properties)
    software = entity(
        "#software",
        **{
            "@type": "SoftwareApplication",
            "name": about.software["name"],
            "softwareVersion": about.software["version"],
            "version": about.software["version"],
            "url": {"@id": about.software["url"]},
        },
    )
    action = entity(
        "#run", **{"@type": "CreateAction", "name": f"The run behind {about.name}", "endTime": about.published}
    )
    action["instrument"] = software
    action["object"], action["result"] = made[about.instructions], made[about.result]
    root["mentions"] = action
    return (json.dumps(crate.metadata.generate(), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _id(author: dict) -> str:
    return author.get("orcid") or "#" + "-".join(_said(author).lower().split())


def _said(author: dict) -> str:
    return author.get("name") or f"{author['given-names']} {author['family-names']}"


def _described(author: dict) -> dict:
    if "name" in author:
        return {"@type": "Organization", "name": author["name"]}
    return {
        "@type": "Person",
        "name": _said(author),
        "givenName": author["given-names"],
        "familyName": author["family-names"],
    }
