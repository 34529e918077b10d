-- Numbers that are of no company. A row would be locked until its transaction commits, and every other company would wait
-- for it; a sequence is not. Numbers of a transaction that was rolled back are not given out again.
CREATE SEQUENCE counter_record;
CREATE SEQUENCE counter_operation;
CREATE SEQUENCE counter_run;
CREATE SEQUENCE counter_mark;
CREATE SEQUENCE counter_mark_call;
CREATE SEQUENCE counter_alert;
CREATE SEQUENCE counter_alert_notice;
CREATE SEQUENCE counter_alert_delivery;
CREATE SEQUENCE counter_alert_channel;
CREATE SEQUENCE counter_span;
CREATE SEQUENCE counter_webhook;

CREATE FUNCTION counter_sequence(counter TEXT) RETURNS regclass LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN counter ~ '^[a-z_]+$' THEN to_regclass('counter_' || counter) END
$$;

-- The last of so many numbers that follow one another. Whoever takes several holds the others off for that moment alone.
CREATE FUNCTION counter_take(counter TEXT, number BIGINT) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
    numbers regclass := counter_sequence(counter);
    last BIGINT;
BEGIN
    IF numbers IS NULL THEN
        INSERT INTO counters AS c (name, value) VALUES (counter, number)
        ON CONFLICT (name) DO UPDATE SET value = c.value + excluded.value RETURNING c.value INTO last;
    ELSIF number < 1 THEN
        last := COALESCE(pg_sequence_last_value(numbers), 0);
    ELSIF number = 1 THEN
        PERFORM pg_advisory_lock_shared(1179404112, numbers::oid::int);
        last := nextval(numbers);
        PERFORM pg_advisory_unlock_shared(1179404112, numbers::oid::int);
    ELSE
        PERFORM pg_advisory_lock(1179404112, numbers::oid::int);
        last := setval(numbers, nextval(numbers) + number - 1);
        PERFORM pg_advisory_unlock(1179404112, numbers::oid::int);
    END IF;
    RETURN last;
END $$;

-- The last number that was given out; NULL when none ever was.
CREATE FUNCTION counter_last(counter TEXT) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
    numbers regclass := counter_sequence(counter);
BEGIN
    IF numbers IS NULL THEN
        RETURN (SELECT c.value FROM counters c WHERE c.name = counter);
    END IF;
    RETURN pg_sequence_last_value(numbers);
END $$;
