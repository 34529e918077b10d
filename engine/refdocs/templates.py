"""The page of templates."""

from __future__ import annotations

from importlib.resources import files

from engine.refdocs.markdown import block, page, ticked


def templates_page() -> str:
    """The shipped templates, and what a template may use."""
    from engine import render

    doc = (render.__doc__ or "").split("\n\n", 1)[1]
    intro = (
        "A template turns a mapped record into one QBXML request. Each value of the flow's `map` is a variable of the "
        "template; `request_id` and `guid` are given by the engine, and to the template of a change `target_id` and "
        "`edit_sequence` as well. Templates of your own stand in a folder `templates` beside the flow file, and win over a "
        "shipped one of the same name. `flowctl validate` renders "
        "each template with a usual record and with each value as long as the map lets it be, and holds the result "
        "against the QBXML schema."
    )
    parts = ["## What a template may use", doc.strip()]
    found = render.Templates()
    for name in found.names():
        text = files("qbxml_templates").joinpath(name).read_text(encoding="utf-8")
        parts += [
            f"## {name}", f"Values: {ticked(sorted(found.get(name).variables))}.", block("jinja", text),
        ]  # fmt: skip
    return page("Templates", intro, parts)
