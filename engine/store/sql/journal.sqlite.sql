-- name: journal_look
-- The lines of a span of numbers that may be wanted, the newest first. Texts are looked for as SQLite compares them, which
-- knows no letters but those of ASCII: a line with others, which has more bytes than letters, may be wanted too.
SELECT * FROM journal
WHERE company = :company AND seq < :before AND seq >= :least
  AND (:event = '' OR event = :event) AND (:flow = '' OR flow = :flow)
  AND (:record_id IS NULL OR record_id = :record_id)
  AND (:by_people = 0 OR actor LIKE 'panel:%' OR actor LIKE 'cli:%')
  AND (:actor = '' OR actor LIKE :actor ESCAPE '!' OR length(actor) <> length(CAST(actor AS BLOB)))
  AND (:text = '' OR source_id || ' ' || detail LIKE :text ESCAPE '!'
       OR length(source_id) <> length(CAST(source_id AS BLOB)) OR length(detail) <> length(CAST(detail AS BLOB)))
ORDER BY seq DESC LIMIT :limit;
