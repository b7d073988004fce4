"""A page to look with: a folder that opens from disk and asks nothing of a server or of the network.

Plain HTML with one script of our own, in place of panel, hvplot or altair: those bundle megabytes of scripts to draw a
table of cells, a curve and a map; a page from disk cannot fetch, and a colleague may read all of it.
"""

from lenscal.explorer.choosing import STAMPS, chosen
from lenscal.explorer.content import cells, gate_rows, sky
from lenscal.explorer.files import files
from lenscal.explorer.sprites import sheet

__all__ = ["STAMPS", "cells", "chosen", "files", "gate_rows", "sheet", "sky"]
