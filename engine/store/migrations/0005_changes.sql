-- How far a source that can be asked for changes was read: the watermark, the streams that have taken in everything up to
-- it (a JSON list), and when the newest listing of everything began. What was kept before were places within a listing.
DROP TABLE checkpoints;
CREATE TABLE checkpoints (
    company     TEXT NOT NULL,
    flow        TEXT NOT NULL,
    fetch       TEXT NOT NULL,
    watermark   TEXT NOT NULL,
    streams     TEXT NOT NULL,
    swept_at    TEXT NOT NULL,
    PRIMARY KEY (company, flow, fetch)
);

-- When a stream was last read, or tried to; empty when it never was.
ALTER TABLE schedule ADD COLUMN read_at TEXT NOT NULL DEFAULT '';

-- Which source values mean an object whose list was not read yet when a person named it.
CREATE INDEX mappings_unresolved ON mappings (company, flow, lookup, full_name) WHERE list_id = '';
