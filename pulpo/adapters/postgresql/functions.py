"""What the database does in one round trip: putting, settling, reserving, as functions in it.

Functions, not statements: each statement of one sees what the one before has done (a job that is
released can be reserved by the same call), nothing is planned twice, and all of it works through a
pooler. `@` stands for the schema. A function has its version in its name and stays while workers of
that version may live. What every function is given first is the time: NULL means the database's
clock, a test says its own.
"""

from __future__ import annotations

from pulpo.adapters.postgresql.owner_functions import OWNER_FUNCTIONS, STEADY

__all__ = ["FUNCTIONS", "SYNCED"]

# The most urgent ready jobs, reserved. What the owner itself holds, and renewed too late, is only
# renewed by that, and not for it to run again: `mine` says so. By ctid, which spares to look each
# row up a second time; it is that of the row which has just been locked.
_TAKE = """
    UPDATE @.jobs AS j
    SET state = 3, moment = v_now + ttr, owner = p_me,
        fence = CASE WHEN owner = p_me THEN fence ELSE p_fence END,
        crashes = crashes - (owner = p_me)::integer
    WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM @.jobs WHERE {which}
        ORDER BY priority, number LIMIT p_want FOR UPDATE SKIP LOCKED
    ))
    RETURNING j.number, j.id, j.queue, j.priority, j.ttr, j.crashes, j.body, j.fence <> p_fence,
        NULL::bigint[], NULL::float8
"""
_ROWS = """
    number bigint, id text, queue text, priority bigint, ttr float8, crashes integer, body bytea,
    mine boolean, done bigint[], soonest float8
"""
# Over several queues the first ones are looked up without locks, and those that are still free are
# taken: to lock the first ones of each would keep jobs from others for nothing. The state is put so
# that the index of ready jobs cannot answer it: where statistics are those of an empty table, to
# read all of it seems to be as good as to look up the numbers.
_CLAIM = f"""
CREATE FUNCTION @.claim_1(
    v_now float8, p_me integer, p_fence bigint, p_queues text[], p_want integer
) RETURNS TABLE ({_ROWS}) {STEADY} AS $$
#variable_conflict use_column
DECLARE
    v_first bigint[];
    v_most integer := 2 * p_want + 8;
BEGIN
    LOOP
        v_first := ARRAY(
            SELECT each.number FROM unnest(p_queues) AS wanted CROSS JOIN LATERAL (
                SELECT number, priority FROM @.jobs WHERE state = 0 AND queue = wanted
                ORDER BY priority, number LIMIT v_most
            ) AS each ORDER BY each.priority, each.number LIMIT v_most
        );
        RETURN QUERY {_TAKE.format(which="number = ANY (v_first) AND state + 0 = 0")};
        EXIT WHEN FOUND OR cardinality(v_first) < v_most;
        v_most := 4 * v_most;
    END LOOP;
END $$
"""

# Settle by plain deletes, see to what time has done, reserve; and where nothing was ready, leave
# word that the owner waits, or take it back (p_word: there is one). The last row is no job: which
# deletes were done, and in how many seconds something may be ready. None of it is synced one by
# one: a power cut repeats runs.
_TRADE = f"""
CREATE FUNCTION @.trade_1(
    p_told float8, p_me integer, p_fence bigint, p_gone bigint[], p_fences bigint[],
    p_queues text[], p_want integer, p_waits boolean, p_word boolean, p_rolls boolean,
    p_pooled boolean
) RETURNS TABLE ({_ROWS}) {STEADY} AS $$
#variable_conflict use_column
DECLARE
    v_now float8 := @.now_1(p_told);
    v_served text[] := p_queues;
    v_found boolean := false;
    v_done bigint[];
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    IF p_pooled THEN
        INSERT INTO @.owners AS o (number, node, beat) VALUES (p_me, @.node_1(), v_now)
        ON CONFLICT (number) DO UPDATE SET beat = v_now WHERE o.beat + 2 <= v_now;
    END IF;
    IF cardinality(p_gone) > 0 THEN
        WITH gone AS (
            DELETE FROM @.jobs AS j USING unnest(p_gone, p_fences) AS g (number, fence)
            WHERE j.number = g.number AND j.fence = g.fence AND j.owner = p_me RETURNING j.number
        ) SELECT array_agg(gone.number) INTO v_done FROM gone;
    END IF;
    IF p_rolls THEN
        PERFORM @.roll_1(p_told, p_me);
    END IF;
    IF p_want > 0 THEN
        IF EXISTS (SELECT 1 FROM @.jobs WHERE state = 1 AND moment <= v_now) THEN
            UPDATE @.jobs SET state = 0, moment = NULL WHERE number = ANY (ARRAY(
                SELECT number FROM @.jobs WHERE state = 1 AND moment <= v_now
                ORDER BY moment LIMIT 1000 FOR UPDATE SKIP LOCKED
            ));
        END IF;
        IF EXISTS (SELECT 1 FROM @.pauses) THEN
            v_served := ARRAY(SELECT q FROM unnest(p_queues) AS q WHERE NOT EXISTS (
                SELECT 1 FROM @.pauses AS p
                WHERE p.queue = q AND (p.until IS NULL OR p.until > v_now)
            ));
        END IF;
        IF cardinality(v_served) = 1 THEN
            RETURN QUERY {_TAKE.format(which="queue = v_served[1] AND state = 0")};
        ELSE
            RETURN QUERY SELECT * FROM @.claim_1(v_now, p_me, p_fence, v_served, p_want);
        END IF;
        v_found := FOUND;
    END IF;
    IF p_waits AND NOT v_found THEN
        UPDATE @.owners SET waiting = p_queues
        WHERE number = p_me AND waiting IS DISTINCT FROM p_queues;
        soonest := @.soonest_1(v_now, p_me);
    ELSIF p_word THEN
        UPDATE @.owners SET waiting = NULL WHERE number = p_me AND waiting IS NOT NULL;
    END IF;
    done := v_done;
    RETURN NEXT;
END $$
"""

# Settlements that are more than a delete, one after the other. p_verbs: 1 delete, 2 release,
# 3 replace, 4 bury, 5 only look whether the lease is held. p_doubts: it may be done already. The
# jobs that follow belong to a settlement by its place. Answers true or false for each, in order.
_SETTLE = f"""
CREATE FUNCTION @.settle_1(
    p_told float8, p_me integer, p_verbs integer[], p_ids text[], p_numbers bigint[],
    p_fences bigint[], p_doubts boolean[], p_types text[], p_queues text[],
    p_priorities bigint[], p_delays float8[], p_ats float8[], p_ttrs float8[],
    p_expires float8[], p_bodies bytea[],
    p_after integer[], p_then_ids text[], p_then_types text[], p_then_queues text[],
    p_then_priorities bigint[], p_then_delays float8[], p_then_ats float8[], p_then_ttrs float8[],
    p_then_expires float8[], p_then_bodies bytea[]
) RETURNS boolean[] {STEADY} AS $$
DECLARE
    v_now float8 := @.now_1(p_told);
    v_answers boolean[] := '{{}}';
    v_ready text[] := '{{}}';
    v_queue text;
    v_due float8;
    v_found boolean;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    FOR i IN 1 .. cardinality(p_verbs) LOOP
        v_due := @.due_1(v_now, p_delays[i], p_ats[i]);
        v_queue := p_queues[i];
        IF p_verbs[i] = 1 THEN
            DELETE FROM @.jobs
            WHERE number = p_numbers[i] AND fence = p_fences[i] AND owner = p_me;
        ELSIF p_verbs[i] = 2 THEN
            -- A ready job that still has its owner is one whose lease ran out: a crash was counted,
            -- and a word of that owner takes it off again.
            UPDATE @.jobs
            SET crashes = crashes - (state = 0)::integer, state = 0, moment = NULL, owner = 0
            WHERE number = p_numbers[i] AND fence = p_fences[i] AND owner = p_me
            RETURNING queue INTO v_queue;
        ELSIF p_verbs[i] IN (3, 4) THEN
            UPDATE @.jobs
            SET number = nextval('@.jobs_number_seq'), type = p_types[i], queue = p_queues[i],
                priority = p_priorities[i],
                state = CASE WHEN p_verbs[i] = 4 THEN 4 WHEN v_due IS NULL THEN 0 ELSE 1 END,
                moment = CASE WHEN p_verbs[i] = 4 THEN v_now ELSE v_due END,
                owner = 0, crashes = 0, ttr = p_ttrs[i], expires = p_expires[i],
                body = coalesce(p_bodies[i], body)
            WHERE number = p_numbers[i] AND fence = p_fences[i] AND owner = p_me;
        ELSE
            PERFORM 1 FROM @.jobs
            WHERE number = p_numbers[i] AND fence = p_fences[i] AND owner = p_me;
        END IF;
        v_found := FOUND;
        IF v_found AND p_verbs[i] <> 5 THEN
            IF p_verbs[i] IN (2, 3) AND coalesce(v_due, 0) < v_now + 5 THEN
                v_ready := v_ready || v_queue;
            END IF;
            IF i = ANY (p_after) THEN
                INSERT INTO @.jobs
                    (id, type, queue, priority, state, moment, ttr, expires, body)
                SELECT id, type, queue, priority, (due IS NOT NULL)::integer, due, ttr, expires,
                    body
                FROM unnest(
                    p_after, p_then_ids, p_then_types, p_then_queues, p_then_priorities,
                    p_then_delays, p_then_ats, p_then_ttrs, p_then_expires, p_then_bodies
                ) WITH ORDINALITY AS follows (
                    after, id, type, queue, priority, delay, at, ttr, expires, body, place
                ), LATERAL @.due_1(v_now, delay, at) AS due
                WHERE after = i ORDER BY place ON CONFLICT (id) DO NOTHING;
                v_ready := v_ready || ARRAY(
                    SELECT queue FROM unnest(p_after, p_then_queues) AS follows (after, queue)
                    WHERE after = i
                );
            END IF;
        ELSIF NOT v_found AND p_doubts[i] THEN
            -- Done by the call whose answer was lost: the row is gone, or no more ours by our word.
            v_found := CASE p_verbs[i]
                WHEN 1 THEN NOT EXISTS (SELECT 1 FROM @.jobs WHERE number = p_numbers[i])
                ELSE EXISTS (
                    SELECT 1 FROM @.jobs
                    WHERE id = p_ids[i] AND fence = p_fences[i] AND owner = 0
                ) END;
        END IF;
        v_answers := v_answers || v_found;
    END LOOP;
    PERFORM @.ring_for_1(v_ready, p_me);
    RETURN v_answers;
END $$
"""

_TOUCH = f"""
CREATE FUNCTION @.touch_1(p_told float8, p_me integer, p_numbers bigint[], p_fences bigint[])
RETURNS TABLE (number bigint, fence bigint) {STEADY} AS $$
#variable_conflict use_column
DECLARE
    v_now float8 := @.now_1(p_told);
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN QUERY UPDATE @.jobs AS j
    SET crashes = j.crashes - (j.state = 0)::integer, state = 3, moment = v_now + j.ttr
    FROM (SELECT DISTINCT * FROM unnest(p_numbers, p_fences) AS u (number, fence)) AS t
    WHERE j.number = t.number AND j.fence = t.fence AND j.owner = p_me
    RETURNING j.number, j.fence;
END $$
"""

# A run that ends with its process: the crash that will be counted for it is taken off before.
_LEAVE = f"""
CREATE FUNCTION @.leave_1(p_me integer, p_numbers bigint[], p_fences bigint[])
RETURNS void {STEADY} AS $$
BEGIN
    UPDATE @.jobs AS j SET crashes = j.crashes - 1
    FROM unnest(p_numbers, p_fences) AS t (number, fence)
    WHERE j.number = t.number AND j.fence = t.fence AND j.owner = p_me;
END $$
"""

# Give back what is held, no crash counted: what some reservations have brought, or everything, and
# then the owner is none any more.
_GIVE_BACK = f"""
CREATE FUNCTION @.give_back_1(p_me integer, p_reservations bigint[]) RETURNS void {STEADY} AS $$
DECLARE
    v_queues text[];
BEGIN
    WITH back AS (
        UPDATE @.jobs SET state = 0, moment = NULL, owner = 0, fence = 0
        WHERE number = ANY (ARRAY(
            SELECT number FROM @.jobs WHERE state = 3 AND owner = p_me
                AND (p_reservations IS NULL OR fence = ANY (p_reservations))
        )) AND state = 3 AND owner = p_me RETURNING queue
    ) SELECT array_agg(queue) INTO v_queues FROM back;
    IF p_reservations IS NULL THEN
        DELETE FROM @.owners WHERE number = p_me;
    END IF;
    PERFORM @.ring_for_1(v_queues, p_me);
END $$
"""

#: Synced, whatever the server's default is; the default may well ask for more, as a standby's word.
SYNCED = """
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
"""
# What a put has to do beside its one row, where there is something to do; 0 is the owner of a job
# that nobody has. Rung are those who waited before the put began.
_READY = f"""
CREATE FUNCTION @.ready_1(p_queue text) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    {SYNCED}
    PERFORM @.ring_1(p_queue, 1, 0);
    RETURN 0;
END $$
"""
# Many at once; what is there under its id already is passed over.
_INSERT = """INSERT INTO @.jobs (id, type, queue, priority, state, moment, ttr, expires, body)
    SELECT id, type, queue, priority, (due IS NOT NULL)::integer, due, ttr, expires, body
    FROM unnest(
        p_ids, p_types, p_queues, p_priorities, p_delays, p_ats, p_ttrs, p_expires, p_bodies
    ) WITH ORDINALITY AS new (id, type, queue, priority, delay, at, ttr, expires, body, place),
    LATERAL @.due_1(v_now, delay, at) AS due
    ORDER BY place ON CONFLICT (id) DO NOTHING;"""

_PUT = f"""
CREATE FUNCTION @.put_1(
    p_told float8, p_ids text[], p_types text[], p_queues text[], p_priorities bigint[],
    p_delays float8[], p_ats float8[], p_ttrs float8[], p_expires float8[], p_bodies bytea[]
) RETURNS void {STEADY} AS $$
DECLARE
    v_now float8 := @.now_1(p_told);
BEGIN
    {SYNCED}
    {_INSERT}
    PERFORM @.ring_for_1(p_queues, 0);
END $$
"""

# In a transaction of the user's own: its settings are left as they are, and only its commit can
# ring, when others may wait than now. So all are rung, once for each queue.
_PUT_WITHIN = f"""
CREATE FUNCTION @.put_within_1(
    p_told float8, p_ids text[], p_types text[], p_queues text[], p_priorities bigint[],
    p_delays float8[], p_ats float8[], p_ttrs float8[], p_expires float8[], p_bodies bytea[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_now float8 := @.now_1(p_told);
BEGIN
    {_INSERT}
    PERFORM pg_notify('pulpo:@', queue) FROM unnest(p_queues) AS queue GROUP BY queue;
END $$
"""

FUNCTIONS = (
    *OWNER_FUNCTIONS,
    _CLAIM,
    _TRADE,
    _SETTLE,
    _TOUCH,
    _LEAVE,
    _GIVE_BACK,
    _READY,
    _PUT,
    _PUT_WITHIN,
)
