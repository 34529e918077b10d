"""Every semantic rule, in the order of its code."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.flowlang.yamlsource import MapNode
from engine.lints import (
    after_circle,
    after_unknown,
    broken_connector,
    broken_template,
    candidate_fields,
    change_request,
    compares_only,
    expressions,
    filter_value,
    never_starts,
    provide_lookup,
    rendering,
    request_fields,
    setting_default,
    sweep_for_changes,
    template_needed,
    template_variables,
    told_by,
    undo_request,
    unknown_connection,
    unknown_connector,
    unknown_event,
    unknown_filter,
    unknown_list,
    unknown_mark,
    unknown_request,
    unknown_stream,
    unreachable_variant,
    unused_connection,
    unused_define,
    unused_entry,
    unused_lookup,
    unused_setting,
    visit_of_nobody,
)
from engine.lints.env import Env, Rule

RULES: tuple[Rule, ...] = (
    unknown_connector,
    unknown_connection,
    broken_connector,
    unknown_stream,
    unknown_filter,
    filter_value,
    unknown_list,
    after_unknown,
    after_circle,
    unknown_event,
    unknown_mark,
    unknown_request,
    template_needed,
    broken_template,
    template_variables,
    setting_default,
    told_by,
    provide_lookup,
    unreachable_variant,
    never_starts,
    change_request,
    sweep_for_changes,
    visit_of_nobody,
    undo_request,
    candidate_fields,
    compares_only,
    request_fields,
    expressions,
    rendering,
    unused_entry,
    unused_setting,
    unused_lookup,
    unused_define,
    unused_connection,
)


_UNUSED = frozenset({unused_setting.ID, unused_lookup.ID, unused_define.ID, unused_connection.ID})
_MEANT = re.compile("did you mean `([^`]+)`")
_UNREADABLE = frozenset({"E101", "E102"})
# What changes what is read: a stream that reads the same as another may seem to read something else then.
_MISPLACED = frozenset({change_request.ID, undo_request.ID})
_UNLIKE = frozenset({template_variables.ID, broken_template.ID, template_needed.ID, unknown_request.ID})
_READING = frozenset({unknown_stream.ID, unknown_filter.ID, filter_value.ID})
# Where the names are declared that a code says are unknown.
_DECLARED = {
    "E103": ("define",),
    "E105": ("settings",),
    "E106": ("lookups",),
    "E107": ("streams",),
    provide_lookup.ID: ("lookups",),
}


def run_rules(env: Env) -> Iterator[Diagnostic]:
    """What every rule finds in the flow, without what only follows from another mistake."""
    found = [problem for rule in RULES for problem in rule.check(env.flow, env)]
    # A name that was only misspelt is used, and an expression that cannot be read may use any.
    meant = {problem.edit.new for problem in found if problem.edit is not None}
    unread = any(problem.code in _UNREADABLE for problem in found)
    codes = {problem.code for problem in found}
    # A map that does not fit its templates has entries that no template reads.
    unlike = {_stream(problem) for problem in found if problem.code in _UNLIKE}
    unfit = {problem.where for problem in found if problem.code == template_variables.ID}
    misplaced = {problem.where for problem in found if problem.code in _MISPLACED}
    meant |= {near[1] for problem in found if (near := _MEANT.match(problem.hint or ""))}
    # One that is named as if it were a field is used as well.
    meant |= {problem.message.split("`")[1] for problem in found if problem.code == "E111" and "`" in problem.message}
    for problem in found:
        if problem.code in _UNUSED and (unread or problem.where.rpartition(".")[2] in meant):
            continue
        # The template of a request that does not belong there need not fit.
        owner = problem.where.rpartition(".")[0]
        if problem.code == template_variables.ID and f"{owner}.request" in misplaced:
            continue
        if problem.code == rendering.ID and problem.where in unfit:
            continue
        if problem.code == unused_entry.ID and _stream(problem) in unlike:
            continue
        if _section(problem, env) or (problem.code == never_starts.ID and codes & _READING):
            continue
        yield problem


def _stream(problem: Diagnostic) -> str:
    return ".".join(problem.where.split(".")[:2])


def _section(problem: Diagnostic, env: Env) -> bool:
    """Whether a name is unknown because the part that declares it cannot be read, which was reported."""
    for section in _DECLARED.get(problem.code, ()):
        node = env.node((section,))
        if node is not None and not isinstance(node, MapNode):
            return True
        unread = set(env.declared("define")) - {name for name, _ in env.flow.define}
        if problem.code == "E103" and any(f"`{name}`" in problem.message for name in unread):
            return True
    return False
