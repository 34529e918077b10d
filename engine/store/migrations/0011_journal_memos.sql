-- Journal entries are now known by the memos of their lines too: those that were seen before are looked at once more.
DELETE FROM facts WHERE name = 'scan:JournalEntry';
