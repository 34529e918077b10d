"""Speed and memory, measured: each benchmark against a baseline in the same run, medians of several rounds."""
