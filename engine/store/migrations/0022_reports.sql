-- What a comparison of both sides came to, kept when it was answered, so that a look at it reads a few rows however much was
-- ever posted. `journal_seq` is the head of the company's journal when it was made, and -1 when somebody wants it made anew;
-- `held_seq` the newest object that we had written by then. `took_ms` is how long it took.
CREATE TABLE span_reports (
    span          INTEGER PRIMARY KEY REFERENCES spans (id) ON DELETE CASCADE,
    company       TEXT NOT NULL,
    made_at       TEXT NOT NULL,
    journal_seq   INTEGER NOT NULL,
    held_seq      INTEGER NOT NULL,
    took_ms       INTEGER NOT NULL,
    compared      INTEGER NOT NULL,
    others        INTEGER NOT NULL,
    since         INTEGER NOT NULL,
    differences   INTEGER NOT NULL,
    notes         INTEGER NOT NULL,
    unposted      TEXT NOT NULL
);
-- What differs, in the order in which it is shown; `shown` is what the target shows of a record that was edited there.
-- `decision` is what a person has decided about it since, when the journal stood at `decided_seq`.
CREATE TABLE span_findings (
    span          INTEGER NOT NULL REFERENCES spans (id) ON DELETE CASCADE,
    place         INTEGER NOT NULL,
    company       TEXT NOT NULL,
    record_id     INTEGER,
    code          TEXT NOT NULL,
    is_note       INTEGER NOT NULL,
    finding       TEXT NOT NULL,
    shown         TEXT NOT NULL DEFAULT '',
    decision      TEXT NOT NULL DEFAULT '',
    decided_by    TEXT NOT NULL DEFAULT '',
    decided_at    TEXT NOT NULL DEFAULT '',
    decided_seq   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (span, place)
);
CREATE INDEX span_findings_by_record ON span_findings (company, record_id);
CREATE INDEX span_findings_decided ON span_findings (span, is_note) WHERE decision <> '';
-- Sums by vendor, account, month and kind, and the totals; one line of a table a row.
CREATE TABLE span_sums (
    span          INTEGER NOT NULL REFERENCES spans (id) ON DELETE CASCADE,
    part          TEXT NOT NULL,
    place         INTEGER NOT NULL,
    company       TEXT NOT NULL,
    differs       INTEGER NOT NULL,
    line          TEXT NOT NULL,
    PRIMARY KEY (span, part, place)
);
CREATE INDEX span_sums_differing ON span_sums (span, part, place) WHERE differs = 1;
