-- name: journal_newest
-- Of the lines about no record: they have an index of their own.
SELECT * FROM journal WHERE company = :company AND event = :event AND record_id IS NULL ORDER BY seq DESC LIMIT 1;

-- name: journal_since
-- Of the lines about no record that came after one, those of a flow.
SELECT seq, detail FROM journal
WHERE company = :company AND event = :event AND record_id IS NULL AND seq > :seq AND flow = :flow ORDER BY seq DESC LIMIT 500;

-- name: records_parked
SELECT id, company, flow, stream, source_id, phase, state, reasons, amount, currency, party, reference, dated_on, attempts,
       updated_at FROM records
WHERE company = :company AND state = CAST(:state AS TEXT) AND (:flow = '' OR flow = :flow) AND (:stream = '' OR stream = :stream)
ORDER BY id;

-- name: logins_forget
DELETE FROM logins WHERE company = :company AND user_name <> :keep;

-- name: connections_all
SELECT * FROM connections ORDER BY company, connection;

-- name: credential_fields
SELECT connection, field FROM credentials WHERE company = :company ORDER BY connection, field;

-- name: runs_newest
-- From flow to flow by the index: there may be many runs of each.
WITH RECURSIVE names (flow) AS (
    SELECT MIN(flow) FROM runs WHERE company = :company
    UNION ALL
    SELECT (SELECT MIN(flow) FROM runs WHERE company = :company AND flow > names.flow) FROM names
    WHERE names.flow IS NOT NULL
)
SELECT * FROM runs WHERE id IN
  (SELECT (SELECT MAX(id) FROM runs WHERE company = :company AND flow = names.flow) FROM names) ORDER BY flow;

-- name: operations_backlog_of
SELECT r.flow, COUNT(*) AS count FROM operations o JOIN records r ON r.id = o.record_id
WHERE o.company = :company AND o.state = 'waiting' GROUP BY r.flow ORDER BY r.flow;

-- name: records_resting
SELECT COUNT(*) AS count FROM records
WHERE company = :company AND flow = :flow AND state = 'pending' AND phase <> 'watch';

-- name: records_waiting_count
SELECT COUNT(*) AS count FROM (
    SELECT 1 FROM records
    WHERE company = :company AND (:flow = '' OR flow = :flow) AND phase <> 'watch'
      AND state IN ('pending', 'intended', 'sent', 'unknown', 'posted') LIMIT :limit) AS part;
