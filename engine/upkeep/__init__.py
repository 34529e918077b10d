"""Care of the store: copies, putting one back, removing what is old, changing keys."""
