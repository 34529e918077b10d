"""Golden cases of flows: what the world holds and answers, the steps, and everything flowctl did, compared to the byte."""
