"""Holds every import of the source tree against the layers: lower layers only, no cycle, connectors apart from all."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.reference import ROOT

# Module prefix -> layer; the longest prefix that fits counts. A module imports its own layer and those below.
LAYERS = {
    "engine.errors": 0, "engine.diagnostics": 0, "engine.money": 0, "engine.clock": 0, "engine.jsontext": 0, "engine.differences": 0, "engine.dataclass": 0, "engine.telemetry.committed": 0, "engine.telemetry.meter": 0, "engine.telemetry.meters": 0, "engine.telemetry.trace": 0, "engine.telemetry.correlation": 0, "engine.marker": 0, "engine.shipped": 0, "engine.listspec": 1, "engine.identity": 0, "engine.ondisk": 0,
    "engine.model": 1, "engine.spec": 1, "engine.contract": 1, "engine.abilities": 1, "engine.simulated": 1, "engine.evidence": 1, "engine.qbxml": 1, "engine.vault": 1, "engine.retry": 1,
    "engine.access.passwords": 1, "engine.rigs": 1, "engine.accounting": 1, "engine.documents": 1, "engine.webhooks.handshakes": 1, "engine.connections.authorizing": 1,
    "engine.flowlang.yamlsource": 2, "engine.flowlang.diagram": 2, "engine.flowlang.language": 2, "engine.flowlang.structure": 2, "engine.flowlang.flowfile": 2, "engine.mapping": 2, "engine.flowlang.yamlwording": 2, "engine.flowlang.otherwords": 0, "engine.runwords": 0, "engine.titles": 4,
    "engine.render": 2, "engine.store": 2, "engine.log": 2, "engine.jsonbody": 2,
    "connectors": 3,
    "engine.registry": 4, "engine.lints": 4, "engine.validate": 4, "engine.flowlang.mend": 4, "engine.program": 4, "engine.lookups": 4, "engine.matching": 4, "engine.preparing": 4, "engine.telling": 4,
    "engine.pipeline": 4, "engine.follow": 4, "engine.astray": 4, "engine.reference": 4, "engine.flowswitch": 4, "engine.batch": 4, "engine.changes": 4, "engine.undo": 4, "engine.intake": 4, "engine.world": 4, "engine.runreport": 1, "engine.runlog": 4, "engine.runner": 4, "engine.desk": 4, "engine.opened": 4,
    "engine.listsource": 4, "engine.listing": 4, "engine.reading": 4, "engine.watch": 4, "engine.push": 4, "engine.absent": 4, "engine.pushing": 4, "engine.holders": 1, "engine.limits": 3, "engine.holdings": 4, "engine.otherstate": 4, "engine.told": 4, "engine.resetting": 4, "engine.reclaim": 4, "engine.reconcile": 4, "engine.service": 4, "engine.connections.connecting": 4, "engine.connections.binding": 4, "engine.durable": 4, "engine.durable.port": 2, "engine.durable.inline": 2, "engine.durable.where": 2, "engine.durable.dbos": 3, "engine.durable.lookback": 4, "engine.durable.alarms": 4, "engine.durable.served": 4,
    "engine.runscope": 4, "engine.telemetry.vitals": 5, "engine.telemetry.gauges": 5, "engine.telemetry.metering": 5, "engine.telemetry.tracing": 5, "engine.server": 5, "engine.app": 5, "engine.flowlang.codes": 5, "engine.serving": 5, "engine.report": 5, "engine.sarif": 5, "engine.demo": 5, "engine.testing": 5, "engine.conformance": 5, "engine.scaffold": 5, "engine.golden": 5, "engine.campaign": 5,
    "engine.alerting": 5, "engine.asked": 4, "engine.withdrawn": 4, "engine.sighted": 4, "engine.failtext": 4, "engine.telemetry.pulse": 4, "engine.buttons": 5,
    "engine.operator.worklist": 4, "engine.operator.targets": 4, "engine.operator.companyfile": 4, "engine.operator.mapfile": 4, "engine.overview": 5, "engine.health": 5, "engine.webhooks.confirming": 4, "engine.connections.landing": 5,
    "engine.preload": 4, "engine.seatcheck": 4, "engine.seats": 5, "engine.preview": 5, "engine.previewing": 5, "engine.flowlang.schemahints": 4, "engine.flowlang.flowschema": 4, "engine.lsp": 5, "engine.upkeep.rekeying": 4, "engine.audit.chain": 4, "engine.audit.standing": 4, "engine.audit.notary": 4, "engine.audit.signing": 1, "engine.audit.checkpoints": 4,
    "engine.cli": 6, "engine.refdocs": 6, "engine.access.totp": 1, "engine.companyzone": 4, "engine.access.users": 4, "engine.access.signin": 4, "engine.operator.skipping": 4, "engine.operator.suggesting": 4, "engine.operator.tomap": 4, "engine.standing": 5, "engine.way": 5, "engine.panel": 6, "engine.upkeep.backup": 4, "engine.upkeep.restoring": 4, "engine.upkeep.before": 4, "engine.upkeep.pruning": 4, "engine.history": 5, "engine.flowview": 5, "engine.connections.accounts": 4, "engine.connections.permitting": 4, "engine.connections.disconnecting": 4, "engine.connections.agents": 4, "engine.connections.checking": 5, "engine.connections.links": 5, "engine.operator.pausing": 4, "engine.operator.onhold": 4, "engine.operator.replaying": 4, "engine.operator.toldthere": 4, "engine.operator.sameas": 4, "engine.otheraccount": 4, "engine.keying": 4, "engine.operator.elsewhere": 4, "engine.operator.chosen": 5, "engine.operator.lookfor": 5, "engine.webhooks.rotation": 4, "engine.httpguard": 5, "engine.webhooks.hookintake": 4, "engine.webhooks.deliveries": 4, "engine.webhooks.hookdoor": 5, "engine.operator.flowsettings": 4, "engine.operator.resting": 4, "engine.operator.since": 4, "engine.polldoor": 5, "engine.bodies": 5, "engine.upkeep.moving": 4,
    "engine.webhooks": 0, "engine.telemetry": 0, "engine.operator": 0, "engine.upkeep": 0, "engine.audit": 0, "engine.access": 0, "engine.connections": 0, "engine.flowlang": 0,
    "engine": 0, "flows": 0, "schemas": 0, "qbxml_templates": 0,
}  # fmt: skip
# What a connector may use of the engine.
FOR_CONNECTORS = 1


def _modules() -> dict[str, Path]:
    found = {}
    for top in ("engine", "connectors", "flows", "schemas", "qbxml_templates"):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


def _layer(module: str) -> int:
    fitting = [
        prefix for prefix in LAYERS if module == prefix or (prefix != "engine" and module.startswith(prefix + "."))
    ]
    assert fitting, f"{module} has no layer: add it to LAYERS"
    return LAYERS[max(fitting, key=len)]


def _imports(module: str, *, at_import_time: bool) -> set[str]:
    """The project's own modules that `module` imports; at import time only, those outside functions and type checking."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if at_import_time and isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                continue
            if at_import_time and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{module}: relative import"
                base = child.module or ""
                found.add(base)
                found.update(f"{base}.{alias.name}" for alias in child.names)
            visit(child)

    visit(ast.parse(MODULES[module].read_text(encoding="utf-8")))
    return {name for name in found if name in MODULES and name != module}


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_downwards(module: str) -> None:
    above = {name for name in _imports(module, at_import_time=False) if _layer(name) > _layer(module)}
    # A layer-0 error may word a hint with the diagnostics beside it; nothing else reaches up.
    assert not above, f"{module} (layer {_layer(module)}) imports {sorted(above)}"


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("connectors.")])
def test_connectors_stand_apart(module: str) -> None:
    vendor = module.split(".")[1]
    for name in _imports(module, at_import_time=False):
        if name.startswith("connectors."):
            other = name.split(".")[1]
            assert other == vendor or other.startswith("_"), f"{module} imports another vendor: {name}"
        elif name.startswith("engine."):
            allowed = _layer(name) <= FOR_CONNECTORS
            assert allowed, f"{module} imports {name}, which connectors may not"


@pytest.mark.parametrize("module", [m for m in MODULES if m.split(".")[0] == "engine"])
def test_engine_never_imports_a_connector(module: str) -> None:
    assert not {name for name in _imports(module, at_import_time=False) if name.startswith("connectors")}


def test_no_import_cycle() -> None:
    graph = {module: _imports(module, at_import_time=True) for module in MODULES}
    # `from package import sibling` also names the package; a package that only re-exports would look like a cycle.
    graph = {m: {n for n in names if not m.startswith(n + ".")} for m, names in graph.items()}
    done: set[str] = set()
    path: list[str] = []

    def walk(module: str) -> None:
        assert module not in path, "cycle: " + " -> ".join([*path[path.index(module) :], module])
        if module in done:
            return
        path.append(module)
        for name in sorted(graph[module]):
            walk(name)
        path.pop()
        done.add(module)

    for module in sorted(graph):
        walk(module)


@pytest.mark.parametrize("module", MODULES)
def test_sizes(module: str) -> None:
    text = MODULES[module].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 600, f"{module} is long; is there a seam?"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 80, f"{module}.{node.name} has {length} lines"
        elif isinstance(node, ast.ClassDef):
            methods = [n for n in node.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
            public = [m for m in methods if not m.name.startswith("_")]
            assert len(public) <= 15, f"{module}.{node.name} has {len(public)} public methods"
