"""What the test of the documentation's commands knows beside the pages: the reader's own values, files and statuses."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.docs import pages
from tests.docs.shell import Shell
from tests.docs.stage import Stage
from tests.reference import ROOT

_SERVES = "it serves until it is stopped; the tutorial's test runs one as a process"
# Commands of flowctl that are only parsed, each with the reason.
NOT_TYPED: Mapping[str, str] = {
    r"flowctl serve\b.*": _SERVES,
    r"flowctl sandbox (bill|expensify|freshbooks|ramp)\b.*": _SERVES,
    r"flowctl sandbox (books|qbwc)\b.*": "it visits a server that runs; the tutorial's test types it",
    r"flowctl status --watch": "it goes on until it is stopped; tests/cli/test_cli_watch.py types it",
    r"flowctl demo\b.*": "it takes half a minute; tests/engine/test_demo.py runs it",
    r"flowctl test( --update)?": "it runs every golden case; CI does so in a step of its own",
    r"flowctl lsp\b.*": "it serves an editor until that ends; tests/lsp drives it",
    r"flowctl key set-master --to keyring": "it wants the keyring of an operating system",
    r"flowctl audit (verify --checkpoints|checkpoint --copy) .*": "it wants, or writes, a copy on another machine",
    r"flowctl connect ramp --secret-file webhook_secret=PATH": "a sentence; PATH is the reader's",
    r"flowctl user (add|role|totp|password|sign-out|remove) ana\b.*": "users of an example; tests/cli/test_cli_user.py types them",
    r"flowctl webhook (list|show|replay|health|expect|retire)\b.*": "webhooks that came; tests/cli/test_cli_webhook.py types them",
    r"flowctl webhook( subscribe CONNECTION( --url ADDRESS)?)?": "a sentence; the connection is the reader's",
    r"flowctl connect CONNECTION .*": "a sentence; the connection is the reader's",
    r"flowctl alert (un)?mute 12 .*": "the number of an example; tests/cli/test_cli_alert.py types them",
    r"flowctl backup --check /backup/.*": "the folder has the reader's time in its name; tests/cli/test_cli_backup.py types it",
    r"flowctl restore (/backup/|/mnt/|BACKUP).*": "the same; tests/cli/test_cli_backup.py types it",
    r"flowctl (hold|release|replay) INV-1042\b.*": "a record of an example; tests/cli/test_cli_stops.py types them",
    r"flowctl alert (add|change|test|unmute|mute|remove) (ops|bookkeepers)\b.*": "a channel of an example; tests/cli/test_cli_alert.py types them",
    r"(FLOWCTL_STORE=\S+ )?flowctl store (copy|recovered|migrate)\b.*": "it wants a database of PostgreSQL; tests/cli/test_cli_store*.py type it",
    r"flowctl connect": "a sentence means the command, which needs a name",
}
# Statuses that a page tells of in a sentence, or that this world gives, and why.
STATUS: Mapping[str, tuple[tuple[int, ...], str]] = {
    r"flowctl reconcile( .*--from .*)?": (
        (0, 1),
        "the page says that a report without an answer, or with a difference, is 1",
    ),
    r"flowctl run freshbooks_to_ramp --company acme": (
        (0, 1),
        "some of the simulated bills fail, as the page says of such",
    ),
    r"flowctl alert test bookkeepers .*": ((1,), "nobody listens at the address that the test gives"),
    r"flowctl connect ramp --set environment=sandbox --check": ((2,), "there are records of the account before it"),
    r"flowctl company bind --company acme --confirm --reason .new computer.": (
        (1,), "the file that is bound was not moved",
    ),
    r"flowctl company bind --confirm": ((1,), "the company is bound already, as its page says"),
    r"flowctl company flow ramp_accounting on": ((2,), "the company runs a flow that posts the same, as its page says"),
}


def meant(line: str, page: str, stage: Stage) -> str:
    """The line with this world's values in the place of the reader's."""
    bill, expensify, freshbooks = (stage.settings[name] for name in ("bill", "expensify", "freshbooks"))
    values = {
        "username=sync@acme.example": f"username={bill['username']}",
        "organization_id=00801ABCDEFGHIJKLMNO": f"organization_id={bill['organization_id']}",
        "partner_user_id=aa_acme_example_com": f"partner_user_id={expensify['partner_user_id']}",
        "client_id=ID": f"client_id={freshbooks['client_id']}",
        'provider_name="Acme Books"': f"provider_name={stage.settings['ramp']['provider_name']}",
        "7ae21ffc-f34f-436e-928d-bd4947ad5385": stage.names["edited"],
        "6835b37b-dcfc-45b3-bfba-cacb26b295d3": stage.names["deleted"],
        "232c2641-45e5-4385-8cba-03815b62d0fd": stage.names["transaction"],
        "vendor_owner=ap@acme.example": f"vendor_owner={stage.names['owner']}",
        "'Ana López'": "'Acme Supply'",
        "'Acme Supplies'": "'Acme Supply'",
        "'Meals and Entertainment'": "'Office Supplies'",
        "'Harbor Foods'": "'Smith:Kitchen'",
        "my_flow -k my_case": "ramp_to_quickbooks -k missing_vendor",
        # Nobody visits this store; that the wait ends with the answer is tested with `reconcile`.
        "--wait 10m": "--wait 1s",
        "/var/lib/flowctl": str(stage.home),
        "/backup": str(stage.home.parent / "backup"),
    }
    if page == LEDGER:  # the reader's company has no books yet
        values["acme"] = "bare"
    return re.sub("|".join(map(re.escape, sorted(values, key=len, reverse=True))), lambda found: values[found[0]], line)


LEDGER = "docs/howto/post-into-a-ledger-file.md"


def _secret(connection: str, name: str) -> Callable[[Stage], str]:
    return lambda stage: stage.secrets[connection][name] + "\n"


def _chart(_: Stage) -> str:
    return next(fence.text for fence in pages.fences(ROOT / LEDGER) if fence.language == "csv")


# Files that a page takes for granted, by page.
FILES: Mapping[str, Mapping[str, Callable[[Stage], str]]] = {
    "docs/howto/alerts.md": {"address.txt": lambda _: "json://127.0.0.1:9/alerts\n"},
    "docs/howto/connect-bill.md": {
        "password.txt": _secret("bill", "password"),
        "key.txt": _secret("bill", "dev_key"),
        "webhook.txt": _secret("bill", "webhook_key"),
    },
    "docs/howto/connect-expensify.md": {"secret.txt": _secret("expensify", "partner_user_secret")},
    "docs/howto/connect-ramp.md": {
        "id.txt": _secret("ramp", "client_id"),
        "secret.txt": _secret("ramp", "client_secret"),
        "webhook.txt": _secret("ramp", "webhook_secret"),
    },
    LEDGER: {"chart.csv": _chart},
}
# What is given on stdin, by command.
STDIN: Mapping[str, Callable[[Stage], str]] = {
    r"flowctl connect freshbooks .*--code-file -": lambda stage: stage.code(),
}


def _break(folder: Path) -> None:
    """The edit that the text before the command asks for."""
    path = folder / "flows" / "first.yaml"
    whole = path.read_text(encoding="utf-8")
    broken = whole.replace('country: "limit(country, `31`)"', "country: country")
    assert broken != whole
    path.write_text(broken, encoding="utf-8")


# What the reader does before a command, by page and command.
FIRST: Mapping[tuple[str, str], Callable[[Path], None]] = {
    ("docs/howto/write-a-flow.md", "flowctl validate flows/first.yaml"): _break,
}


def others(line: str, shell: Shell) -> str | None:
    """What is wrong with a command that is not flowctl's; it is not run, but what it names must be there."""
    first, *words = line.split()
    first = first.rsplit("/", 1)[-1]
    if first == "make":
        known = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        return None if words[0] in known else f"the Makefile has no `{words[0]}`"
    if first in ("python", "python3") and words[0] == "-m":
        return None if importlib.util.find_spec(words[1]) else f"there is no module `{words[1]}`"
    if first in ("python", "python3") and words[0] == "-c":
        code = line.partition('"')[2].rpartition('"')[0]
        exec(compile(code, "page", "exec"), {})
        return None
    if first == "pip":  # the test of the wheel installs for real
        named = [word.removeprefix("/opt/flowctl/") for word in words if word.startswith("/opt/flowctl/")]
        missing = [name for name in named if not (ROOT / name).exists()]
        return f"there is no {missing[0]}" if missing else None
    if first == "install":
        missing = [
            w for w in words if w.startswith("/opt/flowctl/") and not (ROOT / w.removeprefix("/opt/flowctl/")).exists()
        ]
        return f"there is no {missing[0]}" if missing else None
    if first in ("podman", "systemctl", "useradd"):  # a server's own; the files that they take are named with `-f`
        files = [word for word, before in zip(words[1:], words, strict=False) if before == "-f"]
        missing = [name for name in files if not (ROOT / name).exists()]
        return f"there is no {missing[0]}" if missing else None
    if first == "git" and words[0] == "-C":
        words = words[2:]
    if first == "git":
        return (
            None if words[0] in ("clone", "add", "commit", "init", "diff", "pull") else f"`git {words[0]}` is not known"
        )
    return f"`{first}` is not known to the test: add it to `others` in tests/docs/commands.py"
