"""`python -m lenscal` is `lenscal`."""

from lenscal.cli import app

app()
