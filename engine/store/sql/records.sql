-- name: records_known
SELECT id, source_id, state, payload_sha256, mapped_sha256, drifted, reasons FROM records
WHERE company = :company AND flow = :flow AND stream = :stream AND phase = :phase
  AND source_id IN (SELECT value FROM json_each(:source_ids));

-- name: record_insert
INSERT INTO records (id, company, flow, stream, source_id, phase, state, payload, payload_sha256, mapped_sha256, reasons,
                     amount, currency, party, reference, dated_on, operation_id, seen_run, first_run, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: records_seen
UPDATE records SET seen_run = ? WHERE id = ?;

-- name: changes_seen
-- A page at a time: `state || ''` keeps SQLite from walking all that is open for each.
UPDATE records SET seen_run = :run
WHERE company = :company AND flow = :flow AND stream = :stream AND phase LIKE :phase || '+%'
  AND source_id IN (SELECT value FROM json_each(:source_ids)) AND state || '' IN ('pending', 'deferred', 'failed', 'intended');

-- name: record_payload
UPDATE records SET payload = :payload, payload_sha256 = :payload_sha256, amount = :amount, currency = :currency,
    party = :party, reference = :reference, dated_on = :dated_on, drifted = 0, newest = NULL, seen_run = :seen_run,
    updated_at = :at
WHERE id = :id;

-- name: record_same
UPDATE records SET payload_sha256 = :payload_sha256, seen_run = :seen_run, newest = NULL,
    payload = CASE WHEN state IN ('intended', 'sent', 'unknown') THEN :payload ELSE payload END,
    drifted = CASE WHEN state IN ('intended', 'sent', 'unknown') THEN drifted ELSE 0 END
WHERE id = :id;

-- name: record_drift
UPDATE records SET drifted = 1, payload_sha256 = :payload_sha256, newest = :payload, seen_run = :seen_run,
    updated_at = :at
WHERE id = :id;

-- name: record_newest
UPDATE records SET drifted = 0, payload_sha256 = :payload_sha256, newest = :payload, seen_run = :seen_run,
    updated_at = :at
WHERE id = :id;

-- name: record_rewritten
UPDATE records SET payload = :payload, mapped_sha256 = :mapped_sha256,
    amount = :amount, currency = :currency, party = :party, reference = :reference, dated_on = :dated_on,
    operation_id = :operation_id, receipt = :receipt, newest = :newest, drifted = 0, updated_at = :at
WHERE id = :id;

-- name: record_figures
UPDATE records SET amount = :amount, dated_on = :dated_on WHERE id = :id;

-- name: record_reasons
UPDATE records SET reasons = :reasons WHERE id = :id;

-- name: record_forget_seen
UPDATE records SET payload_sha256 = '' WHERE id = :id;

-- name: record_move
UPDATE records SET state = :to, reasons = :reasons, mapped_sha256 = COALESCE(:mapped_sha256, mapped_sha256),
    operation_id = COALESCE(:operation_id, operation_id), receipt = COALESCE(:receipt, receipt),
    attempts = CASE WHEN :attempts < 0 THEN 0 ELSE attempts + :attempts END, updated_at = :at
WHERE id = :id AND state = :from;

-- name: record_get
SELECT * FROM records WHERE id = :id;

-- name: record_find
SELECT * FROM records WHERE company = :company AND flow = :flow AND stream = :stream AND source_id = :source_id AND phase = :phase;

-- name: record_find_any_phase
SELECT * FROM records WHERE company = :company AND flow = :flow AND stream = :stream AND source_id = :source_id
  AND phase NOT LIKE '%+%' ORDER BY id;

-- name: record_changes
SELECT * FROM records WHERE company = :company AND flow = :flow AND stream = :stream AND source_id = :source_id
  AND phase LIKE :phase || '+%' ORDER BY id;

-- name: records_by_source_id
SELECT * FROM records WHERE company = :company AND (source_id = :source_id OR reference = :source_id) ORDER BY id;

-- name: records_in_state
SELECT * FROM records WHERE company = :company AND state = CAST(:state AS TEXT) AND flow = :flow AND stream = :stream AND id > :after
ORDER BY id LIMIT :limit;

-- name: records_listing
SELECT * FROM records WHERE company = :company AND (:state = '' OR state = :state) AND (:flow = '' OR flow = :flow)
ORDER BY id LIMIT :limit;

-- name: records_voided
SELECT COUNT(*) AS count FROM records WHERE company = :company AND (:flow = '' OR flow = :flow)
  AND state IN ('posted', 'closed') AND receipt LIKE '%"voided":%' AND phase NOT LIKE '%+%';

-- name: records_differing
SELECT * FROM records WHERE company = :company AND flow = :flow AND state IN ('posted', 'closed') AND drifted = 1
  AND newest IS NOT NULL AND phase NOT LIKE '%+%' ORDER BY id;

-- name: records_unseen
SELECT id, source_id FROM records WHERE company = :company AND flow = :flow AND stream = :stream AND seen_run < :run
  AND state IN ('pending', 'deferred', 'failed', 'intended') AND id > :after ORDER BY id LIMIT :limit;

-- name: records_read_at
-- When the source of each of these records was read last.
SELECT r.id, COALESCE(u.started_at, r.created_at) AS read_at FROM records r LEFT JOIN runs u ON u.id = r.seen_run
WHERE r.id IN (SELECT value FROM json_each(:ids));

-- name: records_of_operation
SELECT r.* FROM operations o JOIN records r ON r.id = o.record_id WHERE o.id = :operation_id AND r.operation_id = o.id;

-- name: records_posted_unseen
SELECT r.id, r.source_id, r.seen_run FROM records r
WHERE r.company = :company AND r.flow = :flow AND r.stream = :stream AND r.state IN ('posted', 'closed')
  AND r.seen_run < :run AND (r.seen_run > :after_run OR (r.seen_run = :after_run AND r.id > :after))
  AND r.phase NOT LIKE '%+%' AND COALESCE(r.receipt, '') NOT LIKE '%"voided":%'
  AND NOT EXISTS (SELECT 1 FROM records c WHERE c.company = r.company AND c.flow = r.flow AND c.stream = r.stream
                  AND c.source_id = r.source_id AND c.phase LIKE r.phase || '+%'
                  AND c.state IN ('pending', 'deferred', 'failed', 'intended', 'sent', 'unknown'))
ORDER BY r.seen_run, r.id LIMIT :limit;

-- name: records_of_operations
SELECT r.* FROM operations o JOIN records r ON r.id = o.record_id
WHERE o.id IN (SELECT value FROM json_each(:ids)) AND r.operation_id = o.id;

-- name: records_intended_with
SELECT r.* FROM records r JOIN operations o ON o.id = r.operation_id
WHERE r.company = :company AND r.state = 'intended' AND r.flow = :flow AND o.state = 'waiting'
  AND (:text = '' OR r.payload LIKE '%' || :text || '%' ESCAPE '!') ORDER BY r.id;

-- name: stream_has_records
SELECT 1 AS found FROM records WHERE company = :company AND flow = :flow AND stream = :stream LIMIT 1;

-- name: stream_posted
-- What of a stream is in the target, as amounts and how many have each; a change is part of the record that it is of.
SELECT currency, amount, COUNT(*) AS count FROM records
WHERE company = :company AND flow = :flow AND stream = :stream AND state IN ('posted', 'closed') AND receipt IS NOT NULL
  AND phase NOT LIKE '%+%'
GROUP BY currency, amount;

-- name: record_counts
SELECT flow, stream, state, CASE WHEN phase = 'watch' THEN 1 ELSE 0 END AS watched, COUNT(*) AS count FROM records
WHERE company = :company AND (:flow = '' OR flow = :flow)
GROUP BY flow, stream, state, CASE WHEN phase = 'watch' THEN 1 ELSE 0 END ORDER BY flow, stream, state;

-- name: pending_exists
SELECT 1 AS found FROM records WHERE company = :company AND state = 'pending' LIMIT 1;

-- name: pending_of_stream
SELECT 1 AS found FROM records WHERE company = :company AND state = 'pending' AND flow = :flow AND stream = :stream
LIMIT 1;

-- name: record_amounts
SELECT flow, stream, state, CASE WHEN phase = 'watch' THEN 1 ELSE 0 END AS watched, amount, currency FROM records
WHERE company = :company AND (:flow = '' OR flow = :flow) AND amount IS NOT NULL AND phase NOT LIKE '%+%';

-- name: wait_add
INSERT INTO waits (record_id, company, wait_key, flow, label) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (record_id, wait_key) DO NOTHING;

-- name: waits_clear
DELETE FROM waits WHERE record_id = :record_id;

-- name: waits_on
SELECT r.* FROM waits w JOIN records r ON r.id = w.record_id
WHERE w.company = :company AND w.wait_key = :wait_key AND r.state = 'deferred' ORDER BY r.id;

-- name: waits_any
SELECT 1 FROM waits w JOIN records r ON r.id = w.record_id
WHERE w.company = :company AND w.wait_key = :wait_key AND r.state = 'deferred' LIMIT 1;

-- name: waits_reasons
SELECT DISTINCT r.reasons FROM waits w JOIN records r ON r.id = w.record_id
WHERE w.company = :company AND w.wait_key = :wait_key AND r.state = 'deferred';

-- name: waits_like
SELECT DISTINCT r.* FROM waits w JOIN records r ON r.id = w.record_id
WHERE w.company = :company AND w.wait_key LIKE :prefix || '' AND r.state = 'deferred' ORDER BY r.id;

-- name: waits_unlisted
-- What records wait for since before a time, of a stream of which there is no such record.
SELECT DISTINCT w.wait_key FROM waits w JOIN records r ON r.id = w.record_id
WHERE w.company = :company AND w.wait_key LIKE :prefix || '' AND r.flow = :flow AND r.state = 'deferred'
  AND r.updated_at < :began
  AND NOT EXISTS (SELECT 1 FROM records o WHERE o.company = :company AND o.flow = :flow AND o.stream = :stream
                    AND o.source_id = substr(w.wait_key, CAST(:start AS INTEGER)));

-- name: records_left_out
-- What a person has left out of a stream, for whatever its source says of it.
SELECT * FROM records WHERE company = :company AND flow = :flow AND stream = :stream AND phase = :phase
  AND state = 'skipped' AND reasons LIKE '%"code":"left_out"%' ORDER BY id;

-- name: records_untold
SELECT COUNT(*) AS count FROM records WHERE company = :company AND flow = :flow AND stream = :stream AND phase = :phase
  AND (state IN ('intended', 'sent', 'unknown', 'posted', 'vanished') OR (:tells = 0 AND state = 'closed'));
