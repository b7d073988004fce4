"""A run file becomes checked settings: unknown keys, wrong types and missing files are refused before any work."""

from __future__ import annotations

import os
from pathlib import Path

import yaml
from pydantic import (
    ValidationError,
)

from lenscal.config.settings import Settings
from lenscal.errors import LenscalError


class ConfigError(LenscalError, ValueError):
    """A run file that cannot be used; the message names the key, what was found and what was expected."""


def real_data() -> Path | None:
    """Folder of the real data: `LENSCAL_REAL_DATA`, else `../shared/data` beside the checkout, else None."""
    named = os.environ.get("LENSCAL_REAL_DATA")
    if named:
        if not Path(named).is_dir():
            raise ConfigError(f"LENSCAL_REAL_DATA is '{named}', which is no folder")
        return Path(named)
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    return beside if beside.is_dir() else None


def _place(text: str, folder: Path) -> str:
    """A path of a run file: URLs and package names as they are, others relative to the run file."""
    if "{real_data}" in text:
        root = real_data()
        if root is None:
            raise ConfigError(
                f"'{text}' needs the real data: set LENSCAL_REAL_DATA to its folder, or put it at "
                "../shared/data beside the checkout"
            )
        text = text.replace("{real_data}", str(root))
    if "://" in text or text == "lenscat":
        return text
    if "\0" in text:
        return text  # refused by its section, with the name of the key
    try:
        return str((folder / Path(text).expanduser()).resolve())
    except (RuntimeError, OSError) as error:
        raise ConfigError(f"'{_cut(text)}' is no path of this machine ({error}); write it in full") from None


class _Loader(yaml.SafeLoader):
    """Of plain YAML; a key given twice is refused, not overwritten."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue  # what is merged yields to what is written here
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key is a list or a mapping, not a name", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{_cut(key.value)}' is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _cut(text: str, letters: int = 200) -> str:
    """What was found, as a message can bear it."""
    return text if len(text) <= letters else f"{text[:letters]}... ({len(text):,} letters)"


def load(path: str | Path) -> Settings:
    """Settings of a run file, paths made absolute.

    Raises
    ------
    ConfigError
        One sentence per key that is unknown, missing or wrong.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"run file '{path}' cannot be read: it is not UTF-8 text ({error.reason} at byte {error.start})"
        ) from None
    except OSError as error:
        raise ConfigError(f"run file '{path}' cannot be read: {error.strerror}") from None
    try:
        raw = _Loader(text).get_single_data()
    except RecursionError:
        raise ConfigError(f"run file '{path}' is nested too deeply to be a run file") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"run file '{path}' is not the YAML of a run file: {error}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"run file '{path}' holds {type(raw).__name__}, not a mapping of sections")
    folder = path.resolve().parent
    try:
        raw = _with_places(raw, folder)
        return Settings.model_validate(raw)
    except RecursionError:
        raise ConfigError(f"run file '{path}' holds a list or mapping that contains itself") from None
    except ValidationError as error:
        lines = []
        for item in error.errors():
            key = _cut(".".join(str(part) for part in item["loc"])) or "(whole file)"
            found = "" if item["type"] in ("missing", "extra_forbidden") else f" (found {_cut(repr(item['input']))})"
            message = "unknown key; see docs/run-files.md" if item["type"] == "extra_forbidden" else item["msg"]
            lines.append(f"  {key}: {message}{found}")
        raise ConfigError(f"run file '{path}':\n" + "\n".join(lines)) from None


def _with_places(raw: dict, folder: Path) -> dict:
    """The raw run file with its paths made absolute, where they are there as text."""
    raw = dict(raw)

    def fix(mapping: object, *keys: str) -> object:
        if not isinstance(mapping, dict):
            return mapping
        return {k: _place(v, folder) if k in keys and isinstance(v, str) else v for k, v in mapping.items()}

    def listed(mapping: object, key: str) -> object:
        if not isinstance(mapping, dict) or not isinstance(mapping.get(key), list):
            return mapping
        return mapping | {key: [_place(item, folder) if isinstance(item, str) else item for item in mapping[key]]}

    raw = fix(raw, "stores")
    raw["survey"] = listed(fix(raw.get("survey"), "root", "profiles_file"), "randoms")
    raw["detector"] = _with_artifact(raw.get("detector", {}), folder)
    raw["report"] = fix(raw.get("report", {}), "beside")
    for section in ("injections", "realism"):
        raw[section] = fix(raw.get(section, {}), "source_stamps", "prior_file", "allocation")
    if isinstance(raw.get("objects"), dict):
        objects = dict(raw["objects"])
        for key in ("lenses", "contaminants"):
            if isinstance(objects.get(key), list):
                objects[key] = [fix(item, "source") for item in objects[key]]
        if isinstance(objects.get("galaxy_tables"), list):
            objects["galaxy_tables"] = [fix(item, "source") for item in objects["galaxy_tables"]]
        raw["objects"] = listed(objects, "galaxy_tables")
    return raw


def _with_artifact(section: object, folder: Path) -> object:
    """The section `detector` with the places of its artifact and declaration made absolute; a module that can
    be imported stays a name.
    """
    if not isinstance(section, dict):
        return section
    section, artifact = dict(section), section.get("artifact")
    if isinstance(artifact, str):
        file, colon, name = artifact.rpartition(":")
        is_module = bool(colon) and not file.endswith(".py") and "/" not in artifact
        of_file = colon and file.endswith(".py")
        section["artifact"] = (
            artifact if is_module else f"{_place(file, folder)}:{name}" if of_file else _place(artifact, folder)
        )
    if isinstance(section.get("declaration"), dict):
        section["declaration"] = declaration_placed(section["declaration"], folder)
    return section


def declaration_placed(values: dict, folder: Path) -> dict:
    """The declaration of a detector with its files made absolute, from the folder in which it is written."""
    values = dict(values)
    if isinstance(values.get("reference"), str):
        values["reference"] = _place(values["reference"], folder)
    if isinstance(values.get("files"), list):
        values["files"] = [_place(one, folder) if isinstance(one, str) else one for one in values["files"]]
    rows = values.get("trained_on")
    if isinstance(rows, dict) and isinstance(rows.get("rows"), str):
        values["trained_on"] = {**rows, "rows": _place(rows["rows"], folder)}
    network = values.get("network")
    if isinstance(network, str) and ".py:" in network:
        file, _, name = network.rpartition(":")
        values["network"] = f"{_place(file, folder)}:{name}"
    return values
