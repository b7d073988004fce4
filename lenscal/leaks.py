"""What of a run the detector was trained on: nothing that judges it may be among that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lenscal.gates import Gate, absent
from lenscal.kernels import matching

ANCHOR_RADIUS = 11.0  # arcsec: a training row nearer to an anchor shows the anchor's own arcs
SAME_RADIUS = 1.0  # arcsec: a training row as near as this is the same object, whatever its id


@dataclass(frozen=True)
class Trained:
    """Rows of a table that trained the detector; `unknown` says why that cannot be told."""

    rows: np.ndarray
    unknown: str = ""
    about: str = ""
    positions: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))


def trained(table: pd.DataFrame, attrs: dict, frozen: object, own: bool) -> Trained:
    """Which rows trained the detector.

    Ids of two surveys may coincide by chance, and one object may have two ids; so those of a brought detector count
    where its training rows have the same positions, or, without positions, where it says that it was trained on the
    same layer.

    Parameters
    ----------
    table : DataFrame
        galaxy_id, ra, dec [degree].
    attrs : dict
        Of the scores: mock and layer say on which sky they were made.
    frozen : object
        Any detector; of what it may say of its training, training_ids, survey and training_positions are read.
    own : bool
        Trained in this run.
    """
    none = np.zeros(len(table), bool)
    ids = np.asarray(getattr(frozen, "training_ids", ()), np.int64)
    known = table["galaxy_id"].isin(ids).to_numpy()
    survey, positions = getattr(frozen, "survey", None), getattr(frozen, "training_positions", None)
    there = np.empty((0, 2)) if positions is None else positions[np.isfinite(positions).all(1)]
    if own:
        return Trained(known, about="by galaxy_id", positions=there)
    if not ids.size:
        return Trained(none, "the detector was brought without a list of what trained it (its `training_ids`)")
    if survey is None:
        return Trained(
            none,
            "the detector does not say on which survey it was trained, so that its training_ids "
            "may be those of other objects",
        )
    here = {"layer": str(attrs.get("layer", "")), "mock": bool(attrs.get("mock", 0))}
    there_layer = str(survey.get("layer", ""))
    name = "the embedded (mock) sky" if survey.get("mock") else f"'{there_layer}'"
    if bool(survey.get("mock")) != here["mock"]:
        return Trained(none, about=f"trained on {name}, which is another sky")
    if there.size:
        placed = np.isfinite(table["ra"].to_numpy(float)) & np.isfinite(table["dec"].to_numpy(float))
        same = none.copy()
        same[placed] = (
            matching.nearest(table["ra"][placed], table["dec"][placed], there[:, 0], there[:, 1], SAME_RADIUS)[0] >= 0
        )
        same |= known & ~placed & (there_layer == here["layer"])
        return Trained(same, about=f"within {SAME_RADIUS:g} arcsec of a training row", positions=there)
    if there_layer != here["layer"]:
        return Trained(
            none,
            f"trained on {name}, scored on '{here['layer']}', and without positions of its "
            "training rows their ids say nothing",
        )
    return Trained(known, about=f"by galaxy_id on {name}")


def arc_snr_min(frozen: object) -> float | None:
    """Limit of the arcs of a detector's training positives, by its own word; 0 without one, None where it does not say
    how it was trained.
    """
    settings = getattr(frozen, "settings", None)
    if not isinstance(settings, Mapping) or not isinstance(settings.get("training"), Mapping):
        return None
    return float(settings["training"].get("arc_snr_min", 0))


def gates(table: pd.DataFrame, found: Trained, hosts: Iterable[int] | None, arc_snr_min: float | None) -> list[Gate]:
    """Nothing that judges the detector has trained it.

    Parameters
    ----------
    table : DataFrame
        galaxy_id, ra, dec, split, role, label, host, negative, score, cutout_ok, arc_snr.
    found : Trained
        Of the same rows.
    hosts : iterable of int or None
        galaxy_id of every galaxy that carries an injection; None takes those that may.
    arc_snr_min : float or None
        Limit of the training positives' arcs; 0 without one, None where nobody knows.
    """
    rows = table[found.rows]
    trained_elsewhere = _gate(
        found,
        len(rows),
        (
            "X.2.trained",
            "the detector was trained on galaxies of the split train only",
            "training rows of other splits",
        ),
        (rows["split"] != "train").sum(),
        "scores by galaxy_id, split",
    )
    judges = _judges_gates(table, found, hosts)
    return [trained_elsewhere, *judges, *_anchor_gates(table, found), _visibility(table, rows, found, arc_snr_min)]


def _gate(found: Trained, rows: int, named: tuple[str, str, str], value: float, evidence: str) -> Gate:
    """A critical gate of a number that has to be 0; `named` is its id, claim and measure."""
    return Gate(
        *named,
        np.nan if found.unknown else float(value),
        maximum=0,
        critical=True,
        evidence=f"{rows} training rows among these cutouts ({found.about}); {evidence}",
        cannot=found.unknown,
    )


def _judges_gates(table: pd.DataFrame, found: Trained, hosts: Iterable[int] | None) -> list[Gate]:
    """Neither hosts of injections nor negatives that set a threshold were trained on."""
    carried = (
        table["galaxy_id"].isin(list(hosts))
        if hosts is not None
        else table["host"].astype(bool) & table["cutout_ok"].astype(bool)
    )
    deciding = (table["split"] == "val") & table["negative"] & np.isfinite(table["score"])
    on_host = "no injection lies on a galaxy that the detector was trained on"
    on_negative = "no negative that sets a threshold was trained on"
    out = []
    for named, chosen, what, needed in (
        (
            ("X.2.hosts", on_host, "hosts that were trained on"),
            carried,
            "galaxies that carry injections",
            hosts is not None,
        ),
        (
            ("X.2.negatives", on_negative, "validation negatives that were trained on"),
            deciding,
            "scored negatives of the split val",
            True,
        ),
    ):
        if chosen.any():
            number = (chosen & found.rows).sum()
            out.append(_gate(found, int(found.rows.sum()), named, number, f"{int(chosen.sum())} {what}"))
        elif needed:
            out.append(absent(named[0], named[1], f"there are no {what} among the cutouts"))
    return out


def _anchor_gates(table: pd.DataFrame, found: Trained) -> list[Gate]:
    """No anchor was trained on, nor what lies on one."""
    rows, anchors = table[found.rows], table[table["role"] == "anchor"]
    x4 = ("X.4", "training positives are excluded from the anchors", "anchors among the training positives")
    x11 = ("X.11", f"nothing within {ANCHOR_RADIUS:g} arcsec of an anchor was trained on", "training rows on an anchor")
    if anchors.empty:
        return [absent(*named[:2], "the sample holds no anchor") for named in (x4, x11)]
    shared = ((rows["label"] == 1) & (rows["role"] == "anchor")).sum()
    near = _on_anchors(anchors, rows, found.positions)
    return [
        _gate(found, len(rows), x4, shared, f"{len(anchors)} anchors by role"),
        _gate(found, len(rows), x11, near, f"{len(anchors)} anchors by role and position"),
    ]


def _on_anchors(anchors: pd.DataFrame, rows: pd.DataFrame, positions: np.ndarray) -> int:
    """Training rows that are an anchor, or lie on one; those that are not among these cutouts by their positions."""
    placed, near = anchors[np.isfinite(anchors["ra"])], rows[np.isfinite(rows["ra"])]
    _, _, count = matching.nearest(near["ra"], near["dec"], placed["ra"], placed["dec"], ANCHOR_RADIUS)
    close = set(near["galaxy_id"].to_numpy()[count > 0]) | set(rows["galaxy_id"]) & set(anchors["galaxy_id"])
    _, _, others = matching.nearest(positions[:, 0], positions[:, 1], placed["ra"], placed["dec"], ANCHOR_RADIUS)
    return max(len(close), int((others > 0).sum()))


def _visibility(table: pd.DataFrame, rows: pd.DataFrame, found: Trained, least: float | None) -> Gate:
    claim = "positives were trained on only where their arc is seen"
    if least is None:
        why = found.unknown or "the detector does not say how it was trained (its `settings`)"
        return Gate("2.7", claim, "training positives with a fainter arc", np.nan, maximum=0, critical=True, cannot=why)
    lenses = rows[rows["label"] == 1]
    if not least:
        return absent("2.7", claim, "the detector was trained without a limit (detector.training.arc_snr_min)")
    if lenses.empty and not found.unknown:
        return absent("2.7", claim, "none of 0 training positives among these cutouts")
    meant = table[(table["label"] == 1) & (table["role"] == "train") & table["cutout_ok"].astype(bool)]
    dim = int((~(lenses["arc_snr"] >= least)).sum())
    return Gate(
        "2.7",
        claim,
        f"training positives with arc SNR below {least:g}",
        np.nan if found.unknown else dim,
        maximum=0,
        critical=True,
        evidence=(
            f"{len(lenses)} positives trained on, {int((~(meant['arc_snr'] >= least)).sum())} of {len(meant)} usable "
            "ones of the role train held out; training_ids of detector.json against arc_snr of the scores"
        ),
        cannot=found.unknown,
    )
