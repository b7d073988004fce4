"""Tables of others: read whatever their format (`reading`), lists of lenses and look-alikes
under our names (`lenses`).
"""

from lenscal.io.tables.reading import read_table
from lenscal.io.tables.stated_units import CatalogueError

__all__ = ["CatalogueError", "read_table"]
