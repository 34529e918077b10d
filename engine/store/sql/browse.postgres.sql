-- Row-level security lets an index be looked into only by comparisons of columns: functions might tell of rows that are not
-- to be seen. So what is compared here has a column of its own, which PostgreSQL keeps.

-- name: browse_ids_party
SELECT id FROM records WHERE company = :company AND party_low >= :low AND party_low < :high LIMIT :limit OFFSET :skip;

-- name: browse_ids_reference
SELECT id FROM records WHERE company = :company AND reference_low >= :low AND reference_low < :high LIMIT :limit OFFSET :skip;

-- name: browse_ids_source
SELECT id FROM records WHERE company = :company AND source_low >= :low AND source_low < :high LIMIT :limit OFFSET :skip;

-- name: browse_ids_amount
SELECT id FROM records
WHERE company = :company AND amount_no >= thousandths(:least) AND amount_no <= thousandths(:most)
  AND CAST(amount AS NUMERIC) >= CAST(:least AS NUMERIC) AND CAST(amount AS NUMERIC) <= CAST(:most AS NUMERIC)
LIMIT :limit OFFSET :skip;

-- name: browse_ids_of
-- Merged as they are read as well, but only where each list is in order and ends by itself: what has neither is gathered
-- whole here, and sorted.
SELECT id FROM (
    SELECT id FROM (
        SELECT id FROM records
        WHERE company = :company AND state = 'pending' AND flow = :flow AND stream = :stream AND id < :before
        ORDER BY id DESC LIMIT CAST(:limit AS BIGINT) + CAST(:skip AS BIGINT)) AS pending_ids
    UNION ALL
    SELECT id FROM (
        SELECT id FROM records
        WHERE company = :company AND state = 'intended' AND flow = :flow AND stream = :stream AND id < :before
        ORDER BY id DESC LIMIT CAST(:limit AS BIGINT) + CAST(:skip AS BIGINT)) AS intended_ids
    UNION ALL
    SELECT id FROM (
        SELECT id FROM records
        WHERE company = :company AND state = 'sent' AND flow = :flow AND stream = :stream AND id < :before
        ORDER BY id DESC LIMIT CAST(:limit AS BIGINT) + CAST(:skip AS BIGINT)) AS sent_ids
    UNION ALL
    SELECT id FROM (
        SELECT id FROM records
        WHERE company = :company AND state = 'posted' AND flow = :flow AND stream = :stream AND id < :before
        ORDER BY id DESC LIMIT CAST(:limit AS BIGINT) + CAST(:skip AS BIGINT)) AS posted_ids
    UNION ALL
    SELECT id FROM (
        SELECT id FROM records
        WHERE company = :company AND state = 'closed' AND flow = :flow AND stream = :stream AND id < :before
        ORDER BY id DESC LIMIT CAST(:limit AS BIGINT) + CAST(:skip AS BIGINT)) AS closed_ids
    UNION ALL
    SELECT id FROM (
        SELECT id FROM records
        WHERE company = :company AND state = 'deferred' AND flow = :flow AND stream = :stream AND id < :before
        ORDER BY id DESC LIMIT CAST(:limit AS BIGINT) + CAST(:skip AS BIGINT)) AS deferred_ids
    UNION ALL
    SELECT id FROM (
        SELECT id FROM records
        WHERE company = :company AND state = 'unknown' AND flow = :flow AND stream = :stream AND id < :before
        ORDER BY id DESC LIMIT CAST(:limit AS BIGINT) + CAST(:skip AS BIGINT)) AS unknown_ids
    UNION ALL
    SELECT id FROM (
        SELECT id FROM records
        WHERE company = :company AND state = 'failed' AND flow = :flow AND stream = :stream AND id < :before
        ORDER BY id DESC LIMIT CAST(:limit AS BIGINT) + CAST(:skip AS BIGINT)) AS failed_ids
    UNION ALL
    SELECT id FROM (
        SELECT id FROM records
        WHERE company = :company AND state = 'skipped' AND flow = :flow AND stream = :stream AND id < :before
        ORDER BY id DESC LIMIT CAST(:limit AS BIGINT) + CAST(:skip AS BIGINT)) AS skipped_ids
    UNION ALL
    SELECT id FROM (
        SELECT id FROM records
        WHERE company = :company AND state = 'vanished' AND flow = :flow AND stream = :stream AND id < :before
        ORDER BY id DESC LIMIT CAST(:limit AS BIGINT) + CAST(:skip AS BIGINT)) AS vanished_ids
) AS every ORDER BY id DESC LIMIT :limit OFFSET :skip;
