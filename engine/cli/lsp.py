"""`flowctl lsp`: the language server, which an editor starts."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "--tcp", "port", type=click.IntRange(1, 65535), help="Listen on this port of 127.0.0.1 instead, to debug."
)
def command(port: int | None) -> int:
    """Serve an editor: problems while you type, completion, hover texts, definitions and quick fixes in flow files.

    The editor starts it and speaks the language server protocol over standard input and output; nothing is written to
    files, and nothing is sent anywhere.

    Example: flowctl lsp
    """
    from engine.lsp.server import serve

    return serve(port)
