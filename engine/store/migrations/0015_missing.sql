-- What a record misses is a wait like any other, with the flow whose lookup has to know it, and what people call the value.
-- Both are empty where the wait is no missing mapping. The index alone answers how many records wait for which mapping.
ALTER TABLE waits ADD COLUMN flow TEXT NOT NULL DEFAULT '';
ALTER TABLE waits ADD COLUMN label TEXT NOT NULL DEFAULT '';
CREATE INDEX waits_missing ON waits (company, flow, wait_key, label, record_id) WHERE flow <> '';
