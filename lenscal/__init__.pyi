# The only list of public names, in the order of the table of contents in `__init__.py`; type checkers read it, and so does `lenscal.door`.

__version__: str

# Open a run
from .io.opened import open_run as open_run
from .io.opened import FinishedRun as FinishedRun
from .io.catalog import open_catalog as open_catalog
from .io.stores import open as open_store
from .config import load as load_settings
from .config import Settings as Settings

# Statistics
from .statistics import interval as interval
from .statistics import share_quantiles as share_quantiles
from .statistics import share_difference as share_difference
from .statistics import rate_interval as rate_interval
from .statistics import auc as auc
from .statistics import mcnemar as mcnemar
from .statistics import effective_number as effective_number

# Splits and matching
from .manifest.positions import sky_pixels as sky_pixels
from .manifest.positions import split_of as split_of
from .manifest.positions import near_border as near_border
from .manifest.positions import cross_match as cross_match
from .manifest.positions import near_any as near_any
from .manifest.positions import sky_groups as sky_groups

# Render and inject
from .injections.rendering import render as render
from .injections.own import inject_into as inject_into
from .injections.own import Injected as Injected
from .injections.export import parameters_of as injection_parameters
from .injections.export import lenstronomy_kwargs as lenstronomy_kwargs

# Quality
from .quality.own import stamp_quality as stamp_quality
from .cutouts import crop as crop

# Realism
from .realism.own import compare_stamps as compare_stamps
from .realism.own import Comparison as Comparison

# Completeness and selection
from .selection.function import SelectionFunction as SelectionFunction
from .completeness import marginalise as marginalise
from .completeness import add as add_counts
from .selection import table_of as trials_table
from .selection import reweight as reweight
from .selection import Reweighted as Reweighted

# Detector
from .detector.frozen import Frozen as Frozen
from .detector.frozen import load as load_detector
from .detector.architectures import register as register_architecture

# Experiments
from .experiments import Variant as Variant
from .experiments import Paired as Paired
from .experiments import compared as compare_arms

# Run
from .run import run as run_audit
from .mock import draw as draw_sky
from .version import commit as commit

# Errors
from .config import ConfigError as ConfigError
from .extras import MissingExtra as MissingExtra
from .schema import SchemaError as SchemaError
from .io.folders import StoreError as StoreError
from .selection import SupportError as SupportError

# Modules
from . import completeness as completeness
from . import config as config
from . import detector as detector
from . import experiments as experiments
from . import injections as injections
from . import quality as quality
from . import realism as realism
from . import schema as schema
from . import selection as selection
