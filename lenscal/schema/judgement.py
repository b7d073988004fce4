"""What is declared of the tables that judge scores."""

from __future__ import annotations

from .catalogues import ROW
from .declaration import Declaration, Variable, columns

_row = lambda names, dtype, units, about: columns(names, dtype, units, about, ROW)  # noqa: E731

_SAID = _row("why_not", "str", "", "why there is no number; empty where there is one")
_ENDS = {**_row("lower upper", "f8", "1", "ends of its interval"), **_row("level", "f8", "1", "of the interval")}
_NUMBERS = _row("n_positive n_negative", "i8", "1", "lenses and negatives that it rests on")
_GROUP = _row("group value", "str", "", "stratum: what is divided, and which part of it (all: everything)")

JUDGEMENT = {
    "measures": Declaration(
        "judgement/measures",
        "How good the scores are, on the split test.",
        {
            **_row(
                "measure",
                "str",
                "",
                "AUC, average precision, log loss, Brier score, expected calibration error, area below the "
                "risk-coverage curve",
            ),
            **_row("value", "f8", "1", "of the measure"),
            **_ENDS,
            **_row("interval", "str", "", "its name"),
            **_NUMBERS,
            **_row("prevalence", "f8", "1", "share of lenses at which it holds; NaN where it does not matter"),
            **_SAID,
        },
    ),
    "curves": Declaration(
        "judgement/curves",
        "ROC and precision-recall curve of the split test, from the highest score down.",
        {
            **_row("threshold", "f8", "1", "score"),
            **_row("n_true n_false", "i8", "1", "lenses and negatives at or above it"),
            **_row("recall recall_lower recall_upper", "f8", "1", "share of the lenses, and its 95 % interval"),
            **_row("false_positive_rate", "f8", "1", "share of the negatives"),
            **_row("precision", "f8", "1", "at the prevalence of the judgement"),
            **_row("few", "bool", "1", "it rests on fewer than ten negatives"),
        },
    ),
    "recall": Declaration(
        "judgement/recall",
        "Known lenses held out of training that reach each threshold, by tier.",
        {
            **_row("sample", "str", "", "split test, or all held out of training"),
            **_row("tier", "str", "", "all, literature, A, B"),
            **_row("threshold false_positive_rate", "f8", "1", "as in thresholds"),
            **_row("n k", "i8", "1", "scored, and at or above"),
            **_row("recall", "f8", "1", "k / n"),
            **_ENDS,
            **_row("interval", "str", "", "its name"),
            **_row("few", "bool", "1", "the threshold rests on fewer than ten negatives"),
        },
    ),
    "strata": Declaration(
        "judgement/strata",
        "Calibration by stratum, on the split test.",
        {
            **_GROUP,
            **_NUMBERS,
            **_row("error", "f8", "1", "expected calibration error, bins of equal mass"),
            **_ENDS,
            **_row("interval", "str", "", "its name"),
            **_row("predicted", "f8", "1", "mean probability at the prevalence"),
            **_row("risk_area", "f8", "1", "area below the risk-coverage curve"),
            **_SAID,
        },
    ),
    "bins": Declaration(
        "judgement/bins",
        "The bins of the calibration of each stratum that was judged.",
        {
            **_GROUP,
            **_row("bin", "i8", "1", "from the lowest probability up"),
            **_row("predicted observed", "f8", "1", "mean probability and share of lenses, at the prevalence"),
            **_row("lower upper", "f8", "1", "95 % interval of the observed share"),
            **_NUMBERS,
        },
    ),
    "risk": Declaration(
        "judgement/risk",
        "Share of wrong answers among the most confident ones, on the split test.",
        {
            **_row("coverage", "f8", "1", "share of the galaxies that are answered"),
            **_row("risk", "f8", "1", "share of them that is wrong"),
        },
    ),
    "calibrators": Declaration(
        "judgement/calibrators",
        "Ways from scores to probabilities, fitted on the split val and compared on the split test.",
        {
            **_row("calibrator", "str", "", "as shipped, Platt, temperature, isotonic"),
            **_row("about", "str", "", "what was fitted"),
            **_row("n_fitted", "i8", "1", "galaxies it was fitted on"),
            **{
                name: one
                for stem, about in (
                    ("log_loss", "mean log loss"),
                    ("brier", "Brier score"),
                    ("error", "expected calibration error"),
                    ("log_loss_change", "log loss less that of the shipped probabilities"),
                )
                for name, one in _row(
                    f"{stem} {stem}_lower {stem}_upper", "f8", "1", f"{about}, and its 95 % interval"
                ).items()
            },
            **_SAID,
        },
    ),
    "shortcuts": Declaration(
        "judgement/shortcuts",
        "Classifiers that see one part of the image alone.",
        {
            **_row("part", "str", "", "core or annulus"),
            **_row("auc", "f8", "1", "out of fold"),
            **_ENDS,
            **_row("interval", "str", "", "its name"),
            **_NUMBERS,
            **_SAID,
        },
    ),
    "counterfactuals": Declaration(
        "judgement/counterfactuals",
        "The same injections with something taken away or put elsewhere.",
        {
            **_row("name about", "str", "", "what was changed"),
            **_row("pairs", "i8", "1", "injections scored both times"),
            **_row(
                "shift shift_lower shift_upper",
                "f8",
                "1",
                "median of the change of the score, and its interval between order statistics",
            ),
            **_row("level", "f8", "1", "of the intervals"),
            **_row("base changed", "f8", "1", "shares found before and after"),
            **_row(
                "change change_lower change_upper", "f8", "1", "of the share found, and its interval (Newcombe, pairs)"
            ),
            **_row("p", "f8", "1", "McNemar, exact"),
            **_SAID,
        },
    ),
    "nuisance": Declaration(
        "judgement/nuisance",
        "Rank correlation of the score of negatives with what has nothing to do with lenses.",
        {
            **_row("quantity about", "str", "", "what the score is held against"),
            **_row("n", "i8", "1", "negatives with a value"),
            **_row("correlation", "f8", "1", "Spearman"),
            **_ENDS,
            **_row("p p_holm", "f8", "1", "that it lies within the limit, by itself and for all together"),
            **_SAID,
        },
    ),
    "channels": Declaration(
        "judgement/channels",
        "Held-out lenses of imaging searches beside those of other selection channels.",
        {
            **_row("measure", "str", "", "what is compared"),
            **_row("value lower upper", "f8", "1", "of the measure, and the ends of its 95 % interval"),
            **_row("p", "f8", "1", "by permutation"),
            **_row("n_imaging n_other", "i8", "1", "lenses of each"),
            **_row("about", "str", "", "how it was found"),
            **_SAID,
        },
    ),
    "recapture": Declaration(
        "judgement/recapture",
        "Every two selection channels of the known lenses: whether they depend, and how many lenses there would be.",
        {
            **_row("first second", "str", "", "channels"),
            **_row("group value", "str", "", "all, or half of the lenses by seeing or depth"),
            **_row("n_first n_second n_both n_all", "i8", "1", "lenses of each, of both, of either"),
            **_row("number", "f8", "1", "lenses that there would be (Chapman 1951); NaN unless they are independent"),
            **_row("lower upper", "f8", "1", "ends of its interval (Sadinle 2009)"),
            **_row("bound_lower bound_upper", "f8", "1", "the number for an odds ratio of 1/5 to 5"),
            **_row("level", "f8", "1", "of the intervals"),
            **_row("third", "str", "", "channel among whose lenses the dependence was told"),
            **_row("odds odds_lower odds_upper", "f8", "1", "odds ratio there, and its exact interval"),
            **_row("p p_holm", "f8", "1", "Fisher's exact, by itself and for all pairs together"),
            **_row("verdict", "str", "", "independent (within an odds ratio of 5 either way), dependent, not known"),
            **_SAID,
        },
    ),
}
"""Tables of the judgement of scores, by name."""

COUNTERFACTUAL_SCORES = Declaration(
    "judgement/counterfactual_scores",
    "Scores behind `judgement/counterfactuals`, pair by pair: with another threshold no detector is asked again.",
    {
        **_row("name", "str", "", "what was changed"),
        **_row("pair", "i8", "1", "number of the injection, from 0"),
        **_row("before after", "f8", "1", "score as it was, and with the change"),
    },
)

THRESHOLDS = Declaration(
    "thresholds",
    "Thresholds that the validation negatives set, with the rate that each reaches.",
    {
        "threshold": Variable(("threshold",), "f8", "1", "score at or above which a detection is claimed"),
        "level": Variable(("level",), "f8", "1", "of the interval"),
        "false_positive_rate": Variable(("threshold",), "f8", "1", "n_false / n_negatives"),
        "rate_requested": Variable(("threshold",), "f8", "1", "rate that the run file asks for"),
        "n_false": Variable(("threshold",), "i8", "1", "validation negatives at or above the threshold"),
        "n_negatives": Variable(("threshold",), "i8", "1", "validation negatives with a score"),
        "lower": Variable(("threshold", "level"), "f8", "1", "lower end of the interval of the rate"),
        "upper": Variable(("threshold", "level"), "f8", "1", "upper end of the interval of the rate"),
    },
    coords=("threshold", "level", "false_positive_rate"),
)
