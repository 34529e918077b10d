-- How many records took a step on a day.

-- name: tally_add
INSERT INTO tallies (company, day, what, within_s, flow, stream, number) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (company, day, what, within_s, flow, stream) DO UPDATE SET number = tallies.number + excluded.number;

-- name: tally_run
UPDATE runs SET posted = posted + ? WHERE id = ?;

-- name: tally_waited_as
-- From where a record became pending the last time.
SELECT state_from FROM journal WHERE record_id = :record_id AND state_to = 'pending' ORDER BY seq DESC LIMIT 1;

-- name: tally_zone
SELECT time_zone FROM companies WHERE company = :company;

-- name: tallies_of
-- By the first letters of the day: ten of them are a day, seven a month. Days are added up first, in the order in which they
-- stand there, so that little is left to be sorted.
SELECT substr(day, 1, CAST(:letters AS INTEGER)) AS day, what, within_s, SUM(number) AS number FROM (
    SELECT day, what, within_s, SUM(number) AS number FROM tallies
    WHERE company = :company AND day >= :first_on AND day <= :last_on AND (:flow = '' OR flow = :flow)
    GROUP BY day, what, within_s
) AS days GROUP BY 1, what, within_s ORDER BY 1, what, within_s;

-- name: tallies_begin
SELECT MIN(day) AS day FROM tallies WHERE company = :company;

-- name: runs_page
SELECT * FROM runs WHERE company = :company AND id < :before ORDER BY id DESC LIMIT :limit;

-- name: runs_page_of
SELECT * FROM runs WHERE company = :company AND flow = :flow AND id < :before ORDER BY id DESC LIMIT :limit;

-- name: run_get
SELECT * FROM runs WHERE id = :id;

-- name: run_became
SELECT stream, state, COUNT(*) AS count FROM (
    SELECT stream, state FROM records WHERE first_run = :run ORDER BY id LIMIT :limit
) AS part GROUP BY stream, state ORDER BY stream, state;

-- name: browse_ids_run
SELECT id FROM records WHERE first_run = :run AND id < :before ORDER BY id DESC LIMIT :limit OFFSET :skip;
