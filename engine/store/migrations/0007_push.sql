-- What is under way to a connection is asked for once a second, and is a small part of all operations.
CREATE INDEX operations_live ON operations (company, connection, state, seq) WHERE state IN ('waiting', 'sent');

-- Which record an object of a target that is called was written for, or taken over for: none may stand for two.
CREATE TABLE pushed (
    company     TEXT NOT NULL,
    connection  TEXT NOT NULL,
    target_id   TEXT NOT NULL,
    record_id   INTEGER NOT NULL REFERENCES records (id),
    PRIMARY KEY (company, connection, target_id, record_id)
);
