-- Finding records among a million. Each of these walks an index and stops at its limit; `tests/panel` explains them all.

-- name: browse_flow_next
SELECT MIN(flow) AS name FROM records WHERE company = :company AND flow > :after;

-- name: browse_stream_next
SELECT MIN(stream) AS name FROM records WHERE company = :company AND flow = :flow AND stream > :after;

-- name: browse_ids_in
SELECT id FROM records
WHERE company = :company AND state = CAST(:state AS TEXT) AND flow = :flow AND stream = :stream AND id < :before
ORDER BY id DESC LIMIT :limit OFFSET :skip;

-- name: browse_ids_of
-- In every state. An index of streams without their states would answer it by itself, but SQLite would then walk that where
-- one record is looked for. The lists of the states are merged as they are read, each in the order of its index: with a
-- limit of its own one would be read up to that, and sorted. Nearly all records are closed: beside the other nine that list
-- is compared once for each number, among them it would be four times.
SELECT id FROM records WHERE company = :company AND state = 'closed' AND flow = :flow AND stream = :stream AND id < :before
UNION ALL
SELECT id FROM (
    SELECT id FROM records WHERE company = :company AND state = 'pending' AND flow = :flow AND stream = :stream AND id < :before
    UNION ALL
    SELECT id FROM records WHERE company = :company AND state = 'intended' AND flow = :flow AND stream = :stream AND id < :before
    UNION ALL
    SELECT id FROM records WHERE company = :company AND state = 'sent' AND flow = :flow AND stream = :stream AND id < :before
    UNION ALL
    SELECT id FROM records WHERE company = :company AND state = 'posted' AND flow = :flow AND stream = :stream AND id < :before
    UNION ALL
    SELECT id FROM records WHERE company = :company AND state = 'deferred' AND flow = :flow AND stream = :stream AND id < :before
    UNION ALL
    SELECT id FROM records WHERE company = :company AND state = 'unknown' AND flow = :flow AND stream = :stream AND id < :before
    UNION ALL
    SELECT id FROM records WHERE company = :company AND state = 'failed' AND flow = :flow AND stream = :stream AND id < :before
    UNION ALL
    SELECT id FROM records WHERE company = :company AND state = 'skipped' AND flow = :flow AND stream = :stream AND id < :before
    UNION ALL
    SELECT id FROM records WHERE company = :company AND state = 'vanished' AND flow = :flow AND stream = :stream AND id < :before
) AS others
ORDER BY id DESC LIMIT :limit OFFSET :skip;

-- name: browse_count_in
SELECT COUNT(*) AS count FROM (
    SELECT 1 FROM records WHERE company = :company AND state = CAST(:state AS TEXT) AND flow = :flow AND stream = :stream LIMIT :limit
) AS part;

-- name: browse_oldest_in
SELECT MIN(id) AS id FROM records WHERE company = :company AND state = CAST(:state AS TEXT) AND flow = :flow AND stream = :stream;

-- name: browse_amounts_in
SELECT amount, currency FROM records
WHERE company = :company AND state = CAST(:state AS TEXT) AND flow = :flow AND stream = :stream AND amount IS NOT NULL LIMIT :limit;

-- name: browse_ids_dated
SELECT id, dated_on FROM records
WHERE company = :company AND dated_on >= :first_on AND dated_on <= :last_on AND (dated_on, id) < (:dated_on, :before)
ORDER BY dated_on DESC, id DESC LIMIT :limit OFFSET :skip;

-- name: browse_ids_party
SELECT id FROM records WHERE company = :company AND lower(party) >= :low AND lower(party) < :high LIMIT :limit OFFSET :skip;

-- name: browse_ids_reference
SELECT id FROM records WHERE company = :company AND lower(reference) >= :low AND lower(reference) < :high LIMIT :limit OFFSET :skip;

-- name: browse_ids_source
SELECT id FROM records WHERE company = :company AND lower(source_id) >= :low AND lower(source_id) < :high LIMIT :limit OFFSET :skip;

-- name: browse_ids_amount
SELECT id FROM records
WHERE company = :company AND CAST(amount AS NUMERIC) >= CAST(:least AS NUMERIC)
  AND CAST(amount AS NUMERIC) <= CAST(:most AS NUMERIC) LIMIT :limit OFFSET :skip;

-- name: browse_rows
-- Every filter that is not given is empty text. The numbers are the company's: with its name beside them SQLite would walk
-- one of its indexes instead.
SELECT id, company, flow, stream, source_id, phase, state, reasons, amount, currency, party, reference, dated_on, attempts,
       receipt, created_at, updated_at
FROM records
WHERE id IN (SELECT value FROM json_each(:ids))
  AND (:state = '' OR state = :state) AND (:flow = '' OR flow = :flow) AND (:stream = '' OR stream = :stream)
  AND (:party = '' OR substr(lower(party), 1, length(:party)) = :party)
  AND (:first_on = '' OR dated_on >= :first_on) AND (:last_on = '' OR dated_on <= :last_on)
  AND (:run = 0 OR first_run = :run)
  AND (:least = '' OR CAST(amount AS NUMERIC) >= CAST(NULLIF(:least, '') AS NUMERIC))
  AND (:most = '' OR CAST(amount AS NUMERIC) <= CAST(NULLIF(:most, '') AS NUMERIC))
  AND (:text = '' OR party LIKE :text ESCAPE '!' OR reference LIKE :text ESCAPE '!'
       OR source_id LIKE :text ESCAPE '!');

-- name: browse_run_newest
SELECT * FROM runs WHERE id = (SELECT MAX(id) FROM runs WHERE company = :company AND flow = :flow);

-- name: browse_run_flow_next
SELECT MIN(flow) AS name FROM runs WHERE company = :company AND flow > :after;

-- name: browse_backlog
SELECT COUNT(*) AS count FROM (SELECT 1 FROM operations WHERE company = :company AND state = 'waiting' LIMIT :limit) AS part;

-- name: browse_companies
SELECT * FROM companies WHERE company > :after ORDER BY company LIMIT :limit;

-- name: browse_alert_count
SELECT COUNT(*) AS count FROM (SELECT 1 FROM alerts WHERE company = :company AND resolved_at IS NULL LIMIT :limit) AS part;

-- name: browse_alerts_open
SELECT * FROM alerts WHERE company = :company AND resolved_at IS NULL AND id < :before ORDER BY id DESC LIMIT :limit;

-- name: browse_alerts_over
SELECT * FROM alerts WHERE company = :company AND resolved_at IS NOT NULL AND id < :before ORDER BY id DESC LIMIT :limit;

-- name: alerts_over_keys
SELECT id, kind, subject FROM alerts WHERE company = :company AND resolved_at IS NOT NULL AND id < :before
ORDER BY id DESC LIMIT :limit;

-- name: alerts_over_of
SELECT COUNT(*) AS often, MAX(id) AS newest, MIN(first_at) AS first_at FROM (
    SELECT id, first_at FROM alerts
    WHERE company = :company AND kind = :kind AND subject = :subject AND resolved_at IS NOT NULL
    ORDER BY id DESC LIMIT :most) AS part;

-- name: alert_get
SELECT * FROM alerts WHERE id = :id;

-- name: browse_marks
SELECT m.*, c.idempotency_key, c.state AS call_state, c.attempts AS call_attempts, c.not_before AS call_not_before,
       c.created_at AS call_at
FROM marks m LEFT JOIN mark_calls c ON c.id = m.call_id WHERE m.record_id = :record_id ORDER BY m.id;

-- name: browse_journal
SELECT * FROM journal WHERE record_id = :record_id ORDER BY seq DESC LIMIT :limit;

-- name: company_zone
UPDATE companies SET time_zone = :time_zone WHERE company = :company;
