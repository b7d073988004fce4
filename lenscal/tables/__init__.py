"""Tables of other people, whatever their format, as plain columns: FITS, VOTable, ECSV, CSV and Parquet, read by
astropy and Arrow, whole numbers whole and blanks blank.
"""

from lenscal.tables.kinds import SUFFIXES, is_packed, kind_of
from lenscal.tables.plain import Columns, TableError, Values, masked, plain
from lenscal.tables.reading import columns_of, ecsv

__all__ = [
    "SUFFIXES",
    "Columns",
    "TableError",
    "Values",
    "columns_of",
    "ecsv",
    "is_packed",
    "kind_of",
    "masked",
    "plain",
]
