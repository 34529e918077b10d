-- Which process does a run: whoever starts later ends only those runs whose process is gone. Empty for what an older flowctl
-- has begun.
ALTER TABLE runs ADD COLUMN process TEXT NOT NULL DEFAULT '';

-- Which tasks a process takes: the form in which they are kept, and the flows that it serves. An older flowctl says nothing.
ALTER TABLE executors ADD COLUMN form TEXT NOT NULL DEFAULT 'flowctl-tasks-1';
