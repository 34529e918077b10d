-- What an object of the target says of itself; where it shows no marker, that may name the record it was written for.
ALTER TABLE sightings ADD COLUMN memo TEXT NOT NULL DEFAULT '';
CREATE INDEX sightings_by_memo ON sightings (company, kind, memo) WHERE guid = '' AND memo <> '';
