-- Numbers of the whole house come from sequences, so that no company waits until another commits.

-- name: counter_take
SELECT counter_take(:name, :count) AS value;

-- name: counter_get
SELECT found.value FROM (SELECT counter_last(:name) AS value) AS found WHERE found.value IS NOT NULL;

-- name: schema_version
SELECT MAX(number) AS number FROM schema_versions;

-- name: time_now
SELECT clock_timestamp() AS now;
