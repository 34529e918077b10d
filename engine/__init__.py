"""Runs any flow; knows no vendor and never imports a connector."""
