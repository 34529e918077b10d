-- What all processes do together on one credential or organisation of a vendor: calls made, by
-- window, `{window: [[until, count], ...]}` in seconds since 1970, and who has a call under way until when, `{holder: until}`.
CREATE TABLE limits (
    name        TEXT PRIMARY KEY,
    calls       TEXT NOT NULL DEFAULT '{}',
    under_way   TEXT NOT NULL DEFAULT '{}'
);
