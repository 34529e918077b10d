-- name: operation_insert
INSERT INTO operations (id, seq, company, connection, record_id, request, body, sha256, guid, mapped, follow_up, target_id,
                        base_id, meant_for, state, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?);

-- name: operations_next
SELECT o.* FROM operations o WHERE o.company = :company AND o.state = 'waiting' AND o.not_before <= :at
  AND (:connection = '' OR o.connection = :connection)
  AND o.request NOT IN (SELECT value FROM json_each(:without))
  AND o.id NOT IN (SELECT value FROM json_each(:later))
  AND NOT EXISTS (SELECT 1 FROM held_records h WHERE h.record_id = o.record_id AND h.company = :company)
  AND (NOT EXISTS (SELECT 1 FROM pauses WHERE company = :company)
       OR NOT EXISTS (SELECT 1 FROM records r JOIN pauses p ON p.company = r.company AND p.flow IN ('', r.flow)
                      WHERE r.id = o.record_id))
ORDER BY o.seq LIMIT :limit;

-- name: operations_none
SELECT 1 AS found WHERE NOT EXISTS (SELECT 1 FROM message_sets WHERE company = :company AND state <> 'settled')
  AND NOT EXISTS (SELECT 1 FROM operations WHERE company = :company AND state = 'waiting')
  AND NOT EXISTS (SELECT 1 FROM records WHERE company = :company AND state = 'pending');

-- name: operations_backlog
SELECT COUNT(*) AS count FROM (SELECT 1 FROM operations o WHERE o.company = :company AND o.state = 'waiting' AND o.not_before <= :at
  AND (:connection = '' OR o.connection = :connection)
  AND NOT EXISTS (SELECT 1 FROM held_records h WHERE h.record_id = o.record_id AND h.company = :company)
  AND (NOT EXISTS (SELECT 1 FROM pauses WHERE company = :company)
       OR NOT EXISTS (SELECT 1 FROM records r JOIN pauses p ON p.company = r.company AND p.flow IN ('', r.flow)
                      WHERE r.id = o.record_id)) LIMIT :limit) AS part;

-- name: operations_span
-- Numbers are given in order: no more wait than lie between the first and the last, those of other companies among them.
-- Each by itself: SQLite would go through all of them for both at once.
SELECT (SELECT MIN(seq) FROM operations WHERE company = :company AND state = 'waiting') AS first,
       (SELECT MAX(seq) FROM operations WHERE company = :company AND state = 'waiting') AS last;

-- name: operations_open_at
SELECT * FROM operations WHERE company = :company AND connection = :connection AND state IN ('waiting', 'sent')
UNION ALL
SELECT o.* FROM operations o JOIN records r ON r.id = o.record_id AND r.operation_id = o.id
WHERE o.company = :company AND o.connection = :connection AND o.state = 'held'
  AND r.state IN ('pending', 'intended', 'sent', 'unknown', 'failed', 'deferred', 'skipped', 'vanished')
ORDER BY seq;

-- name: operation_state
UPDATE operations SET state = :state, message_set_id = COALESCE(:message_set_id, message_set_id),
    not_before = :not_before WHERE id = :id;

-- name: operations_state
UPDATE operations SET state = :state, not_before = :not_before WHERE id IN (SELECT value FROM json_each(:ids));

-- name: operation_amend
UPDATE operations SET body = :body, sha256 = :sha256, follow_up = :follow_up WHERE id = :id AND state = 'waiting';

-- name: operation_get
SELECT * FROM operations WHERE id = :id;

-- name: operations_whole
SELECT * FROM operations WHERE id IN (SELECT value FROM json_each(:ids));

-- name: operations_of_ids
SELECT id, state, sha256, not_before FROM operations WHERE id IN (SELECT value FROM json_each(:ids));

-- name: operations_of_record
SELECT * FROM operations WHERE record_id = :record_id ORDER BY seq;

-- name: operations_of_set
SELECT * FROM operations WHERE message_set_id = :set_id ORDER BY seq;

-- name: set_insert
INSERT INTO message_sets (id, company, body, sha256, state, ticket_hash, attempts, sent_at)
VALUES (:id, :company, :body, :sha256, 'sent', :ticket_hash, 1, :at);

-- name: set_unsettled
SELECT * FROM message_sets WHERE company = :company AND state <> 'settled';

-- name: set_get
SELECT * FROM message_sets WHERE id = :id AND company = :company;

-- name: set_resent
UPDATE message_sets SET state = 'sent', attempts = attempts + 1, ticket_hash = :ticket_hash, sent_at = :at
WHERE id = :id AND company = :company AND state <> 'settled';

-- name: set_doubt
UPDATE message_sets SET state = 'in_doubt' WHERE id = :id AND company = :company AND state = 'sent';

-- name: set_settle
UPDATE message_sets SET state = 'settled', settled_at = :at, settled_no = :settled_no, answer = :answer
WHERE id = :id AND company = :company AND state <> 'settled';

-- name: set_uncleared
SELECT id FROM message_sets WHERE company = :company AND state = 'settled' ORDER BY settled_no DESC LIMIT 1;

-- name: sets_open
SELECT company, id, state, attempts, sent_at FROM message_sets WHERE state <> 'settled' ORDER BY company;
