-- Whose turn it is to be worked on by a durable engine: one row for each piece of work of a company, which is counted on
-- with every turn. Whoever has an older number in his hands has been replaced, and may change nothing any more.
CREATE TABLE turns (
    company   TEXT NOT NULL,
    work      TEXT NOT NULL,
    number    INTEGER NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('idle', 'waiting', 'running')),
    executor  TEXT NOT NULL DEFAULT '',
    at        TEXT NOT NULL,
    PRIMARY KEY (company, work)
);
CREATE INDEX turns_open ON turns (company, work) WHERE state <> 'idle';

-- The processes that work, and when each last showed that it lives. How much was taken from those that did not is theirs.
CREATE TABLE executors (
    name       TEXT PRIMARY KEY,
    started_at TEXT NOT NULL,
    seen_at    TEXT NOT NULL
);

-- What is not due and waits all the same is found once a second, and none of it in most companies.
CREATE INDEX records_pending ON records (state, company) WHERE state = 'pending';
CREATE INDEX lists_due ON lists (company) WHERE due = 1;
CREATE INDEX facts_waiting ON facts (company, name) WHERE name LIKE 'asked:%' OR name LIKE 'list:%' OR name LIKE 'push:%';
-- Whether a company has connected anything since somebody looked.
CREATE INDEX connections_by_update ON connections (updated_at);
