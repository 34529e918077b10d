-- Pages of a company with a million records find what is rare without looking at the rest.
-- Lines about no record, such as a company file that somebody has to confirm.
CREATE INDEX journal_of_company ON journal (company, event, seq) WHERE record_id IS NULL;
-- Changes of posted records, and what is only watched.
CREATE INDEX records_beside ON records (company, id) WHERE phase <> 'post';
CREATE INDEX operations_held ON operations (company, connection) WHERE state = 'held';
