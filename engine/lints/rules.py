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


def run_rules(env: Env) -> Iterator[Diagnostic]:
    """What every rule finds in the flow."""
    for rule in RULES:
        yield from rule.check(env.flow, env)
