-- name: hooks_known
SELECT COALESCE(json_agg(event_id), '[]') || '' AS known FROM webhook_events
WHERE company = :company AND connection = :connection AND event_id IN (SELECT value FROM json_each(:ids));

-- name: hooks_insert
-- No text of PostgreSQL holds the character 0, and none of its functions reads one in JSON.
INSERT INTO webhook_events
  (id, company, connection, event_id, type, object_id, streams, size, body_id, place, received_at, last_at)
SELECT :first + e.place - 1, :company, :connection, e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3,
       CAST(e.value ->> 4 AS BIGINT), :body_id, e.place - 1, :at, :at
FROM json_array_elements(CAST(replace(:events, '\u0000', '\ufffd') AS JSON)) WITH ORDINALITY AS e (value, place)
WHERE true ON CONFLICT (company, connection, event_id) DO NOTHING;
