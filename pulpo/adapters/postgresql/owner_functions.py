"""What the database does about time and owners: bells, leases that end, the dead.

`@` stands for the schema; see `functions` for what is common to all of them.
"""

from __future__ import annotations

__all__ = ["OWNER_FUNCTIONS", "STEADY"]

# Plans that do not depend on statistics: those of an empty queue would hold for a full one. And no
# JIT, which what is forbidden so seems to be worth: it takes 70 ms.
STEADY = """LANGUAGE plpgsql SET jit = off
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off"""

_NOW = """
CREATE FUNCTION @.now_1(told float8) RETURNS float8 LANGUAGE sql VOLATILE
AS $$ SELECT coalesce(told, extract(epoch FROM clock_timestamp())::float8) $$
"""

# When a job may run, NULL for at once: after its delay, at its date, the later of the two.
_DUE = """
CREATE FUNCTION @.due_1(now float8, delay float8, at float8) RETURNS float8 LANGUAGE sql IMMUTABLE
AS $$ SELECT nullif(greatest(now + delay, at, now), now) $$
"""

# The server's run: another one after a restart, and another one on a standby that took over.
_NODE = """
CREATE FUNCTION @.node_1() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)
        || extract(epoch FROM pg_postmaster_start_time())
$$
"""

# Tell waiting owners of a queue that there are so many new jobs: as many of them and one more, as
# one may be frozen; the dead are passed over. Who does not wait is not rung: a busy queue has no
# NOTIFY at all, which would let all commits of the database wait for each other.
_RING = """
CREATE FUNCTION @.ring_1(p_queue text, p_count bigint, p_me integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_number integer;
    v_rung bigint := 0;
BEGIN
    FOR v_number IN
        SELECT number FROM @.owners
        WHERE waiting IS NOT NULL AND p_queue = ANY (waiting) AND number <> p_me AND beat IS NULL
        ORDER BY random()
    LOOP
        IF pg_try_advisory_lock(hashtext('pulpo:@'), v_number) THEN
            PERFORM pg_advisory_unlock(hashtext('pulpo:@'), v_number);
            CONTINUE;
        END IF;
        PERFORM pg_notify('pulpo:@:' || v_number, '');
        v_rung := v_rung + 1;
        EXIT WHEN v_rung > p_count;
    END LOOP;
END $$
"""

# The same for jobs of several queues, each named once for each of its jobs.
_RING_FOR = """
CREATE FUNCTION @.ring_for_1(p_queues text[], p_me integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM @.owners WHERE waiting IS NOT NULL) THEN
        PERFORM @.ring_1(queue, count(*), p_me) FROM unnest(p_queues) AS queue GROUP BY queue;
    END IF;
END $$
"""

_ENTER = """
CREATE FUNCTION @.enter_1(p_told float8, p_number integer, p_pooled boolean)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_number integer := coalesce(p_number, nextval('@.owner_numbers')::integer);
    v_beat float8 := CASE WHEN p_pooled THEN @.now_1(p_told) END;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    IF NOT p_pooled THEN
        -- Before the row: whoever finds the row must find the lock held. Shared, since the session
        -- that this one comes after may not have ended yet.
        PERFORM pg_advisory_lock_shared(hashtext('pulpo:@'), v_number);
    END IF;
    INSERT INTO @.owners AS o (number, node, beat) VALUES (v_number, @.node_1(), v_beat)
    ON CONFLICT (number) DO UPDATE
    SET node = excluded.node, beat = excluded.beat, missing = NULL, waiting = NULL;
    RETURN v_number;
END $$
"""

# Owners that live no more, apart from those of an earlier run of the server: they have until
# `missing` and ten seconds to come back.
_DEAD = """
CREATE FUNCTION @.dead_1(p_told float8, p_me integer, p_surely boolean) RETURNS SETOF integer
LANGUAGE plpgsql AS $$
DECLARE
    v_now float8 := @.now_1(p_told);
    v_node text;
    v_owner record;
BEGIN
    FOR v_owner IN SELECT number, node, missing, beat FROM @.owners WHERE number <> p_me LOOP
        IF v_owner.beat IS NOT NULL THEN
            IF v_owner.beat + 15 <= v_now THEN RETURN NEXT v_owner.number; END IF;
        ELSIF pg_try_advisory_lock(hashtext('pulpo:@'), v_owner.number) THEN
            PERFORM pg_advisory_unlock(hashtext('pulpo:@'), v_owner.number);
            v_node := coalesce(v_node, @.node_1());
            IF NOT p_surely OR v_owner.node = v_node OR v_owner.missing + 10 <= v_now THEN
                RETURN NEXT v_owner.number;
            ELSIF v_owner.missing IS NULL THEN
                UPDATE @.owners SET missing = v_now
                WHERE number = v_owner.number AND node = v_owner.node;
            END IF;
        END IF;
    END LOOP;
END $$
"""

# What time and death do to jobs: leases end, pauses end, owners die. Whoever comes by does it.
_ROLL = f"""
CREATE FUNCTION @.roll_1(p_told float8, p_me integer) RETURNS void {STEADY} AS $$
DECLARE
    v_now float8 := @.now_1(p_told);
    v_owner integer;
    v_queues text[];
BEGIN
    -- Whose lease ran out keeps the job until somebody takes it.
    UPDATE @.jobs SET state = 0, moment = NULL, crashes = crashes + 1
    WHERE number = ANY (ARRAY(
        SELECT number FROM @.jobs WHERE state = 3 AND moment <= v_now AND owner <> p_me
        ORDER BY moment LIMIT 1000 FOR UPDATE SKIP LOCKED
    ));
    DELETE FROM @.pauses WHERE until <= v_now;
    FOR v_owner IN SELECT @.dead_1(p_told, p_me, true) LOOP
        PERFORM 1 FROM @.owners WHERE number = v_owner FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        WITH back AS (
            UPDATE @.jobs
            SET state = 0, moment = NULL, owner = 0, fence = 0, crashes = crashes + 1
            WHERE number = ANY (ARRAY(
                SELECT number FROM @.jobs WHERE state = 3 AND owner = v_owner
            )) AND state = 3 AND owner = v_owner RETURNING queue
        ) SELECT array_agg(queue) INTO v_queues FROM back;
        DELETE FROM @.owners WHERE number = v_owner;
        PERFORM @.ring_for_1(v_queues, p_me);
    END LOOP;
END $$
"""

# In how many seconds something may be ready by itself; NULL if nothing will. While others hold jobs
# one may die, and nobody is rung for that: then it is a second at most.
_SOONEST = f"""
CREATE FUNCTION @.soonest_1(p_now float8, p_me integer) RETURNS float8 {STEADY} AS $$
DECLARE
    v_lease float8 := (
        SELECT moment FROM @.jobs WHERE state = 3 AND owner <> p_me ORDER BY moment LIMIT 1
    );
BEGIN
    RETURN least(
        (SELECT moment FROM @.jobs WHERE state = 1 ORDER BY moment LIMIT 1),
        CASE WHEN v_lease IS NOT NULL THEN least(v_lease, p_now + 1) END,
        (SELECT min(until) FROM @.pauses),
        (SELECT min(missing) + 10 FROM @.owners)
    ) - p_now;
END $$
"""

OWNER_FUNCTIONS = (_NOW, _DUE, _NODE, _RING, _RING_FOR, _ENTER, _DEAD, _ROLL, _SOONEST)
