"""What a person does about records: stop, hold, leave out, replay, map, decide; the panel and the commands stand on it."""
