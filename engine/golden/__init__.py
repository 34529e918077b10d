"""Golden cases of flows: what the world holds, what happens, and everything flowctl did, compared to the byte."""
