-- What a person has stopped: a whole company (`flow` is empty) or one flow of it. Nothing new is read, prepared or sent.
CREATE TABLE pauses (
    company TEXT NOT NULL REFERENCES companies (company),
    flow    TEXT NOT NULL,
    at      TEXT NOT NULL,
    actor   TEXT NOT NULL,
    why     TEXT NOT NULL,
    PRIMARY KEY (company, flow)
);

-- Records that a person holds back: whatever state they come to, what is prepared for them is not sent.
CREATE TABLE held_records (
    record_id INTEGER PRIMARY KEY REFERENCES records (id),
    company   TEXT NOT NULL,
    at        TEXT NOT NULL,
    actor     TEXT NOT NULL,
    why       TEXT NOT NULL
);
CREATE INDEX held_records_of ON held_records (company, record_id);
