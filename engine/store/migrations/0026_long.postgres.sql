-- What QuickBooks notes at a transaction has up to 4,095 letters, and a row of an ordinary index some 2,700 bytes: this one keeps
-- a digest. It serves the only question that is asked of it, whether a note is the same.
DROP INDEX sightings_by_memo;
CREATE INDEX sightings_by_memo ON sightings USING hash (memo) WHERE guid = '' AND memo <> '';
