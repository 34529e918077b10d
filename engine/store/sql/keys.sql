-- name: data_key_active
SELECT * FROM data_keys WHERE state = 'active';

-- name: data_key_get
SELECT * FROM data_keys WHERE key_id = :key_id;

-- name: data_keys_all
SELECT * FROM data_keys ORDER BY made_at, key_id;

-- name: data_key_insert
INSERT INTO data_keys (key_id, master_id, wrapped, state, made_at) VALUES (:key_id, :master_id, :wrapped, 'active', :at)
ON CONFLICT DO NOTHING;

-- name: data_keys_demote
UPDATE data_keys SET state = 'old' WHERE state = 'active';

-- name: data_key_rewrap
UPDATE data_keys SET master_id = :master_id, wrapped = :wrapped WHERE key_id = :key_id;

-- name: data_key_drop
DELETE FROM data_keys WHERE key_id = :key_id AND state = 'old';

-- name: data_key_forget
DELETE FROM data_keys WHERE key_id = :key_id;

-- name: credentials_forget
DELETE FROM credentials WHERE key_id = :key_id;

-- name: handshakes_forget
DELETE FROM handshakes WHERE key_id = :key_id;

-- name: signing_keys_forget
DELETE FROM signing_keys WHERE key_id = :key_id;

-- name: users_forget
-- Without the second factor the password alone would let in: an administrator gives another one.
UPDATE users SET totp_key_id = '', totp_sealed = NULL, password_hash = '' WHERE totp_key_id = :key_id AND totp_sealed IS NOT NULL;

-- name: credentials_sealed
SELECT company, connection, field, field AS ref, key_id, sealed FROM credentials
WHERE key_id <> :key_id AND (company > :company OR (company = :company AND (connection > :connection
      OR (connection = :connection AND field > :ref))))
ORDER BY company, connection, field LIMIT :limit;

-- name: credentials_reseal
UPDATE credentials SET key_id = :key_id, sealed = :sealed
WHERE company = :company AND connection = :connection AND field = :ref;

-- name: credentials_by_key
SELECT key_id, COUNT(*) AS count FROM credentials GROUP BY key_id;

-- name: handshakes_sealed
SELECT company, connection, 'handshake' AS field, digest AS ref, key_id, sealed FROM handshakes
WHERE sealed IS NOT NULL AND key_id <> :key_id AND (company > :company OR (company = :company AND (connection > :connection
      OR (connection = :connection AND digest > :ref))))
ORDER BY company, connection, digest LIMIT :limit;

-- name: handshakes_reseal
UPDATE handshakes SET key_id = :key_id, sealed = :sealed
WHERE company = :company AND connection = :connection AND digest = :ref;

-- name: handshakes_by_key
SELECT key_id, COUNT(*) AS count FROM handshakes WHERE sealed IS NOT NULL GROUP BY key_id;

-- name: signing_keys_sealed
SELECT '' AS company, '' AS connection, 'signing key' AS field, public_key AS ref, key_id, sealed FROM signing_keys
WHERE key_id <> :key_id AND public_key > :ref ORDER BY public_key LIMIT :limit;

-- name: signing_keys_reseal
UPDATE signing_keys SET key_id = :key_id, sealed = :sealed WHERE public_key = :ref;

-- name: signing_keys_by_key
SELECT key_id, COUNT(*) AS count FROM signing_keys GROUP BY key_id;

-- name: users_sealed
SELECT '' AS company, 'panel' AS connection, 'totp:' || user_name AS field, user_name AS ref, totp_key_id AS key_id, totp_sealed AS sealed
FROM users WHERE totp_sealed IS NOT NULL AND totp_key_id <> :key_id AND user_name > :ref ORDER BY user_name LIMIT :limit;

-- name: users_reseal
UPDATE users SET totp_key_id = :key_id, totp_sealed = :sealed WHERE user_name = :ref;

-- name: users_by_key
SELECT totp_key_id AS key_id, COUNT(*) AS count FROM users WHERE totp_sealed IS NOT NULL GROUP BY totp_key_id;

-- name: signing_key
SELECT * FROM signing_keys ORDER BY made_at, public_key LIMIT 1;

-- name: signing_key_insert
INSERT INTO signing_keys (public_key, key_id, sealed, made_at) VALUES (:public_key, :key_id, :sealed, :at);

-- name: signing_key_wrote
UPDATE signing_keys SET written = :written WHERE public_key = :public_key;
