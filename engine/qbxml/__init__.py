"""QBXML as text and schema: pure functions with no store and no network.

Import from the module that holds the function, so that a command pays only for what it uses:
`envelope`, `queries` and `text` need no XML library; `response`, `check` and `lint` load lxml.
"""
