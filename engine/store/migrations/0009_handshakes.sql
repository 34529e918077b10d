-- Handshakes of webhooks that wait to be confirmed to their vendor. What it posted may be a secret: it is sealed, and gone
-- once it is confirmed. The digest stays for a while, so that the same one is no new work.
CREATE TABLE handshakes (
    company      TEXT NOT NULL,
    connection   TEXT NOT NULL,
    digest       TEXT NOT NULL,
    sealed       BLOB,
    attempts     INTEGER NOT NULL DEFAULT 0,
    next_at      TEXT NOT NULL,
    received_at  TEXT NOT NULL,
    PRIMARY KEY (company, connection, digest)
);
CREATE INDEX handshakes_due ON handshakes (next_at) WHERE sealed IS NOT NULL;
