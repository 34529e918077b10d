-- People who sign in to the panel. A password that was made for them (`is_once`) lets them in to choose their own, and for
-- nothing else. The second factor's secret is sealed by the vault under `totp_key_id`; `totp_step` is the last time step
-- that was used, so that a code works once.
CREATE TABLE users (
    user_name     TEXT PRIMARY KEY,
    role          TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    password_hash TEXT NOT NULL,
    is_once       INTEGER NOT NULL DEFAULT 1,
    totp_key_id   TEXT NOT NULL DEFAULT '',
    totp_sealed   BLOB,
    totp_step     INTEGER NOT NULL DEFAULT 0,
    created_at    TEXT NOT NULL,
    updated_at    TEXT NOT NULL
);

-- Who is signed in. Of the cookie only a digest is kept. `stage` says what is still asked for: `code` the second factor,
-- `choose` a password of one's own, `in` nothing. `flash` is shown once, on the next page (JSON).
CREATE TABLE user_sessions (
    id_hash       TEXT PRIMARY KEY,
    user_name     TEXT NOT NULL REFERENCES users (user_name),
    stage         TEXT NOT NULL CHECK (stage IN ('code', 'choose', 'in')),
    csrf          TEXT NOT NULL,
    flash         TEXT NOT NULL DEFAULT '',
    created_at    TEXT NOT NULL,
    seen_at       TEXT NOT NULL
);
CREATE INDEX user_sessions_by_user ON user_sessions (user_name);
CREATE INDEX user_sessions_by_age ON user_sessions (seen_at);

-- Refused sign-ins, by a digest of the user, the address, or both together: a user name that somebody typed may be a
-- password. Until `until_at` the next try is not even looked at.
CREATE TABLE sign_in_tries (
    name_hash     TEXT PRIMARY KEY,
    failures      INTEGER NOT NULL,
    until_at      TEXT NOT NULL,
    last_at       TEXT NOT NULL
);
CREATE INDEX sign_in_tries_by_age ON sign_in_tries (last_at);

-- The zone in which people of the company read times.
ALTER TABLE companies ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';

-- Ways to find records among a million. An amount is kept as exact text; a number made of it only finds and orders.
CREATE INDEX records_by_party ON records (company, lower(party), id);
CREATE INDEX records_by_reference ON records (company, lower(reference), id);
CREATE INDEX records_by_source ON records (company, lower(source_id), id);
CREATE INDEX records_by_date ON records (company, dated_on, id);
CREATE INDEX records_by_amount ON records (company, (CAST(amount AS NUMERIC)), id);

-- When the agent last came, and what was closed of late, are asked on every page.
CREATE INDEX sessions_by_company ON sessions (company, opened_at);
CREATE INDEX alerts_by_company ON alerts (company, id);
