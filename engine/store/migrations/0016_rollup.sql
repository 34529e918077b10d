-- Which run read a record first, and how many of what a run read first are posted by now.
ALTER TABLE records ADD COLUMN first_run INTEGER NOT NULL DEFAULT 0;
CREATE INDEX records_by_run ON records (first_run, id);
ALTER TABLE runs ADD COLUMN posted INTEGER NOT NULL DEFAULT 0;
-- What kept a run from finishing its work, and when each of its steps ended; both JSON.
ALTER TABLE runs ADD COLUMN problems TEXT NOT NULL DEFAULT '[]';
ALTER TABLE runs ADD COLUMN steps TEXT NOT NULL DEFAULT '[]';
CREATE INDEX runs_by_number ON runs (company, id);

-- Open alerts and those that are over are each looked at by themselves, whatever the number of the others.
DROP INDEX alerts_by_company;
CREATE INDEX alerts_open_by_number ON alerts (company, id) WHERE resolved_at IS NULL;
CREATE INDEX alerts_over_by_number ON alerts (company, id) WHERE resolved_at IS NOT NULL;

-- How many records took a step on a day, kept in the transaction of the step: charts of a million records read some
-- thousands of these rows. `day` is a day in the company's zone. `within_s` tells of what was posted how long it took, as
-- the smallest of a few spans that it fits in, so that a median needs no record. Whoever writes here has moved the head of
-- the company's journal before, and so waits for nobody else.
CREATE TABLE tallies (
    company     TEXT NOT NULL,
    day         TEXT NOT NULL,
    flow        TEXT NOT NULL,
    stream      TEXT NOT NULL,
    what        TEXT NOT NULL CHECK (what IN ('read', 'posted', 'deferred', 'failed', 'skipped')),
    within_s    INTEGER NOT NULL DEFAULT 0,
    number      INTEGER NOT NULL,
    PRIMARY KEY (company, day, what, within_s, flow, stream)
);
