"""The language server: what an editor shows while a flow file is written.

`server` speaks the protocol and is the only module that knows it; all others are functions over a text and a place in it.
"""
