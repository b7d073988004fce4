"""How good the scores are: every table and gate of the judgement that needs scores alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import xarray as xr

from lenscal import config, schema
from lenscal.gates import Gate
from lenscal.scores import calibrators, channels, curves, nuisance, rates, recall, recapture, rows, strata
from lenscal.scores.rows import Sample


@dataclass(frozen=True)
class Terms:
    """On what terms scores are judged.

    Attributes
    ----------
    settings : config.Scores
    prevalence : float
        Share of lenses among what is searched.
    edges : mapping
        Of the bins of `seeing` [arcsec] and `depth` [mag].
    seed : int
        Of the run.
    """

    settings: config.Scores
    prevalence: float
    edges: Mapping[str, Sequence[float]]
    seed: int


def judge(
    scores: xr.Dataset, thresholds: xr.Dataset, facts: pd.DataFrame, terms: Terms
) -> tuple[dict[str, pd.DataFrame], list[Gate]]:
    """What the scores are worth: on the split test, at the prevalence of the terms.

    Parameters
    ----------
    scores : Dataset (galaxy)
        All of `schema.SCORES_CUTOUTS`, in memory.
    thresholds : Dataset (threshold)
        From `scores.thresholds`.
    facts : DataFrame
        By galaxy_id, as far as known: channel, ebv, brick_edge, missing_pixels, missing_bands, colour_gr, colour_rz.
    terms : Terms

    Returns
    -------
    dict of DataFrame
        measures, curves, recall, strata, bins, risk, calibrators, nuisance, channels and recapture, as
        `schema.JUDGEMENT` declares them.
    list of Gate
    """
    schema.SCORES_CUTOUTS.check(scores)
    settings, prevalence = terms.settings, terms.prevalence
    table = rows.table(scores)
    test, val = (Sample.of_split(table, split, terms.seed, settings.resamples) for split in ("test", "val"))
    found, bins = strata.calibration(test, prevalence, terms.edges, settings)
    fits = calibrators.compared(val, test, prevalence, settings)
    measures = [*curves.areas(test, prevalence), *_shipped(fits, test, prevalence), strata.risk_row(test, prevalence)]
    of_thresholds, (events, of_channels) = at_thresholds(scores, thresholds, facts, terms)
    tables = {
        "measures": pd.DataFrame(measures, columns=list(curves.COLUMNS)),
        "curves": curves.curves(test, prevalence, recall.KINDS[settings.interval][0]),
        "strata": found,
        "bins": bins,
        "risk": strata.risk_curve(test, prevalence),
        "calibrators": fits,
        "nuisance": nuisance.correlations(table, facts, settings),
        "recapture": recapture.pairs(table, facts, settings),
        **of_thresholds,
    }
    gates = [
        events,
        strata.gate(found, settings.calibration_error_max),
        nuisance.gate(tables["nuisance"], settings),
        of_channels,
        recapture.gate(tables["recapture"]),
    ]
    return tables, gates


def at_thresholds(
    scores: xr.Dataset, thresholds: xr.Dataset, facts: pd.DataFrame, terms: Terms
) -> tuple[dict[str, pd.DataFrame], list[Gate]]:
    """The part of `judge` that depends on the thresholds: the tables recall and channels, the gates of the events and
    of the channels.
    """
    settings, table = terms.settings, rows.table(scores)
    tables = {
        "recall": recall.recall(table, thresholds, settings.interval),
        "channels": channels.compared(table, facts, thresholds, settings, terms.seed),
    }
    few = rates.few_events(thresholds)
    return tables, [rates.events_gate(thresholds), channels.gate(tables["channels"], settings, few)]


def _shipped(fits: pd.DataFrame, sample: Sample, prevalence: float) -> list[dict]:
    """Rows of the table of measures for the shipped probabilities."""
    shipped = fits.iloc[0]
    names = {"log loss": "log_loss", "Brier score": "brier", "expected calibration error": "error"}
    return [
        curves.row(
            name,
            tuple(shipped[f"{column}{end}"] for end in ("", "_lower", "_upper")),
            curves.BOOTSTRAP,
            sample,
            prevalence,
            shipped["why_not"],
        )
        for name, column in names.items()
    ]
