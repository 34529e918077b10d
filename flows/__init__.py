"""The shipped flow files, one YAML file an integration."""
