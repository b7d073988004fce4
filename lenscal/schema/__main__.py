"""`python -m lenscal.schema` writes the pages of the declarations."""

from pathlib import Path

from lenscal.schema.pages import write_pages

write_pages(Path(__file__).resolve().parents[2])
