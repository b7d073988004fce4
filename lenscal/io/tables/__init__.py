"""Tables of others: read whatever their format (`reading`), lists of lenses and look-alikes
under our names (`lenses`).
"""

from lenscal.io.tables.reading import CatalogueError, read_table

__all__ = ["CatalogueError", "read_table"]
