-- Which kinds of objects a company holds, without looking at them all.
CREATE INDEX holdings_by_kind ON holdings (company, kind);

-- How often the same thing was so, and is over.
CREATE INDEX alerts_over_of ON alerts (company, kind, subject, id) WHERE resolved_at IS NOT NULL;
