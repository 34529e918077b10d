-- name: counter_create
INSERT INTO counters (name, value) VALUES (:name, 0) ON CONFLICT (name) DO NOTHING;

-- name: counter_take
UPDATE counters SET value = value + :count WHERE name = :name RETURNING value;

-- name: counter_get
SELECT value FROM counters WHERE name = :name;

-- name: journal_head
SELECT seq, hash FROM journal_heads WHERE company = :company;

-- name: journal_head_set
INSERT INTO journal_heads (company, seq, hash) VALUES (:company, :seq, :hash)
ON CONFLICT (company) DO UPDATE SET seq = excluded.seq, hash = excluded.hash;

-- name: journal_head_move
-- The same where the head is known to be there, which takes half as long.
UPDATE journal_heads SET seq = :seq, hash = :hash WHERE company = :company;

-- name: journal_append
INSERT INTO journal (company, seq, at, event, flow, stream, record_id, source_id, state_from, state_to, actor, detail, hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: journal_from
SELECT * FROM journal WHERE company = :company AND seq > :after ORDER BY seq LIMIT :limit;

-- name: journal_line
SELECT * FROM journal WHERE company = :company AND seq = :seq;

-- name: journal_strangers
SELECT DISTINCT company FROM journal WHERE company NOT IN (SELECT company FROM journal_heads) ORDER BY company;

-- name: journal_of_record
SELECT * FROM journal WHERE record_id = :record_id ORDER BY seq;

-- name: journal_companies
SELECT company, seq, hash FROM journal_heads ORDER BY company;
