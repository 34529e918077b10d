-- name: mapping_put
INSERT INTO mappings (company, flow, lookup, source_key, label, list_id, full_name, origin, actor, updated_at)
VALUES (:company, :flow, :lookup, :source_key, :label, :list_id, :full_name, :origin, :actor, :at)
ON CONFLICT (company, flow, lookup, source_key) DO UPDATE
SET label = excluded.label, list_id = excluded.list_id, full_name = excluded.full_name, origin = excluded.origin,
    actor = excluded.actor, updated_at = excluded.updated_at;

-- name: mapping_delete
DELETE FROM mappings WHERE company = :company AND flow = :flow AND lookup = :lookup AND source_key = :source_key;

-- name: mapping_get
SELECT * FROM mappings WHERE company = :company AND flow = :flow AND lookup = :lookup AND source_key = :source_key;

-- name: mapping_to
-- What a lookup needs of it. Every column that is asked for takes time, whether a row is there or not.
SELECT list_id, full_name FROM mappings
WHERE company = :company AND flow = :flow AND lookup = :lookup AND source_key = :source_key;

-- name: mappings_since
-- What people have said since then, the newest first.
SELECT * FROM mappings WHERE company = :company AND flow = :flow AND origin = 'person' AND updated_at > :since
ORDER BY updated_at DESC, lookup, source_key LIMIT :limit;

-- name: mappings_to
SELECT * FROM mappings WHERE company = :company AND flow = :flow AND lookup = :lookup AND list_id = CAST(:list_id AS TEXT)
  AND list_id <> '' AND source_key <> :source_key ORDER BY source_key || '';

-- name: mapping_exists_to
SELECT 1 FROM mappings WHERE company = :company AND flow = :flow AND lookup = :lookup AND list_id = CAST(:list_id AS TEXT)
  AND list_id <> '' LIMIT 1;

-- name: mappings_unresolved
SELECT full_name FROM mappings WHERE company = :company AND flow = :flow AND lookup = :lookup AND list_id = '';

-- name: mappings_of
SELECT * FROM mappings WHERE company = :company AND flow = :flow AND (:lookup = '' OR lookup = :lookup)
ORDER BY lookup, source_key;

-- name: list_create
INSERT INTO lists (company, list) VALUES (:company, :list) ON CONFLICT (company, list) DO NOTHING;

-- name: list_get
SELECT * FROM lists WHERE company = :company AND list = :list;

-- name: lists_of
SELECT * FROM lists WHERE company = :company ORDER BY list;

-- name: lists_standing
-- What every answer of a lookup hangs on: the lists, and under no name how often a mapping was said.
SELECT list, revision, loaded_at FROM lists WHERE company = :company
UNION ALL SELECT '', value, NULL FROM counters WHERE name = :mappings;

-- name: list_expire
UPDATE lists SET due = 1 WHERE company = :company AND list = :list;

-- name: lists_expire_polled
-- The list of a target that is called has the name of its connection before its own.
UPDATE lists SET due = 1 WHERE company = :company AND list NOT LIKE '%.%';

-- name: list_begin
UPDATE lists SET loading = loading + 1 WHERE company = :company AND list = :list RETURNING loading;

-- name: list_done
UPDATE lists SET due = 0, loaded_at = :at, revision = revision + :changed WHERE company = :company AND list = :list;

-- name: list_touch
UPDATE lists SET revision = revision + 1 WHERE company = :company AND list = :list;

-- name: list_object_put
INSERT INTO list_objects (company, list, list_id, full_name, folded, number, active, edit_sequence, data, loading)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (company, list, list_id) DO UPDATE
SET full_name = excluded.full_name, folded = excluded.folded, number = excluded.number, active = excluded.active,
    edit_sequence = excluded.edit_sequence, data = excluded.data, loading = excluded.loading;

-- name: list_objects_gone
DELETE FROM list_objects WHERE company = :company AND list = :list AND loading < :loading;

-- name: list_objects_of
SELECT * FROM list_objects WHERE company = :company AND list = :list ORDER BY folded;

-- name: list_names_of
SELECT list_id, full_name, number, active FROM list_objects WHERE company = :company AND list = :list ORDER BY folded;

-- name: list_objects_after
SELECT * FROM list_objects WHERE company = :company AND list = :list AND list_id > :after ORDER BY list_id LIMIT :limit;

-- name: list_object_named
SELECT list_id, full_name, active, number, edit_sequence, data FROM list_objects
WHERE company = :company AND list = :list AND folded = :folded ORDER BY active DESC, list_id;

-- name: list_object_get
SELECT list_id, full_name, active, number, edit_sequence, data FROM list_objects
WHERE company = :company AND list = :list AND list_id = :list_id;

-- name: list_count
SELECT list, COUNT(*) AS count FROM list_objects WHERE company = :company GROUP BY list ORDER BY list;

-- name: list_object_numbered
SELECT list_id, full_name, active, number, edit_sequence, data FROM list_objects
WHERE company = :company AND list = :list AND number = :number AND number <> '' AND active = 1 ORDER BY list_id || '';
