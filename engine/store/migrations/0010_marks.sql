-- What the source hears of a posted record beside the reference, as JSON; empty for nothing.
ALTER TABLE marks ADD COLUMN details TEXT NOT NULL DEFAULT '';
-- The request of a person of the source that a mark answers; empty for none. One call answers one request.
ALTER TABLE marks ADD COLUMN request TEXT NOT NULL DEFAULT '';
ALTER TABLE mark_calls ADD COLUMN request TEXT NOT NULL DEFAULT '';
-- How many failures were told lately.
CREATE INDEX mark_calls_newest ON mark_calls (company, created_at);
