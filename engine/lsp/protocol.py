"""What we know, in the types of the language server protocol; places in the units that the editor counts in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from lsprotocol import types

from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic
from engine.lsp.actions import Action, Replacement
from engine.lsp.completion import Item
from engine.lsp.meaning import Meaning
from engine.lsp.outline import Symbol
from engine.lsp.positions import Encoding, Span, from_units, lines_of, problem_span, to_units

_SEVERITIES = {"error": types.DiagnosticSeverity.Error, "warning": types.DiagnosticSeverity.Warning}
# Codes of what is declared and never used.
_UNUSED = frozenset({"F050", "F051", "F052", "F053"})
_KINDS = {
    "key": types.CompletionItemKind.Property,
    "value": types.CompletionItemKind.EnumMember,
    "field": types.CompletionItemKind.Field,
    "function": types.CompletionItemKind.Function,
    "define": types.CompletionItemKind.Method,
    "name": types.CompletionItemKind.Reference,
}
_SYMBOLS = {
    "connections": types.SymbolKind.Interface,
    "settings": types.SymbolKind.Property,
    "lookups": types.SymbolKind.Array,
    "define": types.SymbolKind.Function,
    "streams": types.SymbolKind.Class,
}
FIX_ALL = "source.fixAll.flowctl"


@dataclass(frozen=True, slots=True)
class Text:
    """The lines of a file, and the units that the editor counts columns in."""

    lines: Sequence[str]
    encoding: Encoding

    @classmethod
    def of(cls, text: str, encoding: str) -> Text:
        """A text in one of the three encodings that an editor and we can agree on."""
        return cls(lines_of(text), cast("Encoding", encoding))

    def range(self, span: Span) -> types.Range:
        """A part of the text."""
        return types.Range(self._position(span.line, span.start), self._position(span.end_line, span.end))

    def span(self, given: types.Range) -> Span:
        """A part of the text that the editor names."""
        start, end = self.column(given.start), self.column(given.end)
        return Span(given.start.line, start, given.end.line, end)

    def column(self, position: types.Position) -> int:
        """The column of a position that the editor names."""
        line = self.lines[position.line] if position.line < len(self.lines) else ""
        return from_units(line, position.character, self.encoding)

    def _position(self, line: int, column: int) -> types.Position:
        units = to_units(self.lines[line], column, self.encoding) if line < len(self.lines) else 0
        return types.Position(line, units)


def diagnostic(problem: Diagnostic, text: Text) -> types.Diagnostic:
    """A problem with its hint."""
    return types.Diagnostic(
        range=text.range(problem_span(problem, text.lines)),
        message=f"{problem.message}\nhint: {problem.hint}" if problem.hint else problem.message,
        severity=_SEVERITIES[problem.level],
        code=problem.code,
        source="flowctl",
        tags=[types.DiagnosticTag.Unnecessary] if problem.code in _UNUSED else None,
    )


def completion(item: Item, order: int, text: Text) -> types.CompletionItem:
    """One thing that may be written."""
    return types.CompletionItem(
        label=item.label,
        kind=_KINDS[item.kind],
        detail=item.detail or None,
        documentation=types.MarkupContent(types.MarkupKind.Markdown, item.about) if item.about else None,
        sort_text=f"{item.rank}{order:04}",
        filter_text=item.label,
        text_edit=types.TextEdit(text.range(item.span), item.insert),
    )


def hover(found: Meaning, text: Text) -> types.Hover:
    """What a word means."""
    return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, found.about), text.range(found.span))


def symbol(found: Symbol, text: Text) -> types.DocumentSymbol:
    """A part of the outline."""
    return types.DocumentSymbol(
        name=found.name or "?",
        kind=types.SymbolKind.Namespace if found.parts else _SYMBOLS[found.section],
        range=text.range(found.span),
        selection_range=text.range(found.at),
        detail=found.detail or None,
        children=[symbol(part, text) for part in found.parts],
    )


def quick_fix(action: Action, uri: str, text: Text) -> types.CodeAction:
    """Something to do about a problem."""
    return types.CodeAction(
        title=action.title,
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[diagnostic(action.problem, text)],
        is_preferred=action.certain or None,
        edit=_edit(action.replacement, uri, text),
    )


def fix_all(replacement: Replacement, uri: str, text: Text) -> types.CodeAction:
    """All that can only be meant one way, at once."""
    return types.CodeAction(
        title="Mend all that can only be meant one way", kind=FIX_ALL, edit=_edit(replacement, uri, text)
    )


def _edit(replacement: Replacement, uri: str, text: Text) -> types.WorkspaceEdit:
    return types.WorkspaceEdit({uri: [types.TextEdit(text.range(replacement.span), replacement.new)]})
