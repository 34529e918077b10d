"""Files that `flowctl init` and `flowctl new` write, as texts with <<names>> to fill in."""
