-- Of records that wait already: the first mapping that a reason of theirs names, and its last name for people.
WITH named AS (
    SELECT r.id AS record_id, r.flow AS flow, reason.key AS reason_no, w.key AS wait_no, w.value AS wait_key
    FROM records r, json_each(r.reasons) reason, json_each(json_extract(reason.value, '$.waits_for')) w
    WHERE r.state = 'deferred' AND json_extract(reason.value, '$.code') IN ('unmapped', 'ambiguous')
      AND w.value LIKE 'mapping:%:%'
),
ends AS (
    SELECT record_id, flow, reason_no, MIN(wait_no) AS first_no, MAX(wait_no) AS last_no FROM named
    GROUP BY record_id, flow, reason_no
)
UPDATE waits SET flow = f.flow, label = f.label
FROM (
    SELECT e.record_id, e.flow, n.wait_key AS wait_key,
           substr(l.wait_key, 9 + instr(substr(l.wait_key, 9), ':')) AS label
    FROM ends e
    JOIN named n ON n.record_id = e.record_id AND n.reason_no = e.reason_no AND n.wait_no = e.first_no
    JOIN named l ON l.record_id = e.record_id AND l.reason_no = e.reason_no AND l.wait_no = e.last_no
) AS f
WHERE waits.record_id = f.record_id AND waits.wait_key = f.wait_key;
