-- Everything flowctl keeps. Times are UTC ISO 8601 text that sorts; money is decimal text; JSON is text.
-- Written for SQLite and PostgreSQL alike: no rowid tricks, no SQLite-only functions.

CREATE TABLE companies (
    company     TEXT PRIMARY KEY,
    title       TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    paused      INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE settings (
    company     TEXT NOT NULL REFERENCES companies (company),
    flow        TEXT NOT NULL,
    name        TEXT NOT NULL,
    value       TEXT NOT NULL,
    PRIMARY KEY (company, flow, name)
);

CREATE TABLE connections (
    company     TEXT NOT NULL REFERENCES companies (company),
    connection  TEXT NOT NULL,
    connector   TEXT NOT NULL,
    settings    TEXT NOT NULL,
    updated_at  TEXT NOT NULL,
    PRIMARY KEY (company, connection)
);

-- Sealed with AES-256-GCM; the key is never in here. Tokens are kept here too, under the field `token`.
CREATE TABLE credentials (
    company     TEXT NOT NULL,
    connection  TEXT NOT NULL,
    field       TEXT NOT NULL,
    key_id      TEXT NOT NULL,
    sealed      BLOB NOT NULL,
    updated_at  TEXT NOT NULL,
    PRIMARY KEY (company, connection, field),
    FOREIGN KEY (company, connection) REFERENCES connections (company, connection)
);

-- Web Connector users: one a company; the password is an argon2id hash.
CREATE TABLE logins (
    user_name     TEXT PRIMARY KEY,
    company       TEXT NOT NULL REFERENCES companies (company),
    password_hash TEXT NOT NULL,
    updated_at    TEXT NOT NULL
);

CREATE TABLE identities (
    company     TEXT PRIMARY KEY REFERENCES companies (company),
    identity    TEXT NOT NULL,
    bound_at    TEXT NOT NULL
);

CREATE TABLE records (
    id             INTEGER PRIMARY KEY,
    company        TEXT NOT NULL,
    flow           TEXT NOT NULL,
    stream         TEXT NOT NULL,
    source_id      TEXT NOT NULL,
    phase          TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('pending', 'intended', 'sent', 'posted', 'closed', 'deferred',
                                                  'unknown', 'failed', 'skipped', 'vanished')),
    payload        TEXT NOT NULL,
    payload_sha256 TEXT NOT NULL,
    mapped_sha256  TEXT,
    drifted        INTEGER NOT NULL DEFAULT 0,
    reasons        TEXT NOT NULL DEFAULT '[]',
    amount         TEXT,
    currency       TEXT,
    party          TEXT,
    reference      TEXT,
    dated_on       TEXT,
    operation_id   TEXT,
    receipt        TEXT,
    attempts       INTEGER NOT NULL DEFAULT 0,
    seen_run       INTEGER NOT NULL,
    created_at     TEXT NOT NULL,
    updated_at     TEXT NOT NULL,
    UNIQUE (company, flow, stream, source_id, phase)
);
CREATE INDEX records_by_state ON records (company, state, flow, stream, id);

-- What would wake a deferred record: `mapping:vendor:<key>`, `list:Vendor`, `posted:bills:<id>`.
CREATE TABLE waits (
    record_id   INTEGER NOT NULL REFERENCES records (id),
    company     TEXT NOT NULL,
    wait_key    TEXT NOT NULL,
    PRIMARY KEY (record_id, wait_key)
);
CREATE INDEX waits_by_key ON waits (company, wait_key);

-- The outbox: frozen bytes that wait to be sent, are under way, or were answered.
CREATE TABLE operations (
    id             TEXT PRIMARY KEY,
    seq            INTEGER NOT NULL,
    company        TEXT NOT NULL,
    connection     TEXT NOT NULL,
    record_id      INTEGER NOT NULL REFERENCES records (id),
    request        TEXT NOT NULL,
    body           BLOB NOT NULL,
    sha256         TEXT NOT NULL,
    guid           TEXT NOT NULL,
    mapped         TEXT NOT NULL,
    follow_up      TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'done', 'held', 'cancelled')),
    not_before     TEXT NOT NULL DEFAULT '',
    message_set_id TEXT,
    created_at     TEXT NOT NULL
);
CREATE INDEX operations_waiting ON operations (company, seq) WHERE state = 'waiting';
CREATE INDEX operations_by_record ON operations (record_id);
CREATE INDEX operations_by_set ON operations (message_set_id) WHERE message_set_id IS NOT NULL;

CREATE TABLE message_sets (
    id          TEXT PRIMARY KEY,
    company     TEXT NOT NULL,
    body        BLOB NOT NULL,
    sha256      TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('sent', 'in_doubt', 'settled')),
    ticket_hash TEXT NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 1,
    sent_at     TEXT NOT NULL,
    settled_at  TEXT,
    settled_no  INTEGER,
    answer      BLOB
);
-- One message set in flight a company, whatever process tries.
CREATE UNIQUE INDEX message_sets_one_unsettled ON message_sets (company) WHERE state <> 'settled';
CREATE INDEX message_sets_settled ON message_sets (company, settled_no) WHERE state = 'settled';

CREATE TABLE journal (
    company     TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    at          TEXT NOT NULL,
    event       TEXT NOT NULL,
    flow        TEXT NOT NULL DEFAULT '',
    stream      TEXT NOT NULL DEFAULT '',
    record_id   INTEGER,
    source_id   TEXT NOT NULL DEFAULT '',
    state_from  TEXT NOT NULL DEFAULT '',
    state_to    TEXT NOT NULL DEFAULT '',
    actor       TEXT NOT NULL,
    detail      TEXT NOT NULL,
    hash        TEXT NOT NULL,
    PRIMARY KEY (company, seq)
);
CREATE INDEX journal_by_record ON journal (record_id) WHERE record_id IS NOT NULL;

CREATE TABLE journal_heads (
    company     TEXT PRIMARY KEY,
    seq         INTEGER NOT NULL,
    hash        TEXT NOT NULL
);

CREATE TABLE runs (
    id          INTEGER PRIMARY KEY,
    company     TEXT NOT NULL,
    flow        TEXT NOT NULL,
    started_at  TEXT NOT NULL,
    ended_at    TEXT,
    outcome     TEXT NOT NULL DEFAULT 'running',
    counts      TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX runs_by_company ON runs (company, flow, id);

CREATE TABLE checkpoints (
    company     TEXT NOT NULL,
    flow        TEXT NOT NULL,
    fetch       TEXT NOT NULL,
    checkpoint  TEXT,
    listed_run  INTEGER NOT NULL DEFAULT 0,
    updated_at  TEXT NOT NULL,
    PRIMARY KEY (company, flow, fetch)
);

-- Rows of the lookup tables: a person's mappings, and the objects that a flow created or adopted.
CREATE TABLE mappings (
    company     TEXT NOT NULL,
    flow        TEXT NOT NULL,
    lookup      TEXT NOT NULL,
    source_key  TEXT NOT NULL,
    label       TEXT NOT NULL DEFAULT '',
    list_id     TEXT NOT NULL DEFAULT '',
    full_name   TEXT NOT NULL,
    origin      TEXT NOT NULL CHECK (origin IN ('person', 'created', 'adopted')),
    actor       TEXT NOT NULL,
    updated_at  TEXT NOT NULL,
    PRIMARY KEY (company, flow, lookup, source_key)
);

CREATE TABLE lists (
    company     TEXT NOT NULL,
    list        TEXT NOT NULL,
    revision    INTEGER NOT NULL DEFAULT 0,
    loading     INTEGER NOT NULL DEFAULT 0,
    due         INTEGER NOT NULL DEFAULT 1,
    loaded_at   TEXT,
    PRIMARY KEY (company, list)
);

CREATE TABLE list_objects (
    company       TEXT NOT NULL,
    list          TEXT NOT NULL,
    list_id       TEXT NOT NULL,
    full_name     TEXT NOT NULL,
    folded        TEXT NOT NULL,
    number        TEXT NOT NULL DEFAULT '',
    active        INTEGER NOT NULL DEFAULT 1,
    edit_sequence TEXT NOT NULL DEFAULT '',
    data          TEXT NOT NULL DEFAULT '{}',
    loading       INTEGER NOT NULL,
    PRIMARY KEY (company, list, list_id)
);
CREATE INDEX list_objects_by_name ON list_objects (company, list, folded);
CREATE INDEX list_objects_by_number ON list_objects (company, list, number) WHERE number <> '';

CREATE TABLE sessions (
    ticket_hash TEXT PRIMARY KEY,
    company     TEXT NOT NULL,
    state       TEXT NOT NULL,
    is_open     INTEGER NOT NULL DEFAULT 1,
    opened_at   TEXT NOT NULL,
    seen_at     TEXT NOT NULL
);
CREATE UNIQUE INDEX sessions_one_open ON sessions (company) WHERE is_open = 1;

-- What the source must be told; a call groups marks under one idempotency key that is durable before it is sent.
CREATE TABLE mark_calls (
    id              INTEGER PRIMARY KEY,
    company         TEXT NOT NULL,
    flow            TEXT NOT NULL,
    connection      TEXT NOT NULL,
    kind            TEXT NOT NULL,
    idempotency_key TEXT NOT NULL UNIQUE,
    state           TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'refused')),
    attempts        INTEGER NOT NULL DEFAULT 0,
    not_before      TEXT NOT NULL DEFAULT '',
    created_at      TEXT NOT NULL
);
CREATE INDEX mark_calls_waiting ON mark_calls (company, flow, id) WHERE state = 'waiting';

CREATE TABLE marks (
    id          INTEGER PRIMARY KEY,
    company     TEXT NOT NULL,
    flow        TEXT NOT NULL,
    connection  TEXT NOT NULL,
    kind        TEXT NOT NULL,
    record_id   INTEGER NOT NULL REFERENCES records (id),
    source_id   TEXT NOT NULL,
    outcome     TEXT NOT NULL CHECK (outcome IN ('posted', 'failed')),
    text        TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('waiting', 'calling', 'done', 'refused', 'dropped')),
    call_id     INTEGER REFERENCES mark_calls (id),
    UNIQUE (record_id, kind, outcome, text)
);
CREATE INDEX marks_waiting ON marks (company, flow, connection, kind, id) WHERE state = 'waiting';
CREATE INDEX marks_by_call ON marks (call_id) WHERE call_id IS NOT NULL;

-- What a person must know of; one open alert a subject, counted when it comes again.
CREATE TABLE alerts (
    id          INTEGER PRIMARY KEY,
    company     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    message     TEXT NOT NULL,
    hint        TEXT NOT NULL DEFAULT '',
    times       INTEGER NOT NULL DEFAULT 1,
    first_at    TEXT NOT NULL,
    last_at     TEXT NOT NULL,
    resolved_at TEXT
);
CREATE UNIQUE INDEX alerts_one_open ON alerts (company, kind, subject) WHERE resolved_at IS NULL;

CREATE TABLE webhook_events (
    company     TEXT NOT NULL,
    connection  TEXT NOT NULL,
    event_id    TEXT NOT NULL,
    type        TEXT NOT NULL,
    object_id   TEXT,
    received_at TEXT NOT NULL,
    PRIMARY KEY (company, connection, event_id)
);

-- When each fetch is next read; a webhook brings the moment forward.
CREATE TABLE schedule (
    company     TEXT NOT NULL,
    flow        TEXT NOT NULL,
    stream      TEXT NOT NULL,
    next_at     TEXT NOT NULL,
    PRIMARY KEY (company, flow, stream)
);
CREATE INDEX schedule_by_time ON schedule (next_at);

CREATE TABLE leases (
    name        TEXT PRIMARY KEY,
    holder      TEXT NOT NULL,
    fence       INTEGER NOT NULL,
    until_at    TEXT NOT NULL
);

-- Numbers given out inside a transaction: record ids, outbox order, and the like.
CREATE TABLE counters (
    name        TEXT PRIMARY KEY,
    value       INTEGER NOT NULL
);
