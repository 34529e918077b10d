"""What the process says of itself: figures, spans, the id that ties log lines together, and whether it is well."""
