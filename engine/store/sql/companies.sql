-- name: company_insert
INSERT INTO companies (company, title, created_at) VALUES (:company, :title, :at) ON CONFLICT (company) DO NOTHING;

-- name: company_get
SELECT * FROM companies WHERE company = :company;

-- name: companies_all
SELECT * FROM companies ORDER BY company;

-- name: setting_put
INSERT INTO settings (company, flow, name, value) VALUES (:company, :flow, :name, :value)
ON CONFLICT (company, flow, name) DO UPDATE SET value = excluded.value;

-- name: setting_delete
DELETE FROM settings WHERE company = :company AND flow = :flow AND name = :name;

-- name: settings_of
SELECT name, value FROM settings WHERE company = :company AND flow = :flow ORDER BY name;

-- name: connection_put
INSERT INTO connections (company, connection, connector, settings, updated_at)
VALUES (:company, :connection, :connector, :settings, :at)
ON CONFLICT (company, connection) DO UPDATE
SET connector = excluded.connector, settings = excluded.settings, updated_at = excluded.updated_at;

-- name: connection_get
SELECT * FROM connections WHERE company = :company AND connection = :connection;

-- name: connection_to
-- What a connection leads to, as far as its company's file says it.
SELECT c.connector, i.identity, i.bound_at FROM connections c LEFT JOIN identities i ON i.company = c.company
WHERE c.company = :company AND c.connection = :connection;

-- name: connections_of
SELECT * FROM connections WHERE company = :company ORDER BY connection;

-- name: connectors_of
SELECT connection, connector FROM connections WHERE company = :company ORDER BY connection;

-- name: connections_behind_tls
SELECT company FROM connections WHERE connector IN (SELECT value FROM json_each(:connectors))
  AND settings LIKE '%"https://%' LIMIT 1;

-- name: credential_put
INSERT INTO credentials (company, connection, field, key_id, sealed, updated_at)
VALUES (:company, :connection, :field, :key_id, :sealed, :at)
ON CONFLICT (company, connection, field) DO UPDATE
SET key_id = excluded.key_id, sealed = excluded.sealed, updated_at = excluded.updated_at;

-- name: credential_get
SELECT * FROM credentials WHERE company = :company AND connection = :connection AND field = :field;

-- name: credentials_of
SELECT * FROM credentials WHERE company = :company AND connection = :connection ORDER BY field;

-- name: credential_delete
DELETE FROM credentials WHERE company = :company AND connection = :connection AND field = :field;

-- name: login_put
INSERT INTO logins (user_name, company, password_hash, updated_at) VALUES (:user_name, :company, :password_hash, :at)
ON CONFLICT (user_name) DO UPDATE SET password_hash = excluded.password_hash, updated_at = excluded.updated_at
WHERE logins.company = excluded.company;

-- name: login_opened
-- A row for each connection of its company.
SELECT l.company, l.user_name, l.password_hash, c.settings FROM logins l LEFT JOIN connections c ON c.company = l.company
WHERE l.user_name = :user_name ORDER BY c.connection;

-- name: login_get
SELECT * FROM logins WHERE user_name = :user_name;

-- name: logins_of
SELECT user_name FROM logins WHERE company = :company ORDER BY user_name;

-- name: identity_get
SELECT identity, bound_at FROM identities WHERE company = :company;

-- name: identity_put
INSERT INTO identities (company, identity, bound_at) VALUES (:company, :identity, :at) ON CONFLICT (company) DO NOTHING;

-- name: identity_change
UPDATE identities SET identity = :identity WHERE company = :company;

-- name: identity_delete
DELETE FROM identities WHERE company = :company;

-- name: connection_secrets_forget
DELETE FROM credentials WHERE company = :company AND connection = :connection;

-- name: connection_delete
DELETE FROM connections WHERE company = :company AND connection = :connection;
