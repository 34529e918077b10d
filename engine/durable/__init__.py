"""Work that outlives the process that was given it: what is to do is found in our store, an engine of others executes it."""
