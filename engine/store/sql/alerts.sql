-- name: alert_rules_of
SELECT * FROM alert_rules WHERE company = :company ORDER BY rule;

-- name: alert_rule_put
INSERT INTO alert_rules (company, rule, settings, updated_at) VALUES (:company, :rule, :settings, :at)
ON CONFLICT (company, rule) DO UPDATE SET settings = excluded.settings, updated_at = excluded.updated_at;

-- name: alert_rule_drop
DELETE FROM alert_rules WHERE company = :company AND rule = :rule;

-- name: alert_channel_insert
INSERT INTO alert_channels (id, company, name, hint, key_id, sealed, settings, created_at)
VALUES (:id, :company, :name, :hint, :key_id, :sealed, :settings, :at) ON CONFLICT (company, name) DO NOTHING;

-- name: alert_channel_address
UPDATE alert_channels SET hint = :hint, key_id = :key_id, sealed = :sealed, failures = 0, failing_since = '', last_error = '',
       next_try_at = '' WHERE id = :id;

-- name: alert_channel_settings
UPDATE alert_channels SET settings = :settings WHERE id = :id;

-- name: alert_channel_mute
UPDATE alert_channels SET muted_until = :until_at, muted_by = :actor, muted_why = :why WHERE id = :id;

-- name: alert_channel_sent
UPDATE alert_channels SET failures = 0, failing_since = '', last_error = '', next_try_at = '', sent_at = :at WHERE id = :id;

-- name: alert_channel_failed
UPDATE alert_channels SET failures = failures + 1, last_error = :error, next_try_at = :next_try_at,
       failing_since = CASE WHEN failing_since = '' THEN :at ELSE failing_since END WHERE id = :id;

-- name: alert_channel_get
SELECT * FROM alert_channels WHERE company = :company AND name = :name;

-- name: alert_channel_by_id
SELECT * FROM alert_channels WHERE id = :id;

-- name: alert_channels_of
SELECT * FROM alert_channels WHERE company = :company ORDER BY name;

-- name: alert_channels_all
SELECT * FROM alert_channels ORDER BY id;

-- name: alert_channels_failing
SELECT * FROM alert_channels WHERE failing_since <> '' ORDER BY id;

-- name: alert_channel_drop
DELETE FROM alert_channels WHERE id = :id;

-- name: alert_channels_sealed
SELECT company, 'alerts' AS connection, 'channel:' || name AS field, name AS ref, key_id, sealed FROM alert_channels
WHERE sealed IS NOT NULL AND key_id <> :key_id AND (company > :company OR (company = :company AND name > :ref))
ORDER BY company, name LIMIT :limit;

-- name: alert_channels_reseal
UPDATE alert_channels SET key_id = :key_id, sealed = :sealed WHERE company = :company AND name = :ref;

-- name: alert_channels_by_key
SELECT key_id, COUNT(*) AS count FROM alert_channels WHERE sealed IS NOT NULL GROUP BY key_id;

-- name: alert_channels_forget
-- The channel stays, so that somebody sees that it has no address any more.
UPDATE alert_channels SET key_id = '', sealed = NULL WHERE key_id = :key_id AND sealed IS NOT NULL;

-- name: alert_notice_insert
INSERT INTO alert_notices (id, company, rule, subject, severity, title, detail, hint, place, records, money, since_at, opened_at)
VALUES (:id, :company, :rule, :subject, :severity, :title, :detail, :hint, :place, :records, :money, :since_at, :at);

-- name: alert_notice_put
UPDATE alert_notices SET severity = :severity, title = :title, detail = :detail, hint = :hint, place = :place,
       records = :records, money = :money, since_at = :since_at WHERE id = :id;

-- name: alert_notice_end
UPDATE alert_notices SET ended_at = :at WHERE id = :id AND ended_at IS NULL;

-- name: alert_notice_get
SELECT * FROM alert_notices WHERE id = :id;

-- name: alert_notices_open
SELECT * FROM alert_notices WHERE company = :company AND ended_at IS NULL ORDER BY id;

-- name: alert_notices_open_any
SELECT * FROM alert_notices WHERE ended_at IS NULL ORDER BY company, id LIMIT :limit;

-- name: alert_notices_over
-- Each thing once, as it was last, with how often it was so.
SELECT n.*, g.often FROM (
    SELECT MAX(id) AS newest, COUNT(*) AS often FROM alert_notices
    WHERE company = :company AND ended_at IS NOT NULL GROUP BY rule, subject ORDER BY MAX(id) DESC LIMIT :limit) AS g
JOIN alert_notices n ON n.id = g.newest ORDER BY n.id DESC;

-- name: alert_notices_companies
SELECT DISTINCT company FROM alert_notices WHERE ended_at IS NULL ORDER BY company;

-- name: alert_notices_purge
DELETE FROM alert_notices WHERE ended_at IS NOT NULL AND ended_at < :before;

-- name: alert_mute_put
INSERT INTO alert_mutes (company, rule, subject, until_at, why, actor, at)
VALUES (:company, :rule, :subject, :until_at, :why, :actor, :at)
ON CONFLICT (company, rule, subject) DO UPDATE
SET until_at = excluded.until_at, why = excluded.why, actor = excluded.actor, at = excluded.at;

-- name: alert_mute_drop
DELETE FROM alert_mutes WHERE company = :company AND rule = :rule AND subject = :subject;

-- name: alert_mutes_of
SELECT * FROM alert_mutes WHERE company = :company ORDER BY rule, subject;

-- name: alert_delivery_insert
INSERT INTO alert_deliveries (id, channel_id, notice_id, event, records, state, made_at)
VALUES (:id, :channel_id, :notice_id, :event, :records, 'waiting', :at);

-- name: alert_deliveries_of_notice
SELECT * FROM alert_deliveries WHERE notice_id = :notice_id ORDER BY id;

-- name: alert_deliveries_of_open
SELECT d.* FROM alert_deliveries d JOIN alert_notices n ON n.id = d.notice_id
WHERE n.company = :company AND n.ended_at IS NULL ORDER BY d.id;

-- name: alert_deliveries_waiting
SELECT d.id, d.channel_id, d.event, d.records AS told_records, d.made_at, n.id AS notice_id, n.company, n.rule, n.subject,
       n.severity, n.title, n.detail, n.hint, n.place, n.records, n.money, n.since_at, n.opened_at, n.ended_at,
       c.title AS company_title, c.time_zone AS company_zone
FROM alert_deliveries d JOIN alert_notices n ON n.id = d.notice_id LEFT JOIN companies c ON c.company = n.company
WHERE d.state = 'waiting' AND d.channel_id = :channel_id ORDER BY d.id LIMIT :limit;

-- name: alert_deliveries_waiting_count
SELECT COUNT(*) AS count FROM alert_deliveries WHERE state = 'waiting' AND channel_id = :channel_id;

-- name: alert_channels_with_work
SELECT DISTINCT channel_id FROM alert_deliveries WHERE state = 'waiting' ORDER BY channel_id;

-- name: alert_delivery_done
UPDATE alert_deliveries SET state = ?, done_at = ?,
       records = COALESCE((SELECT n.records FROM alert_notices n WHERE n.id = alert_deliveries.notice_id), records)
WHERE id = ? AND state = 'waiting';

-- name: alert_deliveries_drop
UPDATE alert_deliveries SET state = 'dropped', done_at = :at WHERE channel_id = :channel_id AND state = 'waiting';

-- name: alert_deliveries_purge
DELETE FROM alert_deliveries WHERE state <> 'waiting' AND done_at < :before
AND notice_id NOT IN (SELECT id FROM alert_notices WHERE ended_at IS NULL);

-- name: alert_records_in
-- Walks records_by_state: one stream in one state, a page at a time.
SELECT id, flow, stream, source_id, reasons, amount, currency, party, reference, dated_on, updated_at FROM records
WHERE company = :company AND state = CAST(:state AS TEXT) AND flow = :flow AND stream = :stream AND id > :after ORDER BY id LIMIT :limit;

-- name: alert_records_woken
-- What is pending and has reasons has waited for something before.
SELECT id, flow, stream, source_id, reasons, amount, currency, party, reference, updated_at FROM records
WHERE company = :company AND state = 'pending' AND flow = :flow AND stream = :stream
  AND id > :after AND reasons <> '[]' ORDER BY id LIMIT :limit;

-- name: alerts_open_other
SELECT * FROM alerts WHERE company = :company AND resolved_at IS NULL
AND kind NOT IN ('deferred', 'failed', 'unknown', 'backlog', 'vanished') ORDER BY id LIMIT :limit;

-- name: alert_operation_oldest
SELECT created_at FROM operations WHERE company = :company AND state = 'waiting' ORDER BY seq LIMIT 1;
