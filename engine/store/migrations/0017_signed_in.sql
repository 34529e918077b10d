-- When each user last came in, so that nobody has to look for it in the journal; empty for who never did since.
ALTER TABLE users ADD COLUMN signed_in_at TEXT NOT NULL DEFAULT '';
