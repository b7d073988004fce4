"""lenscal: what a strong-lens search missed, what fooled it, and how sure we are.

The way of the data::

    outside catalogues - objects - manifest - cutouts - quality -+- detector   -+- scores - completeness -+- report
                                                                 +- injections -+           failures -----+

Stages meet in tables and Datasets that `lenscal.schema` declares; `lenscal run RUNFILE` opens, calls and writes them.
Each part also serves without a run file (docs/library.md)::

    Open a run                   open_run, FinishedRun, open_catalog, open_store, load_settings, Settings
    Statistics                   interval, share_quantiles, share_difference, rate_interval, auc, mcnemar,
                                 effective_number
    Splits and matching          sky_pixels, split_of, near_border, cross_match, near_any, sky_groups
    Render and inject            render, inject_into, Injected, injection_parameters, lenstronomy_kwargs,
                                 coolest_models, from_coolest
    Quality                      stamp_quality, crop
    Realism                      compare_stamps, Comparison
    Completeness and selection   SelectionFunction, marginalise, add_counts, trials_table, reweight, Reweighted
    Detector                     Frozen, load_detector, register_architecture
    Experiments                  Variant, Paired, compare_arms
    Run                          run_audit, draw_sky, commit
    Errors                       ConfigError, MissingExtra, SchemaError, StoreError, SupportError
    Modules                      completeness, config, detector, experiments, injections, quality, realism,
                                 schema, selection

`__init__.pyi` is the only list of these names; what it lists is imported when it is first used.
"""

from __future__ import annotations

from typing import Any

from lenscal.door import attach


def _own(name: str) -> Any:
    if name == "__version__":
        from lenscal.version import version

        return version()
    raise AttributeError(f"module 'lenscal' has no attribute '{name}'; dir(lenscal) lists what it has")


__getattr__, __dir__ = attach(__name__, f"{__file__.removesuffix('.py')}.pyi", _own)
