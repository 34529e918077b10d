-- What we wrote and believe to be in the target, one row a record and object; `operation_id` is what wrote it last, and
-- empty when a person named the object. `seq` counts in the order of posting. `accepted` is what a person let pass of the
-- changes that somebody made there, as JSON: empty text when nobody did. One that is `away` is in the company file `file`,
-- from which the company was released.
CREATE TABLE holdings (
    company       TEXT NOT NULL,
    target_id     TEXT NOT NULL,
    record_id     INTEGER NOT NULL REFERENCES records (id),
    kind          TEXT NOT NULL,
    operation_id  TEXT NOT NULL DEFAULT '',
    seq           INTEGER NOT NULL,
    edit_sequence TEXT NOT NULL DEFAULT '',
    state         TEXT NOT NULL CHECK (state IN ('there', 'gone', 'replaced', 'away')),
    file          TEXT NOT NULL DEFAULT '',
    differences   TEXT NOT NULL DEFAULT '[]',
    accepted      TEXT NOT NULL DEFAULT '',
    looked_at     TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (company, target_id, record_id)
);
CREATE INDEX holdings_by_seq ON holdings (company, seq);
CREATE INDEX holdings_by_look ON holdings (company, state, looked_at, seq);
CREATE INDEX holdings_by_record ON holdings (record_id);

-- Objects of the target that no record of ours accounts for, and that carry a marker of ours or none at all. `record_id`
-- is the record whose marker it is: NULL until somebody has looked, 0 when there is none, -1 when there can be none.
CREATE TABLE sightings (
    company       TEXT NOT NULL,
    target_id     TEXT NOT NULL,
    kind          TEXT NOT NULL,
    guid          TEXT NOT NULL,
    reference     TEXT NOT NULL DEFAULT '',
    dated_on      TEXT NOT NULL DEFAULT '',
    edit_sequence TEXT NOT NULL,
    data          TEXT NOT NULL,
    total         TEXT,
    seen_at       TEXT NOT NULL,
    record_id     INTEGER,
    PRIMARY KEY (company, target_id)
);
CREATE INDEX sightings_by_guid ON sightings (company, guid);
CREATE INDEX sightings_by_record ON sightings (company, record_id);
CREATE INDEX sightings_by_number ON sightings (company, kind, reference) WHERE guid = '';
CREATE INDEX sightings_by_date ON sightings (company, kind, dated_on) WHERE guid = '';

-- Small things that are remembered from one session to the next, JSON by name.
CREATE TABLE facts (
    company       TEXT NOT NULL,
    name          TEXT NOT NULL,
    value         TEXT NOT NULL,
    updated_at    TEXT NOT NULL,
    PRIMARY KEY (company, name)
);

-- Requests to compare both sides, and what the target answered: one row an object, its figures as JSON.
CREATE TABLE spans (
    id            INTEGER PRIMARY KEY,
    company       TEXT NOT NULL,
    first_on      TEXT NOT NULL,
    last_on       TEXT NOT NULL,
    kinds         TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('asked', 'done', 'failed', 'replaced')),
    problem       TEXT NOT NULL DEFAULT '',
    actor         TEXT NOT NULL,
    asked_at      TEXT NOT NULL,
    answered_at   TEXT
);
CREATE UNIQUE INDEX spans_one_asked ON spans (company) WHERE state = 'asked';
CREATE TABLE span_figures (
    span          INTEGER NOT NULL REFERENCES spans (id),
    target_id     TEXT NOT NULL,
    figures       TEXT NOT NULL,
    PRIMARY KEY (span, target_id)
);

-- What the source says now of a record that was posted as it was before; a modify makes the target agree.
ALTER TABLE records ADD COLUMN newest TEXT;

-- A modify: the object it changes, and the operation whose bytes wrote it last.
ALTER TABLE operations ADD COLUMN target_id TEXT NOT NULL DEFAULT '';
ALTER TABLE operations ADD COLUMN base_id TEXT NOT NULL DEFAULT '';
