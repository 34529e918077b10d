-- name: claim_put
INSERT INTO claims (company, flow, lookup, list_id, record_id, stream, source_id, object)
VALUES (:company, :flow, :lookup, :list_id, :record_id, :stream, :source_id, :object)
ON CONFLICT (company, flow, lookup, list_id) DO UPDATE SET object = excluded.object
WHERE claims.record_id = excluded.record_id;

-- name: claim_get
SELECT * FROM claims WHERE company = :company AND flow = :flow AND lookup = :lookup AND list_id = :list_id;

-- name: claim_of_record
SELECT * FROM claims WHERE record_id = :record_id AND lookup = :lookup ORDER BY list_id LIMIT 1;

-- name: claims_release
DELETE FROM claims WHERE record_id = :record_id;

-- name: claim_waiting
SELECT r.* FROM claims c JOIN records r ON r.id = c.record_id JOIN operations o ON o.id = r.operation_id
WHERE c.company = :company AND c.flow = :flow AND c.lookup = :lookup AND c.list_id = :list_id
  AND r.state = 'intended' AND o.state = 'waiting';

-- name: wait_exists
SELECT 1 AS found FROM waits w JOIN records r ON r.id = w.record_id
WHERE w.company = :company AND w.wait_key = :wait_key AND r.state = 'deferred' AND r.flow = :flow
  AND NOT (r.stream = :stream AND r.source_id = :source_id) LIMIT 1;

-- name: waits_wanted
SELECT r.* FROM waits w JOIN records r ON r.id = w.record_id
WHERE w.company = :company AND w.wait_key = :wait_key AND r.state = 'skipped' ORDER BY r.id;
