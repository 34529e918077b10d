-- Without a row number, a tally is one place in one tree: to count costs one write instead of two, and a year of them is read
-- in order and in one go.
ALTER TABLE tallies RENAME TO tallies_before;
CREATE TABLE tallies (
    company     TEXT NOT NULL,
    day         TEXT NOT NULL,
    flow        TEXT NOT NULL,
    stream      TEXT NOT NULL,
    what        TEXT NOT NULL CHECK (what IN ('read', 'posted', 'deferred', 'failed', 'skipped')),
    within_s    INTEGER NOT NULL DEFAULT 0,
    number      INTEGER NOT NULL,
    PRIMARY KEY (company, day, what, within_s, flow, stream)
) WITHOUT ROWID;
INSERT INTO tallies (company, day, flow, stream, what, within_s, number)
SELECT company, day, flow, stream, what, within_s, number FROM tallies_before;
DROP TABLE tallies_before;
