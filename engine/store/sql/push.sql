-- name: push_next
SELECT o.*, r.state AS record_state FROM operations o JOIN records r ON r.id = o.record_id
WHERE o.company = :company AND o.connection = :connection AND o.state IN ('waiting', 'sent') AND o.state = CAST(:state AS TEXT)
  AND o.seq > :after AND r.flow = :flow
  AND (o.target_id <> '' OR o.request NOT IN (SELECT value FROM json_each(:without)))
  AND (o.not_before <= :at OR o.not_before > :latest OR (o.state = 'sent' AND (:eager = 1 OR r.state = 'sent')))
  AND (o.state = 'sent'
       OR (o.record_id NOT IN (SELECT record_id FROM held_records WHERE company = :company)
           AND NOT EXISTS (SELECT 1 FROM pauses WHERE company = :company AND flow IN ('', :flow))))
ORDER BY o.seq LIMIT 1;

-- name: push_lot
SELECT o.id, o.seq, o.company, o.connection, o.record_id, o.request, o.body, o.sha256, o.guid, o.follow_up, o.target_id,
       o.state, o.not_before, o.message_set_id, o.created_at, o.meant_for, r.state AS record_state
FROM operations o JOIN records r ON r.id = o.record_id
WHERE o.company = :company AND o.connection = :connection AND o.state IN ('waiting', 'sent') AND o.request = :request
  AND o.target_id = '' AND o.seq > :after AND r.flow = :flow
  AND (o.not_before <= :at OR o.not_before > :latest OR (o.state = 'sent' AND (:eager = 1 OR r.state = 'sent')))
  AND (o.state = 'sent'
       OR (o.record_id NOT IN (SELECT record_id FROM held_records WHERE company = :company)
           AND NOT EXISTS (SELECT 1 FROM pauses WHERE company = :company AND flow IN ('', :flow))))
ORDER BY o.seq LIMIT :limit;

-- name: push_any
SELECT o.id FROM operations o JOIN records r ON r.id = o.record_id
WHERE o.company = :company AND o.connection = :connection AND o.state IN ('waiting', 'sent') AND r.flow = :flow LIMIT 1;

-- name: push_resume
DELETE FROM facts WHERE company = :company AND substr(name, 1, length(:connection) + 6) = 'push:' || :connection || '/';

-- name: pushed_put
INSERT INTO pushed (company, connection, target_id, record_id) VALUES (:company, :connection, :target_id, :record_id)
ON CONFLICT (company, connection, target_id, record_id) DO NOTHING;

-- name: pushed_other
SELECT record_id FROM pushed WHERE company = :company AND connection = :connection AND target_id = :target_id
  AND record_id <> :record_id ORDER BY record_id LIMIT 1;

-- name: pushed_requests
SELECT r.flow, r.stream, r.source_id, r.phase, r.state, o.request, o.follow_up FROM records r
JOIN operations o ON o.id = r.operation_id
WHERE r.company = :company AND o.connection = :connection ORDER BY r.flow, r.stream, r.source_id, o.seq;
