"""What the database does about keys that jobs hold; `@` stands for the schema.

What is held until a job is done or has started stands in its row, and goes with it; what is held
for a time is a fact beside the queue. Nobody who puts plain jobs comes here, and no worker.
"""

from __future__ import annotations

from pulpo.adapters.postgresql.functions import SYNCED
from pulpo.adapters.postgresql.owner_functions import STEADY

__all__ = ["GUARD_COLUMNS", "GUARD_FUNCTIONS", "GUARD_INDEX"]

# guard: the key that a job holds until it is done or has started. holds: which of the two, 1 or 2;
# NULL: it holds the key no more, and comes by it no more.
GUARD_COLUMNS = 'ALTER TABLE @.jobs ADD COLUMN guard text COLLATE "C", ADD COLUMN holds smallint'
# A buried job is not in it, whoever buries it: so its key is free. One that was cut short is made
# anew.
GUARD_INDEX = (
    "DROP INDEX CONCURRENTLY IF EXISTS @.jobs_guard",
    """
CREATE UNIQUE INDEX CONCURRENTLY jobs_guard ON @.jobs (guard)
WHERE holds IS NOT NULL AND state <> 4
""",
)

# Who holds a key, and in which state it is, NULL where it is in the queue no more. That a job has
# started is read off its reservation, or off the crash of the one that reserved it.
_HOLDER = f"""
CREATE FUNCTION @.holder_1(p_now float8, p_key text)
RETURNS TABLE (id text, queue text, state smallint) {STEADY} AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT id, queue, state FROM @.jobs
    WHERE guard = p_key AND holds IS NOT NULL AND state <> 4
        AND (holds = 1 OR fence = 0 AND crashes = 0);
    IF NOT FOUND THEN
        RETURN QUERY SELECT named.id, coalesce(j.queue, named.queue), j.state FROM (
            SELECT split_part(told, ' ', 1) AS id, split_part(told, ' ', 2) AS queue
            FROM @.side, convert_from(value, 'UTF8') AS told
            WHERE space = 'guards' AND key = p_key AND (ends IS NULL OR ends > p_now)
        ) AS named LEFT JOIN @.jobs AS j ON j.id = named.id AND j.state <> 4;
    END IF;
END $$
"""

# Take jobs whose keys are free; the guards of each follow one another in the arrays behind, p_of
# says whose they are. p_holds: 0 for a time. One row for each job that was not taken: its place,
# the holder of its key, and the guard that it met if the holder waits and is to become another one:
# then that is to be done first, and what comes behind it was not looked at.
#
# The keys are locked first, in one order: so no two batches wait for each other in a circle. What
# is exact without that is the index: an operator's kick takes no lock, and may come in between.
_ACCEPT = f"""
CREATE FUNCTION @.accept_1(
    p_told float8, p_is_within boolean, p_ids text[], p_types text[], p_queues text[],
    p_priorities bigint[], p_delays float8[], p_ats float8[], p_ttrs float8[],
    p_expires float8[], p_bodies bytea[], p_of integer[], p_keys text[], p_holds integer[],
    p_lasts float8[], p_becomes boolean[]
) RETURNS TABLE (place integer, holder text, its_queue text, met integer) {STEADY} AS $$
#variable_conflict use_column
DECLARE
    v_now float8;
    v_due float8;
    v_next integer := 1;
    v_first integer;
    v_kept integer;
    v_state smallint;
    v_ready text[] := '{{}}';
BEGIN
    IF NOT p_is_within THEN
        {SYNCED}
    END IF;
    PERFORM @.side_lock_1(array_fill('guards'::text, ARRAY[cardinality(p_keys)]), p_keys);
    v_now := @.now_1(p_told);
    FOR i IN 1 .. cardinality(p_ids) LOOP
        v_first := v_next;
        v_kept := NULL;
        holder := NULL;
        met := NULL;
        WHILE p_of[v_next] = i LOOP
            IF holder IS NULL THEN
                SELECT h.id, h.queue, h.state INTO holder, its_queue, v_state
                FROM @.holder_1(v_now, p_keys[v_next]) AS h;
                met := CASE WHEN p_becomes[v_next] AND v_state IN (0, 1) THEN v_next END;
            END IF;
            IF p_holds[v_next] > 0 THEN
                v_kept := v_next;
            END IF;
            v_next := v_next + 1;
        END LOOP;
        IF holder IS NULL THEN
            IF v_kept IS NOT NULL THEN
                -- Whoever has started holds it no more.
                UPDATE @.jobs SET holds = NULL
                WHERE guard = p_keys[v_kept] AND holds = 2 AND state <> 4
                    AND (fence <> 0 OR crashes <> 0);
            END IF;
            v_due := @.due_1(v_now, p_delays[i], p_ats[i]);
            INSERT INTO @.jobs
                (id, type, queue, priority, state, moment, ttr, expires, body, guard, holds)
            VALUES (p_ids[i], p_types[i], p_queues[i], p_priorities[i],
                (v_due IS NOT NULL)::integer, v_due, p_ttrs[i], p_expires[i], p_bodies[i],
                p_keys[v_kept], p_holds[v_kept])
            ON CONFLICT DO NOTHING;
            IF NOT FOUND AND v_next > v_first THEN
                -- It is there under its own id, or somebody has taken the key at this moment.
                SELECT j.id, j.queue INTO holder, its_queue FROM @.jobs AS j WHERE id = p_ids[i];
                IF NOT FOUND THEN
                    SELECT h.id, h.queue INTO holder, its_queue
                    FROM @.holder_1(v_now, p_keys[v_kept]) AS h;
                END IF;
            END IF;
        END IF;
        IF holder IS NULL THEN
            INSERT INTO @.side AS s (space, key, value, ends)
            SELECT 'guards', p_keys[g], convert_to(p_ids[i] || ' ' || p_queues[i], 'UTF8'),
                v_now + p_lasts[g]
            FROM generate_series(v_first, v_next - 1) AS g WHERE p_holds[g] = 0
            ON CONFLICT (space, key) DO UPDATE
            SET version = nextval('@.side_versions'), value = excluded.value, amounts = NULL,
                ends = excluded.ends;
            v_ready := v_ready || p_queues[i];
        ELSE
            place := i;
            RETURN NEXT;
            EXIT WHEN met IS NOT NULL;
        END IF;
    END LOOP;
    IF p_is_within THEN
        PERFORM pg_notify('pulpo:@', queue) FROM unnest(v_ready) AS queue GROUP BY queue;
    ELSE
        PERFORM @.ring_for_1(v_ready, 0);
    END IF;
END $$
"""

# Let a job that waits become another one, under its own id. The caller has locked its row.
_BECOME = f"""
CREATE FUNCTION @.become_1(
    p_told float8, p_is_within boolean, p_id text, p_type text, p_queue text, p_priority bigint,
    p_delay float8, p_at float8, p_ttr float8, p_expires float8, p_body bytea
) RETURNS void {STEADY} AS $$
DECLARE
    v_now float8 := @.now_1(p_told);
    v_due float8 := @.due_1(v_now, p_delay, p_at);
BEGIN
    UPDATE @.jobs
    SET type = p_type, queue = p_queue, priority = p_priority, state = (v_due IS NOT NULL)::integer,
        moment = v_due, owner = 0, fence = 0, crashes = 0, ttr = p_ttr, expires = p_expires,
        body = p_body,
        holds = CASE WHEN holds = 2 AND (fence <> 0 OR crashes <> 0) THEN NULL ELSE holds END
    WHERE id = p_id AND state IN (0, 1);
    IF p_is_within THEN
        PERFORM pg_notify('pulpo:@', p_queue);
    ELSE
        PERFORM @.ring_for_1(ARRAY[p_queue], 0);
    END IF;
END $$
"""

GUARD_FUNCTIONS = (_HOLDER, _ACCEPT, _BECOME)
