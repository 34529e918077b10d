"""What the documentation shows is done: YAML validates, commands run, and the tutorial's output is what appears."""
