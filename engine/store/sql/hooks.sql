-- name: hook_body_insert
INSERT INTO webhook_bodies (company, connection, id, key_id, sealed, received_at)
VALUES (:company, :connection, :id, :key_id, :sealed, :at);

-- name: hook_body_get
SELECT * FROM webhook_bodies WHERE company = :company AND connection = :connection AND id = :id;

-- name: hook_body_older
SELECT company FROM webhook_bodies WHERE received_at < :before ORDER BY received_at LIMIT 1000;

-- name: hook_bodies_prune
DELETE FROM webhook_bodies WHERE (company, connection, id) IN
  (SELECT company, connection, id FROM webhook_bodies
   WHERE company = :company AND received_at < :before ORDER BY received_at LIMIT :limit);

-- name: hook_again
UPDATE webhook_events SET times = times + :times, last_at = :at
WHERE company = :company AND connection = :connection AND event_id = :event_id;

-- name: hook_tally
INSERT INTO webhook_tallies (company, connection, kind, day, times, first_at, last_at)
VALUES (:company, :connection, :kind, :day, :times, :at, :at)
ON CONFLICT (company, connection, kind, day) DO UPDATE
SET times = webhook_tallies.times + excluded.times, last_at = excluded.last_at;

-- name: hook_tally_older
SELECT DISTINCT company FROM webhook_tallies WHERE day < :before LIMIT 1000;

-- name: hook_tallies_prune
DELETE FROM webhook_tallies WHERE company = :company AND day < :before;

-- name: hook_tallies
SELECT connection, kind, SUM(times) AS times, MIN(first_at) AS first_at, MAX(last_at) AS last_at
FROM webhook_tallies WHERE company = :company AND day >= :since
GROUP BY connection, kind ORDER BY connection, kind;

-- name: hook_get
SELECT * FROM webhook_events WHERE company = :company AND id = :id;

-- name: hooks_page
SELECT * FROM webhook_events
WHERE company = :company AND connection = :connection AND id < :before AND id >= :least
  AND (:only = '' OR (:only = 'again' AND times > 1) OR (:only = 'idle' AND streams = '[]'))
  AND (:text = '' OR event_id = :text OR object_id = :text OR type = :text)
ORDER BY id DESC LIMIT :limit;

-- name: hook_newest
SELECT * FROM webhook_events WHERE company = :company AND connection = :connection ORDER BY id DESC LIMIT 1;

-- name: hook_records
SELECT id, flow, stream, phase, source_id, reference, party, amount, currency, dated_on, state FROM records
WHERE company = :company AND flow = :flow AND stream = :stream AND source_id = :source_id ORDER BY phase;

-- name: hook_read_at
SELECT read_at, next_at FROM schedule WHERE company = :company AND flow = :flow AND stream = :stream;

-- name: webhook_bodies_sealed
SELECT company, connection, 'webhook:' || id AS field, id AS ref, key_id, sealed FROM webhook_bodies
WHERE key_id <> :key_id AND (company > :company OR (company = :company AND (connection > :connection
      OR (connection = :connection AND id > :ref))))
ORDER BY company, connection, id LIMIT :limit;

-- name: webhook_bodies_reseal
UPDATE webhook_bodies SET key_id = :key_id, sealed = :sealed
WHERE company = :company AND connection = :connection AND id = :ref;

-- name: webhook_bodies_by_key
SELECT key_id, COUNT(*) AS count FROM webhook_bodies GROUP BY key_id;

-- name: webhook_bodies_forget
DELETE FROM webhook_bodies WHERE key_id = :key_id;
