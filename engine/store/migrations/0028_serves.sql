-- What a process that does work serves: JSON with its version and a digest of each flow's files. An older flowctl says nothing.
ALTER TABLE executors ADD COLUMN serves TEXT NOT NULL DEFAULT '';
