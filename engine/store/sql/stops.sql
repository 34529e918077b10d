-- name: pause_put
INSERT INTO pauses (company, flow, at, actor, why) VALUES (:company, :flow, :at, :actor, :why)
ON CONFLICT (company, flow) DO NOTHING;

-- name: pause_drop
DELETE FROM pauses WHERE company = :company AND flow = :flow;

-- name: pauses_of
SELECT * FROM pauses WHERE company = :company ORDER BY flow;

-- name: pause_for
-- There are few of a company: `flow || ''` lets SQLite walk them in order, where it would look for each and sort.
SELECT * FROM pauses WHERE company = :company AND flow || '' IN ('', :flow) ORDER BY flow LIMIT 1;

-- name: pause_stopping
SELECT p.* FROM pauses p WHERE p.company = :company
  AND (p.flow = '' OR EXISTS (SELECT 1 FROM message_sets s JOIN operations o ON o.message_set_id = s.id
                              JOIN records r ON r.id = o.record_id
                              WHERE s.company = :company AND s.state <> 'settled' AND r.flow = p.flow))
ORDER BY p.flow LIMIT 1;

-- name: company_paused
UPDATE companies SET paused = :paused WHERE company = :company;

-- name: hold_put
INSERT INTO held_records (record_id, company, at, actor, why) VALUES (:record_id, :company, :at, :actor, :why)
ON CONFLICT (record_id) DO NOTHING;

-- name: hold_drop
DELETE FROM held_records WHERE record_id = :record_id;

-- name: holds_among
SELECT * FROM held_records WHERE record_id IN (SELECT value FROM json_each(:ids));

-- name: holds_of
SELECT h.record_id, h.at, h.actor, h.why, r.flow, r.stream, r.source_id, r.state, r.reference, r.party, r.amount, r.currency
FROM held_records h JOIN records r ON r.id = h.record_id
WHERE h.company = :company AND r.state IN ('pending', 'deferred', 'failed', 'intended') ORDER BY h.record_id LIMIT :limit;

-- name: stopped_amounts
-- What goes out as soon as it is not stopped any more; a hold goes on.
SELECT r.currency, r.amount, COUNT(*) AS count FROM operations o JOIN records r ON r.id = o.record_id
WHERE o.company = :company AND o.state = 'waiting' AND (:flow = '' OR r.flow = :flow)
  AND NOT EXISTS (SELECT 1 FROM held_records h WHERE h.record_id = o.record_id AND h.company = :company)
GROUP BY r.currency, r.amount;

-- name: journal_last_of
SELECT record_id, MAX(seq) AS seq FROM journal WHERE record_id IN (SELECT value FROM json_each(:ids)) GROUP BY record_id;

-- name: records_numbered
-- By their numbers: an index that begins with the company would have all of its records looked at.
SELECT * FROM records WHERE company || '' = :company AND id IN (SELECT value FROM json_each(:ids));

-- name: pauses_every
SELECT * FROM pauses ORDER BY company, flow;

-- name: holds_every
SELECT h.company, h.at, h.actor, h.why, r.flow, r.stream, r.source_id, r.phase
FROM held_records h JOIN records r ON r.id = h.record_id ORDER BY h.record_id;
