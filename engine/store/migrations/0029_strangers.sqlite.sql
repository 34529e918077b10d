-- `record_id + 0`: SQLite would walk all that are no record's by their own index.
-- What carries a marker that is no record's of ours was entered by somebody else: another program, or flowctl set up anew. It may be
-- what a record is about to become, like what carries none. A number counts as QuickBooks counts it, in any case.
UPDATE sightings SET reference = lower(reference);
CREATE INDEX sightings_strange_by_number ON sightings (company, kind, reference) WHERE record_id + 0 <= 0 AND guid <> '';
CREATE INDEX sightings_strange_by_date ON sightings (company, kind, dated_on) WHERE record_id + 0 <= 0 AND guid <> '';
CREATE INDEX sightings_strange_by_memo ON sightings (company, kind, memo) WHERE record_id + 0 <= 0 AND guid <> '' AND memo <> '';
