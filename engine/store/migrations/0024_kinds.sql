-- Which kinds of objects a company holds, without looking at them all.
CREATE INDEX holdings_by_kind ON holdings (company, kind);
