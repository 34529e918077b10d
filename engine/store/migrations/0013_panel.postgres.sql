-- Under row-level security an index serves comparisons of columns, and no functions: what the common file has indexes of
-- expressions for are columns here. They are never written to, and a row shows them after all others. An index takes no text of
-- some thousand letters, so their beginnings are found, and what is found is compared whole.
-- An amount in whole thousandths, which a number of eight bytes holds, or the nearest that it holds: it finds, and what is
-- found is compared exactly. Comparisons of NUMERIC may not be looked up in an index either.
CREATE FUNCTION thousandths(amount TEXT) RETURNS BIGINT LANGUAGE sql IMMUTABLE AS $$
    SELECT CAST(LEAST(GREATEST(trunc(CAST(amount AS NUMERIC) * 1000), -9e18), 9e18) AS BIGINT)
$$;
DROP INDEX records_by_party;
DROP INDEX records_by_reference;
DROP INDEX records_by_source;
DROP INDEX records_by_amount;
ALTER TABLE records
    ADD COLUMN party_low TEXT COLLATE "C" GENERATED ALWAYS AS (lower(left(party, 300))) STORED,
    ADD COLUMN reference_low TEXT COLLATE "C" GENERATED ALWAYS AS (lower(left(reference, 300))) STORED,
    ADD COLUMN source_low TEXT COLLATE "C" GENERATED ALWAYS AS (lower(left(source_id, 300))) STORED,
    ADD COLUMN amount_no BIGINT GENERATED ALWAYS AS (thousandths(amount)) STORED;
CREATE INDEX records_by_party ON records (company, party_low, id);
CREATE INDEX records_by_reference ON records (company, reference_low, id);
CREATE INDEX records_by_source ON records (company, source_low, id);
CREATE INDEX records_by_amount ON records (company, amount_no, id);
