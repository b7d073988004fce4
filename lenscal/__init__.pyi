"""The public names in the order of the table of contents: type checkers read this list, and so does `lenscal.door`."""

from . import completeness as completeness
from . import config as config
from . import detector as detector
from . import experiments as experiments
from . import injections as injections
from . import quality as quality
from . import realism as realism
from . import schema as schema
from . import selection as selection
from .audit import run as run_audit
from .completeness import add as add_counts
from .completeness import marginalise as marginalise
from .config import ConfigError as ConfigError
from .config import Settings as Settings
from .config import load as load_settings
from .cutouts import crop as crop
from .detector.architectures import register as register_architecture
from .detector.frozen import Frozen as Frozen
from .detector.frozen import load as load_detector
from .experiments import Paired as Paired
from .experiments import Variant as Variant
from .experiments import compared as compare_arms
from .extras import MissingExtra as MissingExtra
from .injections.coolest import coolest_models as coolest_models
from .injections.export import lenstronomy_kwargs as lenstronomy_kwargs
from .injections.export import parameters_of as injection_parameters
from .injections.models import from_coolest as from_coolest
from .injections.own import Injected as Injected
from .injections.own import inject_into as inject_into
from .injections.rendering import render as render
from .io.datasets import open_catalog as open_catalog
from .io.folders import StoreError as StoreError
from .io.opened import FinishedRun as FinishedRun
from .io.opened import open_run as open_run
from .io.stores import open as open_store
from .manifest.positions import cross_match as cross_match
from .manifest.positions import near_any as near_any
from .manifest.positions import near_border as near_border
from .manifest.positions import sky_groups as sky_groups
from .manifest.positions import sky_pixels as sky_pixels
from .manifest.positions import split_of as split_of
from .mock import draw as draw_sky
from .quality.own import stamp_quality as stamp_quality
from .realism.own import Comparison as Comparison
from .realism.own import compare_stamps as compare_stamps
from .schema import SchemaError as SchemaError
from .selection import Reweighted as Reweighted
from .selection import SupportError as SupportError
from .selection import reweight as reweight
from .selection import table_of as trials_table
from .selection.function import SelectionFunction as SelectionFunction
from .statistics import auc as auc
from .statistics import effective_number as effective_number
from .statistics import interval as interval
from .statistics import mcnemar as mcnemar
from .statistics import rate_interval as rate_interval
from .statistics import share_difference as share_difference
from .statistics import share_quantiles as share_quantiles
from .version import commit as commit

__version__: str

__all__ = [
    # Open a run
    "open_run",
    "FinishedRun",
    "open_catalog",
    "open_store",
    "load_settings",
    "Settings",
    # Statistics
    "interval",
    "share_quantiles",
    "share_difference",
    "rate_interval",
    "auc",
    "mcnemar",
    "effective_number",
    # Splits and matching
    "sky_pixels",
    "split_of",
    "near_border",
    "cross_match",
    "near_any",
    "sky_groups",
    # Render and inject
    "render",
    "inject_into",
    "Injected",
    "injection_parameters",
    "lenstronomy_kwargs",
    "coolest_models",
    "from_coolest",
    # Quality
    "stamp_quality",
    "crop",
    # Realism
    "compare_stamps",
    "Comparison",
    # Completeness and selection
    "SelectionFunction",
    "marginalise",
    "add_counts",
    "trials_table",
    "reweight",
    "Reweighted",
    # Detector
    "Frozen",
    "load_detector",
    "register_architecture",
    # Experiments
    "Variant",
    "Paired",
    "compare_arms",
    # Run
    "run_audit",
    "draw_sky",
    "commit",
    # Errors
    "ConfigError",
    "MissingExtra",
    "SchemaError",
    "StoreError",
    "SupportError",
    # Modules
    "completeness",
    "config",
    "detector",
    "experiments",
    "injections",
    "quality",
    "realism",
    "schema",
    "selection",
]
