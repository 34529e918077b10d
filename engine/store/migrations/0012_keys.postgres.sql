-- The journal can only grow: what 0001_initial.sqlite.sql and 0012_keys.sqlite.sql say, in PostgreSQL's words.
CREATE FUNCTION journal_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE FUNCTION journal_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM journal WHERE company = NEW.company AND seq >= NEW.seq) THEN
        RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER journal_no_change BEFORE UPDATE OR DELETE ON journal FOR EACH ROW EXECUTE FUNCTION journal_refuse();
CREATE TRIGGER journal_no_truncate BEFORE TRUNCATE ON journal FOR EACH STATEMENT EXECUTE FUNCTION journal_refuse();
CREATE TRIGGER journal_no_replace BEFORE INSERT ON journal FOR EACH ROW EXECUTE FUNCTION journal_append_only();
CREATE TRIGGER journal_heads_forward BEFORE UPDATE ON journal_heads FOR EACH ROW
WHEN (NEW.company <> OLD.company OR NEW.seq <= OLD.seq) EXECUTE FUNCTION journal_refuse();
CREATE TRIGGER journal_heads_no_delete BEFORE DELETE ON journal_heads FOR EACH ROW EXECUTE FUNCTION journal_refuse();
CREATE TRIGGER journal_heads_no_truncate BEFORE TRUNCATE ON journal_heads
FOR EACH STATEMENT EXECUTE FUNCTION journal_refuse();
