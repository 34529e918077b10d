-- name: journal_look
-- As on SQLite: no letters but those of ASCII are compared, and a line with others, which has more bytes than letters, may
-- be wanted too.
SELECT * FROM journal
WHERE company = :company AND seq < :before AND seq >= :least
  AND (:event = '' OR event = :event) AND (:flow = '' OR flow = :flow)
  AND (CAST(:record_id AS BIGINT) IS NULL OR record_id = :record_id)
  AND (:by_people = 0 OR actor LIKE 'panel:%' OR actor LIKE 'cli:%')
  AND (:actor = '' OR actor LIKE :actor ESCAPE '!' OR length(actor) <> octet_length(actor))
  AND (:text = '' OR source_id || ' ' || detail LIKE :text ESCAPE '!'
       OR length(source_id) <> octet_length(source_id) OR length(detail) <> octet_length(detail))
ORDER BY seq DESC LIMIT :limit;
