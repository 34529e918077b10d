"""The panel: pages for people who never open a terminal, rendered here, of use without JavaScript."""
