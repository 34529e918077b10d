-- A record has one operation that may still be sent, whatever process prepares it: two would post it twice.
CREATE UNIQUE INDEX operations_one_live ON operations (record_id) WHERE state IN ('waiting', 'sent');

-- Which source values mean a list object is asked each time one is created.
CREATE INDEX mappings_by_target ON mappings (company, flow, lookup, list_id) WHERE list_id <> '';
