"""How operations are written to targets that are called: the connection, the durable steps, one at a time, many at once."""
