-- Which kinds of requests wait is asked in every call of a Web Connector's session: one look for each kind, however many wait.
CREATE INDEX operations_by_kind ON operations (company, connection, request, seq) WHERE state = 'waiting';
