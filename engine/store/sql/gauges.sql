-- Figures of all companies, a page of companies at a time. Each count walks an index and stops at its limit.

-- name: gauges_companies
SELECT c.company, c.paused,
       (SELECT s.seen_at FROM sessions s WHERE s.company = c.company ORDER BY s.opened_at DESC LIMIT 1) AS seen_at,
       EXISTS (SELECT 1 FROM facts h WHERE h.company = c.company AND h.name = 'halt') AS halted,
       (SELECT COUNT(*) FROM (
           SELECT 1 FROM operations o WHERE o.company = c.company AND o.state = 'waiting' LIMIT :limit) AS part) AS backlog,
       (SELECT COUNT(*) FROM (
           SELECT 1 FROM marks m WHERE m.company = c.company AND m.state = 'waiting' LIMIT :limit) AS part) AS unasked,
       (SELECT COUNT(*) FROM (
           SELECT 1 FROM mark_calls k JOIN marks m ON m.call_id = k.id
           WHERE k.company = c.company AND k.state = 'waiting' LIMIT :limit) AS part) AS calling,
       (SELECT r.created_at FROM records r WHERE r.id = (
           SELECT MIN(part.id) FROM (
               SELECT d.id FROM records d WHERE d.company = c.company AND d.state = 'deferred' LIMIT :limit) AS part)) AS oldest_at
FROM companies c WHERE c.company > :after ORDER BY c.company LIMIT :companies;

-- name: gauges_records
SELECT c.company, s.state,
       (SELECT COUNT(*) FROM (
           SELECT 1 FROM records r WHERE r.company = c.company AND r.state = s.state LIMIT :limit) AS part) AS count
FROM companies c CROSS JOIN (
    SELECT 'pending' AS state UNION ALL SELECT 'intended' UNION ALL SELECT 'sent' UNION ALL SELECT 'deferred'
    UNION ALL SELECT 'unknown' UNION ALL SELECT 'failed' UNION ALL SELECT 'vanished') AS s
WHERE c.company > :after AND c.company <= :upto;

-- name: gauges_switched
-- Flows that somebody has switched on or off.
SELECT DISTINCT company FROM facts
WHERE company > :after AND company <= :upto AND substr(name, 1, 5) = 'flow:' ORDER BY company;

-- name: gauges_alerts
SELECT company, kind, COUNT(*) AS count FROM alerts
WHERE company > :after AND company <= :upto AND resolved_at IS NULL GROUP BY company, kind;
