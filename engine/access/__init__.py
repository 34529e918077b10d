"""Who may use the panel, and how they sign in."""
