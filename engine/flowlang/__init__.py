"""The flow language: its words, its files, and what is wrong with one."""
