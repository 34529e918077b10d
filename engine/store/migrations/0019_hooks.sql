-- Webhook events, each known for ever: one that comes again has no effect. Those that are new have a number, by which they
-- are paged, what they brought forward (`streams`, a JSON list of FLOW/STREAM), and where their body is kept for a while.
ALTER TABLE webhook_events RENAME TO webhook_events_before;
CREATE TABLE webhook_events (
    id          INTEGER PRIMARY KEY,
    company     TEXT NOT NULL,
    connection  TEXT NOT NULL,
    event_id    TEXT NOT NULL,
    type        TEXT NOT NULL,
    object_id   TEXT,
    streams     TEXT NOT NULL DEFAULT '[]',
    size        INTEGER NOT NULL DEFAULT 0,
    body_id     TEXT NOT NULL DEFAULT '',
    place       INTEGER NOT NULL DEFAULT 0,
    received_at TEXT NOT NULL,
    times       INTEGER NOT NULL DEFAULT 1,
    last_at     TEXT NOT NULL,
    UNIQUE (company, connection, event_id)
);
INSERT INTO webhook_events (id, company, connection, event_id, type, object_id, received_at, last_at)
SELECT row_number() OVER (ORDER BY received_at, company, connection, event_id),
       company, connection, event_id, type, object_id, received_at, received_at
FROM webhook_events_before;
DROP TABLE webhook_events_before;
CREATE INDEX webhook_events_by_connection ON webhook_events (company, connection, id);
INSERT INTO counters (name, value) SELECT 'webhook', count(*) FROM webhook_events;

-- The bodies of the events that were committed together, sealed as one. They go after a while; the events stay.
CREATE TABLE webhook_bodies (
    company     TEXT NOT NULL,
    connection  TEXT NOT NULL,
    id          TEXT NOT NULL,
    key_id      TEXT NOT NULL,
    sealed      BLOB NOT NULL,
    received_at TEXT NOT NULL,
    PRIMARY KEY (company, connection, id)
);
CREATE INDEX webhook_bodies_by_age ON webhook_bodies (received_at);

-- How often calls came to a connection that had no effect, by kind and day. Nothing else is kept of them.
CREATE TABLE webhook_tallies (
    company     TEXT NOT NULL,
    connection  TEXT NOT NULL,
    kind        TEXT NOT NULL,
    day         TEXT NOT NULL,
    times       INTEGER NOT NULL,
    first_at    TEXT NOT NULL,
    last_at     TEXT NOT NULL,
    PRIMARY KEY (company, connection, kind, day)
);
