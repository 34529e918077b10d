-- After a backup was put back: nobody is at work, and everything is due.

-- name: leases_end
UPDATE leases SET until_at = '';

-- name: schedule_all_due
UPDATE schedule SET next_at = :at;

-- name: lists_all_due
UPDATE lists SET due = 1;

-- name: user_sessions_end_all
DELETE FROM user_sessions;

-- name: tokens_all
SELECT company, connection, field, key_id, sealed, updated_at FROM credentials WHERE field = :field ORDER BY company, connection;

-- What the retention removes: never a record, an operation, a key, a webhook's number or a line of the journal. Of a message
-- set the texts go and its digest stays, once all that it wrote is settled; the newest stays whole. Each takes at most `limit` rows, so that nobody waits long for the store.

-- name: prune_sets
UPDATE message_sets SET body = :empty, answer = :empty WHERE id IN (
    SELECT id FROM message_sets
    WHERE company = :company AND state = 'settled' AND settled_at < :before AND length(body) > 0
      AND settled_no < :last_no
      AND NOT EXISTS (SELECT 1 FROM operations o JOIN records r ON r.id = o.record_id
                      WHERE o.message_set_id = message_sets.id
                        AND (o.state NOT IN ('done', 'cancelled') OR r.state NOT IN ('posted', 'closed', 'skipped')))
    LIMIT :limit);

-- name: prune_sets_newest
SELECT COALESCE(MAX(settled_no), 0) AS last_no FROM message_sets WHERE company = :company AND state = 'settled';

-- name: prune_runs
DELETE FROM runs WHERE id IN (
    SELECT r.id FROM runs r
    WHERE r.company = :company AND r.ended_at IS NOT NULL AND r.ended_at < :before
      AND r.id < (SELECT MAX(n.id) FROM runs n WHERE n.company = r.company AND n.flow = r.flow)
    LIMIT :limit);

-- name: prune_alerts
DELETE FROM alerts WHERE id IN (
    SELECT id FROM alerts WHERE company = :company AND resolved_at IS NOT NULL AND resolved_at < :before LIMIT :limit);

-- name: prune_figures
DELETE FROM span_figures WHERE (span, target_id) IN (
    SELECT f.span, f.target_id FROM span_figures f JOIN spans s ON s.id = f.span
    WHERE s.company = :company AND s.state <> 'asked' AND s.asked_at < :before LIMIT :limit);

-- name: prune_spans
DELETE FROM spans WHERE company = :company AND state <> 'asked' AND asked_at < :before
  AND NOT EXISTS (SELECT 1 FROM span_figures f WHERE f.span = spans.id);

-- name: prune_count_sets
SELECT COUNT(*) AS count, COALESCE(SUM(length(body) + COALESCE(length(answer), 0)), 0) AS bytes FROM message_sets
WHERE company = :company AND state = 'settled' AND settled_at < :before AND length(body) > 0 AND settled_no < :last_no
  AND NOT EXISTS (SELECT 1 FROM operations o JOIN records r ON r.id = o.record_id
                  WHERE o.message_set_id = message_sets.id
                    AND (o.state NOT IN ('done', 'cancelled') OR r.state NOT IN ('posted', 'closed', 'skipped')));

-- name: prune_count_runs
SELECT COUNT(*) AS count FROM runs r WHERE r.company = :company AND r.ended_at IS NOT NULL AND r.ended_at < :before
  AND r.id < (SELECT MAX(n.id) FROM runs n WHERE n.company = r.company AND n.flow = r.flow);

-- name: prune_count_alerts
SELECT COUNT(*) AS count FROM alerts WHERE company = :company AND resolved_at IS NOT NULL AND resolved_at < :before;

-- name: prune_count_figures
SELECT COUNT(*) AS count FROM span_figures f JOIN spans s ON s.id = f.span
WHERE s.company = :company AND s.state <> 'asked' AND s.asked_at < :before;
