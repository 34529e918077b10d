-- name: handshake_insert
INSERT INTO handshakes (company, connection, digest, key_id, sealed, next_at, received_at)
VALUES (:company, :connection, :digest, :key_id, :sealed, :at, :at) ON CONFLICT (company, connection, digest) DO NOTHING;

-- name: handshakes_waiting
SELECT count(*) AS waiting, max(attempts) AS attempts FROM handshakes WHERE company = :company AND connection = :connection AND sealed IS NOT NULL;

-- name: handshake_known
SELECT digest FROM handshakes WHERE company = :company AND connection = :connection AND digest = :digest;

-- name: handshakes_due
SELECT * FROM handshakes WHERE sealed IS NOT NULL AND (next_at <= :at OR next_at > :latest)
ORDER BY next_at, digest LIMIT 50;

-- name: handshake_claim
UPDATE handshakes SET next_at = :until, attempts = attempts + 1
WHERE company = :company AND connection = :connection AND digest = :digest AND next_at = :seen AND sealed IS NOT NULL
RETURNING company, connection, key_id, sealed;

-- name: handshake_later
UPDATE handshakes SET next_at = :next WHERE company = :company AND connection = :connection AND digest = :digest;

-- name: handshake_done
UPDATE handshakes SET sealed = NULL WHERE company = :company AND connection = :connection AND digest = :digest;

-- name: handshake_drop
DELETE FROM handshakes WHERE company = :company AND connection = :connection AND digest = :digest;

-- name: handshakes_prune
DELETE FROM handshakes WHERE company = :company AND received_at < :before;
