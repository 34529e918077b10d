"""`flowctl diagram`: a flow as a Mermaid diagram."""

from __future__ import annotations

import click

from engine.cli import common


@click.command()
@click.argument("flow")
@click.option(
    "--format",
    "form",
    type=click.Choice(["mermaid", "markdown"]),
    default="mermaid",
    show_default=True,
    help="The diagram alone, or fenced for a Markdown page.",
)
def command(flow: str, form: str) -> int:
    """Print a flow as a Mermaid diagram: what is read, by which stream, what is written, how the source is told.

    FLOW is a name or the path of a flow file. Nothing is connected and nothing is run.

    Example: flowctl diagram ramp_to_quickbooks
    """
    from engine.flowlang.diagram import diagram
    from engine.flowlang.flowfile import load_flow

    path = common.flow_path(flow)
    found, problems = load_flow(path)
    if found is None:
        raise common.FlowInvalid(str(path), [problem for problem in problems if problem.level == "error"])
    drawn = diagram(found)
    click.echo(f"```mermaid\n{drawn}```" if form == "markdown" else drawn.rstrip("\n"))
    return 0
