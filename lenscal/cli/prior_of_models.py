"""`lenscal prior-of-models`: a sample of lens models as what injections are drawn from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lenscal.cli.refusal import refusals
from lenscal.errors import InputError


def prior_of_models(
    folder: Annotated[Path, typer.Argument(help="Folder of COOLEST files (*.json), one lens each.")],
    output: Annotated[Path, typer.Argument(help="YAML to write, for injections.prior_file; must not exist.")],
    name: Annotated[str, typer.Option(help="Of the new prior set.")] = "models",
    like: Annotated[
        str, typer.Option(help="Prior set for what models do not tell, such as colours.")
    ] = "observed-colours",
) -> None:
    """Make a prior set of a sample of COOLEST lens models: each quantity as the sample has it.

    A model of another kind (not isothermal, several planes, another convention, a missing number) is refused by name.
    """
    with refusals():
        import pandas as pd

        from lenscal.injections.models import from_coolest
        from lenscal.injections.models import prior_of_models as prior
        from lenscal.injections.prior_sets import named
        from lenscal.io import coolest

        if output.exists():
            raise InputError(f"'{output}' exists; a frozen prior is not written over: take another name")
        files = sorted(folder.glob("*.json"))
        if not files:
            raise InputError(f"'{folder}' holds no *.json; expected COOLEST files")
        models = pd.DataFrame([from_coolest(coolest.read(file), str(file)) for file in files])
        text = prior(models, name, like, f"Of {len(models)} COOLEST models in {folder.name}.")
        named(name, text)  # as a run reads it
        output.write_text(text)
        typer.echo(
            f"prior '{name}' of {len(models)} models in {output}; use it with injections: "
            f"{{prior_file: {output}, prior: {name}}}"
        )
