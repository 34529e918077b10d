-- What the connection led to when the bytes were frozen: a JSON list of the connector, a digest of the settings that name the
-- account, and the vendor's id of it or the company file. Empty for what an older flowctl has frozen.
ALTER TABLE operations ADD COLUMN meant_for TEXT NOT NULL DEFAULT '';
