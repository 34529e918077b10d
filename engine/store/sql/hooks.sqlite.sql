-- name: hooks_known
SELECT json_group_array(event_id) AS known FROM webhook_events
WHERE company = :company AND connection = :connection AND event_id IN (SELECT value FROM json_each(:ids));

-- name: hooks_insert
INSERT INTO webhook_events
  (id, company, connection, event_id, type, object_id, streams, size, body_id, place, received_at, last_at)
SELECT :first + key, :company, :connection, json_extract(value, '$[0]'), json_extract(value, '$[1]'),
       json_extract(value, '$[2]'), json_extract(value, '$[3]'), json_extract(value, '$[4]'), :body_id, key, :at, :at
FROM json_each(:events) WHERE true ON CONFLICT (company, connection, event_id) DO NOTHING;
