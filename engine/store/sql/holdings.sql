-- name: fact_get
SELECT value FROM facts WHERE company = :company AND name = :name;

-- name: fact_put
INSERT INTO facts (company, name, value, updated_at) VALUES (:company, :name, :value, :at)
ON CONFLICT (company, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at;

-- name: fact_drop
DELETE FROM facts WHERE company = :company AND name = :name;

-- name: holding_put
INSERT INTO holdings (company, target_id, record_id, kind, operation_id, seq, edit_sequence, state, looked_at)
SELECT :company, :target_id, :record_id, :kind, :operation_id, COALESCE(MAX(seq), 0) + 1, :edit_sequence, 'there', :at
FROM holdings WHERE company = :company
ON CONFLICT (company, target_id, record_id) DO UPDATE
SET kind = excluded.kind, operation_id = excluded.operation_id, edit_sequence = excluded.edit_sequence, state = 'there',
    differences = '[]', accepted = '', looked_at = excluded.looked_at;

-- name: holding_modified
UPDATE holdings SET operation_id = :operation_id, edit_sequence = :edit_sequence, differences = '[]',
    looked_at = CASE WHEN state = 'there' THEN :at ELSE looked_at END
WHERE company = :company AND target_id = :target_id AND state <> 'replaced';

-- name: holdings_replace
UPDATE holdings SET state = 'replaced', looked_at = :at
WHERE company = :company AND record_id = :record_id AND target_id <> :target_id AND state <> 'replaced';

-- name: holding_looked
UPDATE holdings SET state = :state, edit_sequence = :edit_sequence, differences = :differences, looked_at = :at
WHERE company = :company AND target_id = :target_id AND record_id = :record_id;

-- name: holding_accepted
UPDATE holdings SET accepted = :accepted
WHERE company = :company AND target_id = :target_id AND record_id = :record_id;

-- name: holdings_edited
SELECT * FROM holdings WHERE company = :company AND state = 'there' AND differences <> '[]' ORDER BY seq;

-- name: holdings_of_ids
SELECT * FROM holdings WHERE company = :company AND target_id IN (SELECT value FROM json_each(:target_ids))
ORDER BY seq + 0;

-- name: holdings_of_record
SELECT * FROM holdings WHERE record_id = :record_id ORDER BY seq;

-- name: holdings_beside
-- What the records of these ids have or had there under other ids, and was not looked at since.
SELECT h.* FROM holdings h WHERE h.company = :company AND h.state IN ('there', 'gone', 'replaced') AND h.looked_at <= :since
  AND h.record_id IN (SELECT o.record_id FROM holdings o WHERE o.company = :company
                      AND o.target_id IN (SELECT value FROM json_each(:target_ids)))
  AND h.target_id NOT IN (SELECT value FROM json_each(:target_ids))
ORDER BY h.seq;

-- name: holdings_before
SELECT h.* FROM operations o JOIN holdings h ON h.record_id = o.record_id
WHERE o.id = :operation_id AND h.company = :company
  AND (h.state IN ('gone', 'replaced') OR (h.state = 'there' AND h.operation_id <> o.id))
ORDER BY h.seq;

-- name: holdings_any
SELECT 1 AS found FROM holdings WHERE company = :company AND state IN ('there', 'gone') LIMIT 1;

-- name: holdings_away
UPDATE holdings SET state = 'away', file = :file WHERE company = :company AND state = 'there';

-- name: holdings_home
UPDATE holdings SET state = 'there', looked_at = '' WHERE company = :company AND state = 'away' AND file = :file;

-- name: sightings_forget
DELETE FROM sightings WHERE company = :company;

-- name: facts_forget
DELETE FROM facts WHERE company = :company
  AND (name LIKE 'scan:%' OR name IN ('check', 'look', 'missed', 'back', 'pace', 'closing_date', 'survey_trouble',
               'unanswered'));

-- name: holdings_newest
SELECT * FROM holdings WHERE company = :company AND state IN (:state, :also) ORDER BY seq DESC LIMIT :limit;

-- name: holdings_longest_ago
SELECT * FROM holdings WHERE company = :company AND state = :state AND looked_at <= :since
  AND (looked_at, seq) <= (:until, :seq) ORDER BY looked_at, seq LIMIT :limit;

-- name: holdings_looked_ahead
UPDATE holdings SET looked_at = '' WHERE company = :company AND state IN ('there', 'gone', 'replaced') AND looked_at > :latest;

-- name: holdings_looked_last
SELECT MAX(looked_at) AS at FROM holdings WHERE company = :company AND state = :state AND looked_at <= :latest;

-- name: holdings_in_turn
SELECT looked_at, seq FROM holdings WHERE company = :company AND state = :state ORDER BY looked_at, seq LIMIT :limit;

-- name: sighting_put
INSERT INTO sightings (company, target_id, kind, guid, reference, dated_on, edit_sequence, data, total, seen_at, record_id,
                       memo)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (company, target_id) DO UPDATE
SET kind = excluded.kind, edit_sequence = excluded.edit_sequence, data = excluded.data, seen_at = excluded.seen_at,
    reference = excluded.reference, dated_on = excluded.dated_on, total = excluded.total, memo = excluded.memo,
    record_id = CASE WHEN sightings.guid = excluded.guid THEN sightings.record_id ELSE excluded.record_id END,
    guid = excluded.guid;

-- name: sighting_get
SELECT * FROM sightings WHERE company = :company AND target_id = :target_id;

-- name: sighting_drop
DELETE FROM sightings WHERE company = :company AND target_id = :target_id;

-- name: sightings_prune
DELETE FROM sightings WHERE company = :company AND kind = :kind AND seen_at < :before;

-- name: sightings_marked_as
-- `target_id || ''`, here and below: SQLite would walk all that the company has, to have them in order.
SELECT * FROM sightings WHERE company = :company AND guid = CAST(:guid AS TEXT) ORDER BY target_id || '';

-- name: sightings_numbered
SELECT * FROM sightings WHERE company = :company AND guid = '' AND kind = :kind AND reference = :value ORDER BY target_id || '';

-- name: sightings_dated
SELECT * FROM sightings WHERE company = :company AND guid = '' AND kind = :kind AND dated_on = :value ORDER BY target_id || '';

-- name: sightings_noted
SELECT * FROM sightings
WHERE company = :company AND guid = '' AND memo <> '' AND kind = :kind AND memo = :value ORDER BY target_id || '';

-- name: sightings_strange_numbered
SELECT * FROM sightings WHERE company = :company AND record_id + 0 <= 0 AND guid <> '' AND kind = :kind AND reference = :value ORDER BY target_id || '';

-- name: sightings_strange_dated
SELECT * FROM sightings WHERE company = :company AND record_id + 0 <= 0 AND guid <> '' AND kind = :kind AND dated_on = :value ORDER BY target_id || '';

-- name: sightings_strange_noted
SELECT * FROM sightings
WHERE company = :company AND record_id + 0 <= 0 AND guid <> '' AND memo <> '' AND kind = :kind AND memo = :value ORDER BY target_id || '';

-- name: sightings_unlooked
SELECT target_id, guid FROM sightings WHERE company = :company AND record_id IS NULL ORDER BY guid, target_id;

-- name: sightings_in_vain
SELECT target_id, guid FROM sightings WHERE company = :company AND record_id = 0 ORDER BY guid, target_id;

-- name: sightings_found
SELECT * FROM sightings WHERE company = :company AND record_id > 0 ORDER BY guid, target_id;

-- name: sightings_unverified
SELECT * FROM sightings WHERE company = :company AND record_id > 0 AND seen_at < :since ORDER BY target_id LIMIT :limit;

-- name: sighting_of
UPDATE sightings SET record_id = ? WHERE company = ? AND target_id = ?;

-- name: record_unwritten
UPDATE records SET operation_id = NULL, mapped_sha256 = NULL WHERE id = :id;

-- name: record_keys
SELECT id, flow, stream, source_id, phase FROM records
WHERE company = :company AND (flow, stream, source_id, phase) > (:flow, :stream, :source_id, :phase)
ORDER BY flow, stream, source_id, phase LIMIT :limit;

-- name: record_keys_after
SELECT id, flow, stream, source_id, phase FROM records WHERE company = :company AND id > :after ORDER BY id LIMIT :limit;

-- name: records_vanished
SELECT id, flow, stream, source_id, amount, currency, operation_id FROM records
WHERE company = :company AND state = 'vanished' ORDER BY id;

-- name: vanished_first
SELECT id, operation_id FROM records WHERE company = :company AND state = 'vanished' ORDER BY id LIMIT 1;

-- name: vanished_amounts
SELECT currency, amount, COUNT(*) AS count FROM records WHERE company = :company AND state = 'vanished'
GROUP BY currency, amount;

-- name: operations_kinds
-- From one kind to the next in the index: a company with a million that wait has as many kinds as any other.
WITH RECURSIVE kinds (request) AS (
    SELECT MIN(request) FROM operations WHERE company = :company AND state = 'waiting' AND connection = :connection
    UNION ALL
    SELECT (SELECT MIN(o.request) FROM operations o WHERE o.company = :company AND o.state = 'waiting'
            AND o.connection = :connection AND o.request > kinds.request)
    FROM kinds WHERE kinds.request IS NOT NULL
)
SELECT request, (SELECT MIN(o.seq) FROM operations o WHERE o.company = :company AND o.state = 'waiting'
                 AND o.connection = :connection AND o.request = kinds.request) AS first
FROM kinds WHERE request IS NOT NULL;

-- name: records_waiting_with
SELECT r.* FROM records r JOIN operations o ON o.id = r.operation_id AND o.record_id = r.id
WHERE r.company = :company AND r.state = 'intended' AND r.flow = :flow AND (:stream = '' OR r.stream = :stream)
  AND o.state = 'waiting' AND o.target_id = '' AND o.mapped LIKE '%"' || :text || '"%' ESCAPE '!' ORDER BY r.id;

-- name: facts_named
SELECT name FROM facts WHERE company = :company AND substr(name, 1, length(:prefix)) = :prefix ORDER BY name;
