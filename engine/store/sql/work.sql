-- name: run_insert
INSERT INTO runs (id, company, flow, started_at, process) VALUES (:id, :company, :flow, :at, :process);

-- name: run_finish
UPDATE runs SET ended_at = :at, outcome = :outcome, counts = :counts, problems = :problems, steps = :steps WHERE id = :id;

-- name: runs_unfinished
SELECT * FROM runs WHERE ended_at IS NULL ORDER BY id;

-- name: runs_recent
SELECT * FROM runs WHERE company = :company AND (:flow = '' OR flow = :flow) ORDER BY id DESC LIMIT :limit;

-- name: checkpoint_get
SELECT * FROM checkpoints WHERE company = :company AND flow = :flow AND fetch = :fetch;

-- name: checkpoint_put
INSERT INTO checkpoints (company, flow, fetch, watermark, streams, swept_at)
VALUES (:company, :flow, :fetch, :watermark, :streams, :swept_at)
ON CONFLICT (company, flow, fetch) DO UPDATE
SET watermark = excluded.watermark, streams = excluded.streams, swept_at = excluded.swept_at;

-- name: checkpoints_forget
DELETE FROM checkpoints WHERE company = :company AND substr(fetch, 1, length(:connection) + 1) = :connection || '/';

-- name: session_insert
INSERT INTO sessions (ticket_hash, company, state, opened_at, seen_at) VALUES (:ticket_hash, :company, :state, :at, :at);

-- name: sessions_open_of
SELECT * FROM sessions WHERE company = :company AND is_open = 1;

-- name: visit_quiet
-- What of the lists is fresh, a row each, or one row without a name; no row where a visit may find something to do.
SELECT l.list, EXISTS (SELECT 1 FROM holdings WHERE company = :company AND state IN ('there', 'gone')) AS held
FROM identities i LEFT JOIN lists l ON l.company = i.company AND l.due = 0 AND l.loaded_at >= :stale
WHERE i.company = :company
  AND NOT EXISTS (SELECT 1 FROM sessions WHERE company = :company AND is_open = 1)
  AND NOT EXISTS (SELECT 1 FROM message_sets WHERE company = :company AND state <> 'settled')
  AND NOT EXISTS (SELECT 1 FROM operations WHERE company = :company AND state = 'waiting')
  AND NOT EXISTS (SELECT 1 FROM records WHERE company = :company AND state = 'pending')
  AND NOT EXISTS (SELECT 1 FROM spans WHERE company = :company AND state = 'asked')
  AND NOT EXISTS (SELECT 1 FROM alerts WHERE company = :company AND kind = 'session' AND subject = :sign_in
                  AND resolved_at IS NULL);

-- name: session_passed
INSERT INTO sessions (ticket_hash, company, state, is_open, opened_at, seen_at)
VALUES (:ticket_hash, :company, :state, 0, :at, :at);

-- name: session_get
SELECT * FROM sessions WHERE ticket_hash = :ticket_hash AND is_open = 1;

-- name: session_save
UPDATE sessions SET state = :state, seen_at = :at WHERE ticket_hash = :ticket_hash AND is_open = 1;

-- name: session_close
UPDATE sessions SET is_open = 0, seen_at = :at WHERE ticket_hash = :ticket_hash AND is_open = 1;

-- name: sessions_close_of
UPDATE sessions SET is_open = 0 WHERE company = :company AND is_open = 1;

-- name: session_newest
SELECT * FROM sessions WHERE company = :company ORDER BY opened_at DESC LIMIT 1;

-- name: sessions_prune
-- A Web Connector that comes in vain every five minutes leaves a row each time: so many of a company are kept.
DELETE FROM sessions WHERE company = :company AND is_open = 0
  AND opened_at < (SELECT kept.opened_at FROM sessions kept WHERE kept.company = :company
                   ORDER BY kept.opened_at DESC LIMIT 1 OFFSET :kept);

-- name: alert_raise
INSERT INTO alerts (id, company, kind, subject, message, hint, first_at, last_at)
VALUES (:id, :company, :kind, :subject, :message, :hint, :at, :at)
ON CONFLICT (company, kind, subject) WHERE resolved_at IS NULL DO UPDATE
SET times = alerts.times + 1, last_at = excluded.last_at, message = excluded.message, hint = excluded.hint;

-- name: alert_resolve
UPDATE alerts SET resolved_at = :at WHERE company = :company AND kind = :kind AND subject = :subject AND resolved_at IS NULL;

-- name: alerts_resolve
UPDATE alerts SET resolved_at = ? WHERE company = ? AND kind = ? AND subject = ? AND resolved_at IS NULL;

-- name: alert_open
SELECT * FROM alerts WHERE company = :company AND kind = :kind AND subject = :subject AND resolved_at IS NULL;

-- name: alerts_open
SELECT * FROM alerts WHERE company = :company AND resolved_at IS NULL ORDER BY id;

-- name: alerts_open_as
SELECT company FROM alerts WHERE kind = :kind AND subject = :subject AND resolved_at IS NULL ORDER BY company;

-- name: schedule_create
INSERT INTO schedule (company, flow, stream, next_at) VALUES (:company, :flow, :stream, :at)
ON CONFLICT (company, flow, stream) DO NOTHING;

-- name: schedule_read
UPDATE schedule SET read_at = ? WHERE company = ? AND flow = ? AND stream = ?;

-- name: schedule_of
SELECT * FROM schedule WHERE company = :company AND flow = :flow ORDER BY stream;

-- name: schedule_put
UPDATE schedule SET next_at = :at WHERE company = :company AND flow = :flow AND stream = :stream;

-- name: schedule_planned
UPDATE schedule SET next_at = :at WHERE company = :company AND flow = :flow AND stream = :stream AND next_at = :claimed;

-- name: schedule_sooner
INSERT INTO schedule (company, flow, stream, next_at) VALUES (:company, :flow, :stream, :at)
ON CONFLICT (company, flow, stream) DO UPDATE SET next_at = excluded.next_at WHERE schedule.next_at > excluded.next_at;

-- name: schedule_due
SELECT * FROM schedule WHERE company = :company AND flow = :flow AND next_at <= :at ORDER BY next_at;

-- name: schedule_too_late
UPDATE schedule SET next_at = :at WHERE company = :company AND flow = :flow AND next_at > :beyond;

-- name: lease_create
INSERT INTO leases (name, holder, fence, until_at) VALUES (:name, '', 0, '') ON CONFLICT (name) DO NOTHING;

-- name: lease_take
UPDATE leases SET holder = :holder, fence = fence + 1, until_at = :until
WHERE name = :name AND (until_at < :at OR holder = :holder) RETURNING fence;

-- name: lease_hold
UPDATE leases SET fence = fence + 1, until_at = :until WHERE name = :name AND holder = :holder AND fence = :fence;

-- name: lease_release
UPDATE leases SET until_at = '' WHERE name = :name AND holder = :holder;

-- name: lease_get
SELECT holder, fence, until_at FROM leases WHERE name = :name;

-- name: leases_held
SELECT holder FROM leases WHERE substr(name, 1, length(:prefix)) = :prefix AND until_at > :at;

-- name: schedule_claims
-- Claims of which no run speaks, and no turn that somebody has: its process was killed between the two.
SELECT DISTINCT company, flow FROM schedule s WHERE s.next_at > :at AND s.next_at <= :until
  AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.company = s.company AND r.flow = s.flow AND r.ended_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.company = s.company AND t.work = 'flow:' || s.flow AND t.state <> 'idle');

-- name: webhook_get
SELECT * FROM webhook_events WHERE company = :company AND connection = :connection AND event_id = :event_id;

-- name: limit_get
SELECT calls, under_way FROM limits WHERE name = :name;

-- name: limit_put
INSERT INTO limits (name, calls, under_way) VALUES (:name, :calls, :under_way)
ON CONFLICT (name) DO UPDATE SET calls = excluded.calls, under_way = excluded.under_way;

-- name: sessions_latest
SELECT opened_at FROM sessions WHERE company = :company ORDER BY opened_at DESC LIMIT :limit;
