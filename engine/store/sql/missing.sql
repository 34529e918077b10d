-- What records miss, grouped: the index `waits_missing` alone answers the first two. And a lookup table, a page at a time.

-- name: missing_groups
SELECT flow, wait_key, MAX(label) AS label, COUNT(*) AS count, MIN(record_id) AS first_id FROM waits
WHERE company = :company AND flow <> '' GROUP BY flow, wait_key;

-- name: missing_group
SELECT flow, wait_key, MAX(label) AS label, COUNT(*) AS count, MIN(record_id) AS first_id FROM waits
WHERE company = :company AND flow = :flow AND wait_key = :wait_key AND flow <> '' GROUP BY flow, wait_key;

-- name: missing_amounts
SELECT r.amount, r.currency FROM waits w JOIN records r ON r.id = w.record_id
WHERE w.company = :company AND w.flow = :flow AND w.wait_key = :wait_key AND w.flow <> ''
  AND r.amount IS NOT NULL LIMIT :limit;

-- name: missing_records
-- Without their payloads.
SELECT r.id, r.flow, r.stream, r.source_id, r.phase, r.state, r.reasons, r.amount, r.currency, r.party, r.reference,
       r.dated_on, r.created_at, r.updated_at
FROM waits w JOIN records r ON r.id = w.record_id
WHERE w.company = :company AND w.flow = :flow AND w.wait_key = :wait_key AND w.flow <> '' AND w.record_id > :after
ORDER BY w.record_id LIMIT :limit;

-- name: mapping_counts
SELECT flow, lookup, COUNT(*) AS count, MAX(updated_at) AS updated_at FROM mappings WHERE company = :company
GROUP BY flow, lookup ORDER BY flow, lookup;

-- name: mappings_page
-- In the order of the keys, those behind `after`; `text` is a pattern, empty for all.
SELECT * FROM mappings
WHERE company = :company AND flow = :flow AND lookup = :lookup AND source_key > :after
  AND (:text = '' OR lower(source_key) LIKE :text ESCAPE '!' OR lower(label) LIKE :text ESCAPE '!'
       OR lower(full_name) LIKE :text ESCAPE '!' OR lower(list_id) LIKE :text ESCAPE '!')
ORDER BY source_key LIMIT :limit;
