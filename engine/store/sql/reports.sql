-- Reports of comparisons that are kept.

-- name: report_put
INSERT INTO span_reports (span, company, made_at, journal_seq, held_seq, took_ms, compared, others, since, differences, notes,
                          unposted)
VALUES (:span, :company, :made_at, :journal_seq, :held_seq, :took_ms, :compared, :others, :since, :differences, :notes, :unposted);

-- name: report_get
SELECT * FROM span_reports WHERE company = :company AND span = :span;

-- name: report_wanted
UPDATE span_reports SET journal_seq = -1 WHERE company = :company AND span = :span;

-- name: report_drop
DELETE FROM span_reports WHERE span = :span;

-- name: report_drop_findings
DELETE FROM span_findings WHERE span = :span;

-- name: report_drop_sums
DELETE FROM span_sums WHERE span = :span;

-- name: report_findings_put
INSERT INTO span_findings (span, place, company, record_id, code, is_note, finding, shown) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: report_findings
SELECT f.*, r.state AS state_now, r.updated_at FROM span_findings f LEFT JOIN records r ON r.id = f.record_id
WHERE f.span = :span AND f.place > :after ORDER BY f.place LIMIT :limit;

-- name: report_findings_open
SELECT * FROM span_findings WHERE span = :span AND is_note = 0 AND decision = '' ORDER BY place;

-- name: report_findings_of
SELECT * FROM span_findings WHERE company = :company AND record_id = :record_id ORDER BY span, place;

-- name: report_shown
SELECT shown FROM span_findings
WHERE company = :company AND record_id = :record_id AND span = :span AND shown <> '' ORDER BY place;

-- name: report_decided
SELECT is_note, COUNT(*) AS count FROM span_findings WHERE span = :span AND decision <> '' GROUP BY is_note;

-- name: report_decisions
SELECT * FROM span_findings WHERE span = :span AND decision <> '' AND decided_seq > :after ORDER BY place;

-- name: report_decide
UPDATE span_findings SET decision = :decision, decided_by = :actor, decided_at = :at, decided_seq = :seq
WHERE span = :span AND place = :place;

-- name: report_sums_put
INSERT INTO span_sums (span, part, place, company, differs, line) VALUES (?, ?, ?, ?, ?, ?);

-- name: report_sums
SELECT * FROM span_sums WHERE span = :span AND part = :part AND place > :after ORDER BY place LIMIT :limit;

-- name: report_sums_differing
SELECT * FROM span_sums WHERE span = :span AND part = :part AND place > :after AND differs = 1 ORDER BY place LIMIT :limit;

-- name: reports_due
-- Answers without a report, and of each company's newest answer a report that is older than its journal.
SELECT s.company, s.id AS span, r.made_at, r.took_ms, r.journal_seq FROM spans s
LEFT JOIN span_reports r ON r.span = s.id LEFT JOIN journal_heads h ON h.company = s.company
WHERE s.state = 'done' AND (r.span IS NULL OR r.journal_seq < 0 OR (r.journal_seq < h.seq AND NOT EXISTS (
    SELECT 1 FROM spans n WHERE n.company = s.company AND n.state = 'done' AND n.id > s.id)))
ORDER BY s.id DESC;

-- name: reports_holdings
SELECT COUNT(*) AS count FROM (SELECT 1 AS found FROM holdings WHERE company = :company LIMIT :most) AS part;

-- name: reports_held_seq
SELECT seq FROM holdings WHERE company = :company ORDER BY seq DESC LIMIT 1;

-- name: reports_held_since
SELECT COUNT(*) AS count FROM (SELECT 1 AS found FROM holdings WHERE company = :company AND seq > :after LIMIT :most) AS part;
