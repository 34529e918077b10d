-- A look shows only what was changed since the one before, so what was seen before this version is not seen again.
UPDATE sightings SET memo = trim(coalesce(json_extract(data, '$.Memo'), '')) WHERE guid = '';
