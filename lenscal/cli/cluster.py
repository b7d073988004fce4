"""`lenscal cluster`: what is left of machines in EC2, and its removal."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lenscal.cli.refusal import ERROR, refusals

app = typer.Typer(help="See what runs have left in EC2, and remove it.", no_args_is_help=True)

Region = Annotated[str, typer.Option(help="Of the machines; by default that of the AWS settings of this machine.")]


@app.command("list")
def list_(region: Region = "") -> None:
    """List machines, volumes, security groups, launch templates and spot requests that runs of lenscal have made.

    They are found by their tags, whoever started them. Exit code: 0 nothing is left, 1 something is.
    """
    with refusals():
        from lenscal.clusters.ec2 import remains

        things = remains.remains(_client("ec2", region))
        if not things:
            typer.echo("nothing is left")
            return
        _show(things)
        raise typer.Exit(ERROR)


@app.command()
def down(
    cluster: Annotated[str, typer.Argument(help="Id of a cluster, as `lenscal cluster list` has it.")] = "",
    all_: Annotated[bool, typer.Option("--all", help="All clusters of the region, whoever started them.")] = False,
    region: Region = "",
) -> None:
    """End the machines of a cluster and remove what belongs to it; may be repeated. Stores, logs and reports stay."""
    with refusals():
        from lenscal.clusters.ec2 import remains
        from lenscal.errors import InputError

        if bool(cluster) == all_:
            raise InputError("name one cluster (lenscal cluster list), or give --all for every one of the region")
        ec2 = _client("ec2", region)
        things = remains.removed(ec2, _client("s3", region), remains.remains(ec2, cluster or None))
        if not things:
            typer.echo("nothing is left")
            return
        _show(things, "removed")
        still = remains.remains(ec2, cluster or None)
        if still:
            _show(still)
            raise typer.Exit(ERROR)


def _client(service: str, region: str) -> object:
    import botocore.session

    from lenscal.clusters.ec2 import aws
    from lenscal.errors import InputError

    found = region or botocore.session.get_session().get_config_variable("region")
    if not found:
        raise InputError("no region is set; give --region, such as us-west-2, or set AWS_DEFAULT_REGION")
    return aws.client(service, found)


def _show(things: list, state: str = "") -> None:
    from lenscal.clusters.ec2 import tags

    table = Table("what", "id", "state", "cluster", "run", "owner", "ends at the latest", box=None)
    for thing in things:
        marks = (thing.tags.get(name, "") for name in (tags.CLUSTER, tags.RUN, tags.OWNER, tags.EXPIRY))
        table.add_row(*map(escape, (thing.kind, thing.id, state or thing.state, *marks)))
    Console().print(table)
