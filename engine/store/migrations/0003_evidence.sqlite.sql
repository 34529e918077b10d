-- Everything posted before this version is held too.
INSERT INTO holdings (company, target_id, record_id, kind, operation_id, seq, edit_sequence, state)
SELECT r.company, p.target_id, r.id, p.kind, p.operation_id, r.id, p.edit_sequence, 'there'
FROM records r JOIN (
    SELECT r2.id AS record_id, o.id AS operation_id, replace(o.request, 'Add', '') AS kind,
           coalesce(nullif(json_extract(r2.receipt, '$.TxnID'), ''), json_extract(r2.receipt, '$.ListID')) AS target_id,
           coalesce(json_extract(r2.receipt, '$.EditSequence'), '') AS edit_sequence
    FROM records r2 JOIN operations o ON o.id = r2.operation_id
    WHERE r2.state IN ('posted', 'closed') AND r2.receipt IS NOT NULL
) p ON p.record_id = r.id
WHERE p.target_id IS NOT NULL;
