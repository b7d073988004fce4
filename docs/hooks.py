"""Pages of the site that are made when it is built: the functions of the door, and the commands, each from what it says of itself."""

import re
from pathlib import Path

import lenscal.door

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = re.compile(r"\]\((?:\.\./)+((?:lenscal|pipelines|benchmarks|tests)/[^)]*|[A-Z]+[a-z.]*)\)")


def on_page_markdown(markdown, page, **_):
    """Fill in the page of functions and the page of commands; links to files beside docs/ have no page, so their names stay."""
    if page.file.src_uri == "api.md":
        return markdown + functions()
    if page.file.src_uri == "commands.md":
        return markdown + commands()
    return REPOSITORY.sub("]", markdown) if REPOSITORY.search(markdown) else markdown


def functions():
    """Every public name under its heading, in the order of the door."""
    stub = ROOT / "lenscal" / "__init__.pyi"
    where = lenscal.door.entries(str(stub))
    lines = []
    for line in stub.read_text().partition("__all__ = [")[2].splitlines():
        if line.strip().startswith("#"):
            lines.append(f"\n## {line.strip('# ')}\n")
        elif (name := line.strip().strip('",')) in where:
            module, attribute = where[name]
            members = "" if name[0].isupper() and "Error" not in name else ", members: false"
            options = f"{{heading: lenscal.{name}, show_root_heading: true, heading_level: 3{members}}}"
            lines.append(f"\n::: lenscal.{module}{f'.{attribute}' if attribute else ''}\n    options: {options}\n")
    return "\n" + "\n".join(lines)


def commands():
    """What the commands say of themselves (`--help`)."""
    import typer.cli
    import typer.main

    from lenscal.cli import app

    command = typer.main.get_command(app)
    text = typer.cli.get_docs_for_click(obj=command, ctx=typer.Context(command), name="lenscal")
    return text.partition("\n")[2]
