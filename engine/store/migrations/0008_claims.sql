-- Which object of a list a record was matched with: no other record of the flow may have it, from the moment that the record
-- is prepared. `object` is the object as it was then (JSON), for it may leave the list once it is written.
CREATE TABLE claims (
    company     TEXT NOT NULL,
    flow        TEXT NOT NULL,
    lookup      TEXT NOT NULL,
    list_id     TEXT NOT NULL,
    record_id   INTEGER NOT NULL REFERENCES records (id),
    stream      TEXT NOT NULL,
    source_id   TEXT NOT NULL,
    object      TEXT NOT NULL,
    PRIMARY KEY (company, flow, lookup, list_id)
);
CREATE INDEX claims_by_record ON claims (record_id);
