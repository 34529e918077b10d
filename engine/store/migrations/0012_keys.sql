-- Data keys: each seals secrets, and is itself wrapped by the master key, which is never in here. One is active: what is
-- sealed now is sealed with it. An old one stays until nothing is sealed with it any more.
CREATE TABLE data_keys (
    key_id      TEXT PRIMARY KEY,
    master_id   TEXT NOT NULL,
    wrapped     BLOB NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('active', 'old')),
    made_at     TEXT NOT NULL
);
CREATE UNIQUE INDEX data_keys_one_active ON data_keys (state) WHERE state = 'active';

-- Empty for those that were sealed with the master key itself.
ALTER TABLE handshakes ADD COLUMN key_id TEXT NOT NULL DEFAULT '';

-- What checkpoints of the journal are signed with, one row: the private half is sealed. `written` is how many checkpoints
-- there are, so that a checkpoint file that was cut shows.
CREATE TABLE signing_keys (
    public_key  TEXT PRIMARY KEY,
    key_id      TEXT NOT NULL,
    sealed      BLOB NOT NULL,
    written     INTEGER NOT NULL DEFAULT 0,
    made_at     TEXT NOT NULL
);
