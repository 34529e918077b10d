-- Which process does a run: whoever starts later ends only those runs whose process is gone. Empty for what an older flowctl
-- has begun.
ALTER TABLE runs ADD COLUMN process TEXT NOT NULL DEFAULT '';
