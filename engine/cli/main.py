"""Wires the commands; each is imported only when it is called, so that `--help` and `validate` stay fast."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from contextlib import suppress

import click

# Command name -> (module, one line of help). The help stands here so that `flowctl --help` imports no command.
COMMANDS = {
    "init": ("engine.cli.init", "Begin a project: one flow with its test, editor settings, a CI file."),
    "new": ("engine.cli.new", "Write a new flow, or a package for a new connector."),
    "validate": ("engine.cli.validate", "Check flow files; report every problem with file, line and column."),
    "explain": ("engine.cli.explain", "Explain a code that `validate` reports, with examples."),
    "schema": ("engine.cli.schema", "Write the JSON Schema of flow files, for your editor."),
    "lsp": ("engine.cli.lsp", "Serve an editor: problems, completion and hover texts while you type."),
    "test": ("engine.cli.test", "Run golden-file cases of flows, Web Connector conversation included."),
    "preview": ("engine.cli.preview", "Show one record's way through a stream, step by step."),
    "diagram": ("engine.cli.diagram", "Print a flow as a Mermaid diagram."),
    "run": ("engine.cli.run", "Run a flow once: read, prepare, tell the source."),
    "serve": ("engine.cli.serve", "Serve the Web Connector, webhooks and the panel, and run flows on schedule."),
    "demo": ("engine.cli.demo", "Run a shipped flow end to end against simulated vendors."),
    "sandbox": ("engine.cli.sandbox", "Serve a simulated vendor, or be a simulated Web Connector."),
    "connect": ("engine.cli.connect", "Give a connection its settings and credentials."),
    "disconnect": ("engine.cli.disconnect", "Forget a connection, with its secrets."),
    "company": ("engine.cli.company", "Add a company, or see and change its settings."),
    "qwc": ("engine.cli.qwc", "Write the .qwc file for the Web Connector and set its password."),
    "status": ("engine.cli.status", "Show what was read, posted, deferred and failed."),
    "deferred": ("engine.cli.deferred", "Show what waits, and for which mapping."),
    "map": ("engine.cli.mapping", "Show, set, import and export mapping tables."),
    "reconcile": ("engine.cli.reconcile", "Compare the source, what was posted, and QuickBooks, to the cent."),
    "retry": ("engine.cli.retry", "Try failed or deferred records again."),
    "skip": ("engine.cli.skip", "Leave records out that wait or failed."),
    "replay": ("engine.cli.replay", "Let the same intent of records go on; nothing is posted a second time."),
    "hold": ("engine.cli.hold", "Hold records back: they are not sent until released."),
    "release": ("engine.cli.release", "Release records that are held back."),
    "pause": ("engine.cli.pause", "Pause a flow or a company: nothing new is read or sent."),
    "resume": ("engine.cli.resume", "Let a paused flow or company go on."),
    "user": ("engine.cli.user", "Say who may use the panel, and as what."),
    "alert": ("engine.cli.alert", "Say who is told of what, how and when."),
    "connectors": ("engine.cli.connectors", "Show installed connectors, their streams and requests."),
    "migrate": ("engine.cli.migrate", "Move to our accounting connection at a vendor, step by step."),
    "webhook": ("engine.cli.webhook", "Have a vendor call this server when something changes."),
    "key": ("engine.cli.key", "See and change the keys that secrets are sealed with."),
    "audit": ("engine.cli.audit", "Verify and export the journal; sign where it stands."),
    "store": ("engine.cli.store", "See where the store is; bring a PostgreSQL database to this schema."),
    "backup": ("engine.cli.backup", "Copy the store, whole, while flowctl may run."),
    "restore": ("engine.cli.restore", "Put a backup back."),
    "prune": ("engine.cli.prune", "Remove what is old and only evidence."),
    "doctor": ("engine.cli.doctor", "Check this installation and a company's connections."),
}


class Lazy(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Names in the order of a working day."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Import one command."""
        if name not in COMMANDS:
            return None
        found: click.Command = importlib.import_module(COMMANDS[name][0]).command
        return found

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest name for a misspelt command."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from engine.diagnostics import suggestion

            ctx.fail(f"there is no command `{args[0]}`; {suggestion(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="flowctl", message="flowctl %(version)s")
@click.option("-v", "--verbose", count=True, help="Say more on stderr; -vv shows where an error came from.")
@click.option("-q", "--quiet", count=True, help="Say less on stderr.")
@click.pass_context
def cli(ctx: click.Context, verbose: int, quiet: int) -> None:
    """Sync money records between systems, one YAML file an integration.

    Example: flowctl demo
    """
    ctx.obj = {"verbosity": verbose - quiet}


def main() -> None:
    """Run; every known error becomes one or two lines on stderr and an exit status, never a traceback unless -vv."""
    # By default Python looks for garbage after each 700 new objects: a tenth of the time of a short command.
    gc.set_threshold(50_000, 20, 50)
    from engine.errors import FlowctlError, UsageError

    try:
        status = cli.main(standalone_mode=False, prog_name="flowctl")
        sys.stdout.flush()
    except click.exceptions.Abort:
        click.echo("aborted", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        hint = _of_usage(error)
        if hint:
            click.echo(f"  hint: {hint}", err=True)
        sys.exit(2)
    except FlowctlError as error:
        if "-vv" in sys.argv:
            import traceback

            traceback.print_exc()
        from engine.cli.common import clean

        for line in f"error: {error}".splitlines():
            click.echo(clean(line), err=True)
        if error.hint:
            click.echo(f"  hint: {clean(error.hint)}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        _unwritable(error)
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)


def _of_usage(error: click.ClickException) -> str:
    """What to do about a misused command, where more can be said than the parser does."""
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    takes_company = ctx is not None and any("--company" in param.opts for param in ctx.command.params)
    if takes_company and error.message.startswith("Got unexpected extra argument"):
        return "a company is named with `--company NAME`"
    return ""


def _unwritable(error: OSError) -> None:
    """Say that the system refused, most likely because stdout is full, and throw away what stdout still holds."""
    if "-vv" in sys.argv:
        import traceback

        traceback.print_exc()
    where = f"{error.filename}: " if error.filename else ""
    click.echo(f"error: {where}{error.strerror or error}", err=True)
    click.echo("  hint: is the disk full, or what the output goes to?", err=True)
    with suppress(OSError):  # a replaced stdout has no descriptor
        # Else the interpreter tries again when it ends, and fails with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
