-- How people hear of what they must know. `company` is empty for what belongs to the whole house.

-- What was changed of a rule's settings, as JSON.
CREATE TABLE alert_rules (
    company     TEXT NOT NULL,
    rule        TEXT NOT NULL,
    settings    TEXT NOT NULL,
    updated_at  TEXT NOT NULL,
    PRIMARY KEY (company, rule)
);

-- Where messages go. The address holds secrets and is sealed by the vault; `hint` is what may be shown of it. `settings`
-- says when messages are sent, as JSON. A channel that does not take them is `failing_since` then, and tried again later.
CREATE TABLE alert_channels (
    id            INTEGER PRIMARY KEY,
    company       TEXT NOT NULL,
    name          TEXT NOT NULL,
    hint          TEXT NOT NULL,
    key_id        TEXT NOT NULL,
    sealed        BLOB,
    settings      TEXT NOT NULL DEFAULT '{}',
    muted_until   TEXT NOT NULL DEFAULT '',
    muted_by      TEXT NOT NULL DEFAULT '',
    muted_why     TEXT NOT NULL DEFAULT '',
    failures      INTEGER NOT NULL DEFAULT 0,
    failing_since TEXT NOT NULL DEFAULT '',
    last_error    TEXT NOT NULL DEFAULT '',
    next_try_at   TEXT NOT NULL DEFAULT '',
    sent_at       TEXT NOT NULL DEFAULT '',
    created_at    TEXT NOT NULL,
    UNIQUE (company, name)
);

-- What people are told: one open notice a rule and subject, with how many records and how much money by currency (JSON).
CREATE TABLE alert_notices (
    id          INTEGER PRIMARY KEY,
    company     TEXT NOT NULL,
    rule        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    severity    TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'urgent')),
    title       TEXT NOT NULL,
    detail      TEXT NOT NULL DEFAULT '',
    hint        TEXT NOT NULL DEFAULT '',
    place       TEXT NOT NULL DEFAULT '',
    records     INTEGER NOT NULL DEFAULT 0,
    money       TEXT NOT NULL DEFAULT '{}',
    since_at    TEXT NOT NULL,
    opened_at   TEXT NOT NULL,
    ended_at    TEXT
);
CREATE UNIQUE INDEX alert_notices_one_open ON alert_notices (company, rule, subject) WHERE ended_at IS NULL;
CREATE INDEX alert_notices_by_company ON alert_notices (company, id);
CREATE INDEX alert_notices_by_end ON alert_notices (ended_at) WHERE ended_at IS NOT NULL;

-- What nobody wants to hear of for now. Without `until_at`: until it is over.
CREATE TABLE alert_mutes (
    company     TEXT NOT NULL,
    rule        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    until_at    TEXT NOT NULL,
    why         TEXT NOT NULL,
    actor       TEXT NOT NULL,
    at          TEXT NOT NULL,
    PRIMARY KEY (company, rule, subject)
);

-- The outbox of messages: what a channel is still to be told of a notice.
CREATE TABLE alert_deliveries (
    id          INTEGER PRIMARY KEY,
    channel_id  INTEGER NOT NULL,
    notice_id   INTEGER NOT NULL,
    event       TEXT NOT NULL CHECK (event IN ('opened', 'grew', 'still', 'solved')),
    records     INTEGER NOT NULL DEFAULT 0,
    state       TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'dropped')),
    made_at     TEXT NOT NULL,
    done_at     TEXT NOT NULL DEFAULT ''
);
CREATE INDEX alert_deliveries_waiting ON alert_deliveries (channel_id, id) WHERE state = 'waiting';
CREATE INDEX alert_deliveries_by_notice ON alert_deliveries (notice_id, channel_id, id);
CREATE INDEX alert_deliveries_by_end ON alert_deliveries (done_at) WHERE state <> 'waiting';
