-- name: mark_insert
INSERT INTO marks (id, company, flow, connection, kind, record_id, source_id, outcome, text, details, request, state)
VALUES (:id, :company, :flow, :connection, :kind, :record_id, :source_id, :outcome, :text, :details, :request, 'waiting')
ON CONFLICT (record_id, kind, outcome, text) DO UPDATE SET state = 'waiting', call_id = NULL, request = excluded.request
WHERE marks.state = 'dropped'
  OR (excluded.outcome = 'failed' AND excluded.request <> '' AND excluded.request <> marks.request
      AND marks.state <> 'calling');

-- name: mark_spare
INSERT INTO marks (id, company, flow, connection, kind, record_id, source_id, outcome, text, details, request, state)
VALUES (:id, :company, :flow, :connection, :kind, :record_id, :source_id, :outcome, :text, :details, :request, 'dropped')
ON CONFLICT (record_id, kind, outcome, text) DO NOTHING;

-- name: mark_calling_other
SELECT id FROM marks WHERE record_id = :record_id AND kind = :kind AND outcome = :outcome AND text = :text
  AND state = 'calling' AND :request <> '' AND request <> :request;

-- name: marks_groups
SELECT DISTINCT connection, kind, request FROM marks
WHERE company = :company AND flow = :flow AND state = 'waiting' ORDER BY connection, kind, request;

-- name: marks_waiting
SELECT * FROM marks WHERE company = :company AND flow = :flow AND connection = :connection AND kind = :kind
  AND request = :request AND state = 'waiting' ORDER BY id LIMIT :limit;

-- name: marks_into_call
UPDATE marks SET state = 'calling', call_id = ? WHERE id = ?;

-- name: marks_drop_failed
UPDATE marks SET state = 'dropped'
WHERE record_id = :record_id AND outcome = 'failed' AND state = 'waiting' AND text <> :but;

-- name: mark_call_insert
INSERT INTO mark_calls (id, company, flow, connection, kind, request, idempotency_key, state, created_at)
VALUES (:id, :company, :flow, :connection, :kind, :request, :idempotency_key, 'waiting', :at);

-- name: mark_call_get
SELECT * FROM mark_calls WHERE id = :id;

-- name: mark_call_by_key
SELECT * FROM mark_calls WHERE idempotency_key = :key;

-- name: mark_call_reopen
UPDATE mark_calls SET state = 'waiting', not_before = '' WHERE id = :id;

-- name: marks_retry
UPDATE marks SET state = 'waiting', call_id = NULL WHERE id IN (SELECT value FROM json_each(:ids));

-- name: marks_refused
-- What was posted twice in its life, since a person had it posted again, is told under the id that it has now alone.
SELECT id FROM marks WHERE record_id = :record_id AND outcome = 'posted' AND state = 'refused'
  AND (NOT EXISTS (SELECT 1 FROM marks o WHERE o.record_id = marks.record_id AND o.kind = marks.kind
                     AND o.outcome = 'posted' AND o.id <> marks.id)
       OR EXISTS (SELECT 1 FROM records r WHERE r.id = marks.record_id AND r.receipt LIKE '%' || marks.text || '%'))
ORDER BY id;

-- name: mark_calls_open
SELECT * FROM mark_calls WHERE company = :company AND flow = :flow AND state = 'waiting' ORDER BY id;

-- name: mark_calls_waiting
SELECT COUNT(*) AS count FROM mark_calls WHERE company = :company AND flow = :flow AND state = 'waiting';

-- name: marks_of_call
SELECT * FROM marks WHERE call_id = :call_id ORDER BY id;

-- name: marks_bare
-- What a call says is posted without anything beside the reference, of records that were found and not prepared here.
SELECT m.id, r.id AS record_id, r.stream, r.payload FROM marks m JOIN records r ON r.id = m.record_id
WHERE m.call_id = :call_id AND m.outcome = 'posted' AND m.details = '' AND r.operation_id IS NULL ORDER BY m.id;

-- name: mark_details
UPDATE marks SET details = :details WHERE id = :id;

-- name: marks_read
-- When the record of each mark was read last; of a run that was pruned, at least when it was read first.
SELECT m.id, COALESCE(u.started_at, r.created_at) AS read_at
FROM marks m JOIN records r ON r.id = m.record_id LEFT JOIN runs u ON u.id = r.seen_run WHERE m.call_id = :call_id;

-- name: marks_calling
-- What waits to be told in a call, with what its record is called, and when it was read last.
SELECT m.id, m.source_id, r.reference, r.party, r.amount, r.currency, r.dated_on,
       COALESCE(u.started_at, r.created_at) AS read_at
FROM mark_calls c JOIN marks m ON m.call_id = c.id JOIN records r ON r.id = m.record_id LEFT JOIN runs u ON u.id = r.seen_run
WHERE c.company = :company AND c.flow = :flow AND c.state = 'waiting' AND c.connection = :connection AND c.kind = :kind
  AND m.state = 'calling'
ORDER BY m.id;

-- name: marks_untold
SELECT m.*, COALESCE(u.started_at, r.created_at) AS read_at
FROM marks m JOIN records r ON r.id = m.record_id LEFT JOIN runs u ON u.id = r.seen_run
WHERE m.record_id = :record_id AND m.state IN ('waiting', 'calling', 'refused') ORDER BY m.id;

-- name: mark_get
SELECT * FROM marks WHERE id = :id;

-- name: mark_put
UPDATE marks SET state = :state WHERE id = :id;

-- name: mark_subjects
SELECT m.id, m.source_id, r.stream FROM marks m JOIN records r ON r.id = m.record_id WHERE m.call_id = :call_id;

-- name: mark_call_done
UPDATE mark_calls SET state = :state WHERE id = :id AND state = 'waiting';

-- name: marks_done
UPDATE marks SET state = :state WHERE call_id = :call_id;

-- name: mark_call_trying
UPDATE mark_calls SET attempts = attempts + :more WHERE id = :id AND attempts + :more >= 0;

-- name: mark_call_later
UPDATE mark_calls SET not_before = :not_before WHERE id = :id;

-- name: mark_call_renew
UPDATE mark_calls SET idempotency_key = :key WHERE id = :id AND state = 'waiting';

-- name: marks_count
SELECT outcome, state, COUNT(*) AS count FROM marks WHERE company = :company AND (:flow = '' OR flow = :flow)
GROUP BY outcome, state;

-- name: marks_withhold
UPDATE marks SET state = 'dropped' WHERE record_id = :record_id AND outcome = 'posted' AND state = 'waiting';

-- name: marks_posted_of
SELECT * FROM marks WHERE record_id = :record_id AND outcome = 'posted' ORDER BY id;

-- name: mark_named
UPDATE marks SET text = :text WHERE record_id = :record_id AND outcome = 'posted' AND state = 'waiting' AND text = :before;

-- name: mark_revive
UPDATE marks SET state = 'waiting' WHERE id = :id AND state = 'dropped';

-- name: marks_untrue
SELECT m.* FROM marks m JOIN records r ON r.id = m.record_id
WHERE m.call_id = :call_id AND m.outcome = 'posted' AND r.state NOT IN ('posted', 'closed') ORDER BY m.id;

-- name: marks_overtaken
-- What was posted again since, with the mark that names the id that it has now, unless that one was refused before.
SELECT m.id, o.id AS other_id, r.state AS record_state
FROM marks m JOIN records r ON r.id = m.record_id
JOIN marks o ON o.record_id = m.record_id AND o.kind = m.kind AND o.outcome = 'posted' AND o.id <> m.id
  AND o.state <> 'refused'
WHERE m.call_id = :call_id AND m.outcome = 'posted' AND r.state IN ('posted', 'closed')
  AND r.receipt NOT LIKE '%' || m.text || '%' AND r.receipt LIKE '%' || o.text || '%'
ORDER BY m.id, o.id;

-- name: marks_out_of_call
UPDATE marks SET state = 'dropped', call_id = NULL WHERE id = ?;

-- name: marks_failed_since
SELECT COUNT(*) AS count FROM mark_calls c JOIN marks m ON m.call_id = c.id
WHERE c.company = :company AND (:flow = '' OR c.flow = :flow) AND c.created_at > :since AND m.outcome = 'failed';
