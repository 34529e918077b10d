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
