"""Every semantic rule, in the order of its code."""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
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
    unused_setting,
    unused_lookup,
    unused_define,
    unused_connection,
)


_UNUSED = frozenset({unused_setting.ID, unused_lookup.ID, unused_define.ID, unused_connection.ID})
_UNREADABLE = frozenset({"E101", "E102"})


def run_rules(env: Env) -> Iterator[Diagnostic]:
    """What every rule finds in the flow, without what only follows from another mistake."""
    found = [problem for rule in RULES for problem in rule.check(env.flow, env)]
    # A name that was only misspelt is used, and an expression that cannot be read may use any.
    meant = {problem.edit.new for problem in found if problem.edit is not None}
    unread = any(problem.code in _UNREADABLE for problem in found)
    for problem in found:
        if problem.code not in _UNUSED or not (unread or problem.where.rpartition(".")[2] in meant):
            yield problem
