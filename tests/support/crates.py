"""A release held against the rules of RO-Crate: the requirements of the specification that are plain to check, and the
validator of the community where it is installed.
"""

import json
from pathlib import Path

FILE = "ro-crate-metadata.json"


def entities(folder):
    return {one["@id"]: one for one in json.loads((folder / FILE).read_text())["@graph"]}


def broken(folder):
    """What of RO-Crate 1.2 a folder does not keep; empty for one that is good."""
    found = entities(folder)
    wrong = []
    descriptor = found.get(FILE, {})
    if descriptor.get("about") != {"@id": "./"} or "ro/crate/1.2" not in descriptor.get("conformsTo", {}).get(
        "@id", ""
    ):
        wrong.append("the descriptor names no root or no version")
    root = found.get("./", {})
    wrong += [
        f"the root has no {key}" for key in ("name", "description", "datePublished", "license") if not root.get(key)
    ]
    parts = [part["@id"] for part in root.get("hasPart", [])]
    wrong += [f"{part} is no file of the folder" for part in parts if not (folder / part).exists()]
    wrong += [f"{part} is listed and not described" for part in parts if part not in found]
    wrong += [f"{id_} has no type" for id_, one in found.items() if not one.get("@type")]
    wrong += [
        f"{id_} refers to {other}, which is not described"
        for id_, one in found.items()
        for other in _references(one)
        if other not in found and not other.startswith("http")
    ]
    listed = {name for part in parts for name in _below(folder, part)}
    wrong += [f"{name} is in no part" for name in sorted(_below(folder, "./") - listed - {FILE})]
    return wrong


def _references(one):
    for value in one.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                yield item["@id"]


def _below(folder, part):
    place = folder / part
    return (
        {path.relative_to(folder).as_posix() for path in place.rglob("*") if path.is_file()}
        if place.is_dir()
        else {part}
    )


def issues(folder, monkeypatch):
    """What the validator (roc-validator) finds against what RO-Crate requires. Nothing is fetched: the context is that
    of ro-crate-py, which has every term of version 1.2.
    """
    import rdflib.plugins.shared.jsonld.context as jsonld
    import requests
    import rocrate
    from rocrate_validator import models, services

    context = json.loads((Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_text())

    def answer(self, method, url, **more):
        response = requests.Response()
        response.status_code, response.url = 200, url
        response._content = json.dumps(context).encode()
        response.headers["Content-Type"] = "application/ld+json"
        return response

    monkeypatch.setattr(requests.Session, "request", answer)
    monkeypatch.setattr(jsonld, "source_to_json", lambda *_, **__: (context, None))
    result = services.validate(
        models.ValidationSettings(
            rocrate_uri=models.URI(str(folder)),
            profile_identifier="ro-crate-1.2",
            requirement_severity=models.Severity.REQUIRED,
            no_cache=True,
        )
    )
    return [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()]
