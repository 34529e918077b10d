-- name: turn_open
INSERT INTO turns (company, work, number, state, at) VALUES (:company, :work, 1, 'waiting', :at)
ON CONFLICT (company, work) DO UPDATE SET number = turns.number + 1, state = 'waiting', executor = '', at = excluded.at
WHERE turns.state = 'idle' RETURNING number;

-- name: turn_again
UPDATE turns SET number = number + 1, state = 'waiting', executor = '', at = :at
WHERE company = :company AND work = :work AND number = :number AND at = :opened_at AND state <> 'idle' RETURNING number;

-- name: turn_begin
UPDATE turns SET state = 'running', executor = :executor
WHERE company = :company AND work = :work AND number = :number AND at = :opened_at AND state = 'waiting';

-- name: turn_end
UPDATE turns SET state = 'idle', executor = ''
WHERE company = :company AND work = :work AND number = :number AND at = :opened_at AND state <> 'idle';

-- name: turn_get
SELECT * FROM turns WHERE company = :company AND work = :work;

-- name: turns_open
SELECT * FROM turns WHERE state <> 'idle' ORDER BY company, work;

-- name: turns_open_count
SELECT state, COUNT(*) AS count, MIN(at) AS first_at FROM turns WHERE state <> 'idle' GROUP BY state;

-- name: executor_seen
INSERT INTO executors (name, started_at, seen_at, form, serves) VALUES (:name, :at, :at, :form, :serves)
ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at;

-- name: executor_gone
DELETE FROM executors WHERE name = :name;

-- name: executors_all
SELECT * FROM executors ORDER BY name;

-- name: reads_release
UPDATE leases SET until_at = '' WHERE substr(name, 1, 5) = 'read:' AND substr(holder, 1, length(:process)) = :process;

-- name: due_schedule
SELECT company, flow FROM schedule WHERE next_at <= :at ORDER BY next_at;

-- name: due_too_late
SELECT company, flow FROM schedule WHERE next_at > :beyond ORDER BY next_at;

-- name: schedule_streams
SELECT company, flow, stream FROM schedule;

-- name: due_marks
SELECT DISTINCT company, flow FROM marks WHERE state = 'waiting';

-- name: due_mark_calls
SELECT DISTINCT company, flow FROM mark_calls WHERE state = 'waiting' AND (not_before <= :at OR not_before > :latest);

-- name: due_pending
-- From company to company: how many records each has does not matter.
WITH RECURSIVE found (company) AS (
  SELECT MIN(company) FROM records WHERE state = 'pending'
  UNION ALL
  SELECT (SELECT MIN(r.company) FROM records r WHERE r.state = 'pending' AND r.company > found.company)
  FROM found WHERE found.company IS NOT NULL)
SELECT company FROM found WHERE company IS NOT NULL;

-- name: due_operations
WITH RECURSIVE found (company) AS (
  SELECT MIN(company) FROM operations WHERE state IN ('waiting', 'sent')
  UNION ALL
  SELECT (SELECT MIN(o.company) FROM operations o WHERE o.state IN ('waiting', 'sent') AND o.company > found.company)
  FROM found WHERE found.company IS NOT NULL)
SELECT company FROM found WHERE company IS NOT NULL;

-- name: due_lists
SELECT DISTINCT company FROM lists WHERE due = 1;

-- name: due_facts
SELECT company, name FROM facts WHERE name LIKE 'asked:%' OR name LIKE 'list:%' OR name LIKE 'push:%';

-- name: pending_of_flow
SELECT 1 AS found FROM records WHERE company = :company AND state = 'pending' AND flow = :flow LIMIT 1;

-- name: connections_mark
SELECT COUNT(*) AS count, MAX(updated_at) AS newest FROM connections;

-- name: connections_all
SELECT company, connection, connector FROM connections ORDER BY company, connection;

-- name: schedule_claims_end_of
UPDATE schedule SET next_at = :at WHERE company = :company AND flow = :flow AND next_at > :at AND next_at <= :until;

-- name: runs_unfinished_of
SELECT * FROM runs WHERE company = :company AND flow = :flow AND ended_at IS NULL ORDER BY id;

-- name: handshakes_due_of
SELECT DISTINCT company FROM handshakes WHERE sealed IS NOT NULL AND (next_at <= :at OR next_at > :latest);
