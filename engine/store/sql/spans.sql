-- name: span_insert
INSERT INTO spans (id, company, first_on, last_on, kinds, state, actor, asked_at)
VALUES (:id, :company, :first_on, :last_on, :kinds, 'asked', :actor, :at);

-- name: spans_replace
UPDATE spans SET state = 'replaced' WHERE company = :company AND state = 'asked';

-- name: span_asked
SELECT * FROM spans WHERE company = :company AND state = 'asked';

-- name: span_get
SELECT * FROM spans WHERE company = :company AND id = :id;

-- name: span_newest
SELECT * FROM spans WHERE company = :company AND state = :state ORDER BY id DESC LIMIT 1;

-- name: span_finish
UPDATE spans SET state = :state, problem = :problem, answered_at = :at
WHERE id = :id AND company = :company AND state = 'asked';

-- name: spans_old
SELECT id FROM spans WHERE company = :company AND state <> 'asked' AND id < :before ORDER BY id;

-- name: span_drop
DELETE FROM spans WHERE id = :id;

-- name: span_figures_put
INSERT INTO span_figures (span, target_id, figures) VALUES (?, ?, ?)
ON CONFLICT (span, target_id) DO UPDATE SET figures = excluded.figures;

-- name: span_figures_of
SELECT figures FROM span_figures WHERE span = :span ORDER BY target_id;

-- name: span_figures_clear
DELETE FROM span_figures WHERE span = :span;

-- name: compared_records
SELECT r.id, r.flow, r.stream, r.source_id, r.phase, r.state, r.newest, r.drifted, r.receipt, r.amount, r.currency, r.party,
       r.reference, r.dated_on, h.target_id, h.kind, h.differences, h.accepted, h.seq,
       o.id AS operation, o.request, o.body, o.follow_up, o.base_id, s.settled_at
FROM holdings h JOIN records r ON r.id = h.record_id
LEFT JOIN operations o ON o.id = COALESCE(NULLIF(h.operation_id, ''), r.operation_id)
LEFT JOIN message_sets s ON s.id = o.message_set_id
WHERE h.company = :company AND h.state <> 'replaced' AND r.state IN ('posted', 'closed', 'vanished') AND h.seq > :after
  AND (h.state = 'there' OR NOT EXISTS (SELECT 1 FROM holdings a WHERE a.record_id = r.id AND a.state = 'there'))
ORDER BY h.seq LIMIT :limit;

-- name: compared_operation
SELECT o.id AS operation, o.request, o.body, o.follow_up, o.target_id, o.base_id, s.settled_at
FROM operations o LEFT JOIN message_sets s ON s.id = o.message_set_id WHERE o.id = :id;

-- name: compared_changes
SELECT id, flow, stream, source_id, phase, state, reasons FROM records
WHERE company = :company AND phase <> 'post' AND phase LIKE '%+%' ORDER BY id;

-- name: compared_unposted
SELECT flow, stream, state, amount, currency FROM records
WHERE company = :company AND phase NOT LIKE '%+%' AND phase <> 'watch'
  AND state IN ('pending', 'intended', 'sent', 'unknown', 'deferred', 'failed')
  AND ((dated_on >= :first_on AND dated_on <= :last_on) OR (dated_on IS NULL AND amount IS NOT NULL)) ORDER BY id;

-- name: compared_places
SELECT id, flow, stream, source_id, phase, state, reference, party, currency FROM records
WHERE company = :company AND phase NOT LIKE '%+%';

-- name: compared_kind_next
-- One look at the index for each kind: DISTINCT would walk all that the company holds.
SELECT MIN(kind) AS kind FROM holdings WHERE company = :company AND kind > :after;

-- name: spans_listed
SELECT * FROM spans WHERE company = :company ORDER BY id DESC LIMIT :limit;

-- name: span_objects
SELECT COUNT(*) AS count FROM (SELECT 1 AS found FROM span_figures WHERE span = :span LIMIT :most) AS part;
