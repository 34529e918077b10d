-- name: user_insert
INSERT INTO users (user_name, role, password_hash, is_once, created_at, updated_at)
VALUES (:user_name, :role, :password_hash, 1, :at, :at) ON CONFLICT (user_name) DO NOTHING;

-- name: user_get
SELECT * FROM users WHERE user_name = :user_name;

-- name: users_all
SELECT user_name, role, is_once, CASE WHEN totp_sealed IS NULL THEN 0 ELSE 1 END AS has_totp, created_at, updated_at,
       signed_in_at
FROM users ORDER BY user_name;

-- name: users_whole
SELECT * FROM users ORDER BY user_name;

-- name: user_signed_in
UPDATE users SET signed_in_at = :at WHERE user_name = :user_name;

-- name: users_other_admin
SELECT user_name FROM users WHERE role = 'admin' AND user_name <> :user_name LIMIT 1;

-- name: user_sessions_count
SELECT user_name, COUNT(*) AS count FROM user_sessions
WHERE stage = 'in' AND seen_at > :idle_since AND created_at > :began_since GROUP BY user_name;

-- name: users_any
SELECT user_name FROM users LIMIT 1;

-- name: user_role
UPDATE users SET role = :role, updated_at = :at WHERE user_name = :user_name;

-- name: user_password
UPDATE users SET password_hash = :password_hash, is_once = :is_once, updated_at = :at WHERE user_name = :user_name;

-- name: user_totp
UPDATE users SET totp_key_id = :key_id, totp_sealed = :sealed, totp_step = 0, updated_at = :at WHERE user_name = :user_name;

-- name: user_totp_used
UPDATE users SET totp_step = :step WHERE user_name = :user_name AND totp_step < :step;

-- name: user_delete
DELETE FROM users WHERE user_name = :user_name;

-- name: user_session_insert
INSERT INTO user_sessions (id_hash, user_name, stage, csrf, created_at, seen_at)
VALUES (:id_hash, :user_name, :stage, :csrf, :at, :at);

-- name: user_session_get
SELECT s.*, u.role, u.is_once FROM user_sessions s JOIN users u ON u.user_name = s.user_name WHERE s.id_hash = :id_hash;

-- name: user_session_seen
UPDATE user_sessions SET seen_at = :at WHERE id_hash = :id_hash;

-- name: user_session_flash
UPDATE user_sessions SET flash = :flash WHERE id_hash = :id_hash;

-- name: user_session_end
DELETE FROM user_sessions WHERE id_hash = :id_hash;

-- name: user_sessions_end
DELETE FROM user_sessions WHERE user_name = :user_name;

-- name: user_sessions_prune
DELETE FROM user_sessions WHERE seen_at < :before;

-- name: tries_get
SELECT * FROM sign_in_tries WHERE name_hash = :name_hash;

-- name: tries_put
INSERT INTO sign_in_tries (name_hash, failures, until_at, last_at) VALUES (:name_hash, :failures, :until_at, :at)
ON CONFLICT (name_hash) DO UPDATE
SET failures = excluded.failures, until_at = excluded.until_at, last_at = excluded.last_at;

-- name: tries_forget
DELETE FROM sign_in_tries WHERE name_hash = :name_hash;

-- name: tries_prune
DELETE FROM sign_in_tries WHERE last_at < :before;
