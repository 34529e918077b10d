-- INSERT OR REPLACE takes a line's place without asking the trigger against deletes: no line goes in before the last one.
CREATE TRIGGER journal_no_replace BEFORE INSERT ON journal
WHEN EXISTS (SELECT 1 FROM journal WHERE company = NEW.company AND seq >= NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- The head only moves on.
CREATE TRIGGER journal_heads_forward BEFORE UPDATE ON journal_heads
WHEN NEW.company <> OLD.company OR NEW.seq <= OLD.seq
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_heads_no_delete BEFORE DELETE ON journal_heads
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_heads_no_replace BEFORE INSERT ON journal_heads
WHEN EXISTS (SELECT 1 FROM journal_heads WHERE company = NEW.company AND seq >= NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
