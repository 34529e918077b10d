"""A small flow that voids, and its golden cases: the shipped flows of Ramp have nothing that is voided."""
