"""What the database does for an operator in one round trip; `@` stands for the schema.

Synced, unless the caller says that it need not be. A job whose lease has ended, or whose owner is
dead, is not being run, whether or not somebody has written that down. One that was buried comes
back only where nobody else holds its key by now.
"""

from __future__ import annotations

from pulpo.adapters.postgresql.owner_functions import STEADY

__all__ = ["ADMIN_FUNCTIONS"]

# Make a job ready that is buried or delayed; its queue, NULL where there is none, or where it may
# not. The index has the last word: somebody may take the key at this moment.
_KICK = f"""
CREATE FUNCTION @.kick_1(p_now float8, p_id text, p_number bigint) RETURNS text {STEADY} AS $$
DECLARE
    v_job record;
BEGIN
    SELECT guard, holds, state, queue INTO v_job FROM @.jobs
    WHERE id = p_id AND (p_number IS NULL OR number = p_number)
        AND (state = 4 OR state = 1 AND moment > p_now) FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF v_job.state = 1 OR v_job.holds IS DISTINCT FROM 1 THEN
        -- One that was to hold its key until its first run was buried by that, or by hand.
        UPDATE @.jobs
        SET state = 0, moment = NULL, holds = CASE WHEN state = 1 THEN holds END WHERE id = p_id;
        RETURN v_job.queue;
    END IF;
    IF EXISTS (SELECT 1 FROM @.holder_1(p_now, v_job.guard)) THEN
        RETURN NULL;
    END IF;
    UPDATE @.jobs SET holds = NULL
    WHERE guard = v_job.guard AND holds = 2 AND state <> 4 AND (fence <> 0 OR crashes <> 0);
    UPDATE @.jobs SET state = 0, moment = NULL WHERE id = p_id;
    RETURN v_job.queue;
EXCEPTION WHEN unique_violation THEN
    RETURN NULL;
END $$
"""

# p_acts: 1 kick, 2 delete, 3 replace (what is buried stays buried), 4 bury. A job is named by its
# id, and by its number too where it was seen. Answers true or false for each, in order.
_CHANGE = """
CREATE FUNCTION @.change_1(
    p_told float8, p_is_synced boolean, p_acts integer[], p_named text[], p_numbers bigint[],
    p_ids text[], p_types text[], p_queues text[], p_priorities bigint[], p_delays float8[],
    p_ats float8[], p_ttrs float8[], p_expires float8[], p_bodies bytea[]
) RETURNS boolean[] LANGUAGE plpgsql SET jit = off
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    v_now float8 := @.now_1(p_told);
    v_dead integer[] := ARRAY(SELECT @.dead_1(p_told, 0, false));
    v_answers boolean[] := '{}';
    v_ready text[] := '{}';
    v_queue text;
    v_due float8;
    v_found boolean;
BEGIN
    IF NOT p_is_synced THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    ELSIF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    FOR i IN 1 .. cardinality(p_acts) LOOP
        v_queue := NULL;
        IF p_acts[i] = 1 THEN
            v_queue := @.kick_1(v_now, p_named[i], p_numbers[i]);
            v_found := v_queue IS NOT NULL;
        ELSIF p_acts[i] = 2 THEN
            DELETE FROM @.jobs
            WHERE id = p_named[i] AND (p_numbers[i] IS NULL OR number = p_numbers[i])
                AND (state <> 3 OR moment <= v_now OR owner = ANY (v_dead));
            v_found := FOUND;
        ELSE
            v_due := @.due_1(v_now, p_delays[i], p_ats[i]);
            UPDATE @.jobs
            SET type = p_types[i], queue = p_queues[i], priority = p_priorities[i],
                state = CASE WHEN p_acts[i] = 4 OR state = 4 THEN 4
                    WHEN v_due IS NULL THEN 0 ELSE 1 END,
                moment = CASE WHEN p_acts[i] = 4 OR state = 4 THEN v_now ELSE v_due END,
                owner = 0, fence = 0, crashes = 0, ttr = p_ttrs[i], expires = p_expires[i],
                body = p_bodies[i],
                holds = CASE WHEN holds = 2 AND (fence <> 0 OR crashes <> 0) THEN NULL
                    ELSE holds END
            WHERE id = p_named[i] AND (p_numbers[i] IS NULL OR number = p_numbers[i])
                AND (state <> 3 OR moment <= v_now OR owner = ANY (v_dead));
            v_found := FOUND;
            IF v_found AND p_acts[i] = 3 THEN
                v_queue := p_queues[i];
            END IF;
        END IF;
        IF v_queue IS NOT NULL THEN
            v_ready := v_ready || v_queue;
        END IF;
        v_answers := v_answers || v_found;
    END LOOP;
    PERFORM @.ring_for_1(v_ready, 0);
    RETURN v_answers;
END $$
"""

_KICK_ALL = """
CREATE FUNCTION @.kick_all_1(p_told float8, p_queue text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_now float8 := @.now_1(p_told);
    v_id text;
    v_count bigint;
BEGIN
    UPDATE @.jobs SET state = 0, moment = NULL
    WHERE state = 4 AND queue = p_queue AND holds IS NULL;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    FOR v_id IN
        SELECT id FROM @.jobs WHERE state = 4 AND queue = p_queue AND holds IS NOT NULL
        ORDER BY moment, number
    LOOP
        IF @.kick_1(v_now, v_id, NULL) IS NOT NULL THEN
            v_count := v_count + 1;
        END IF;
    END LOOP;
    PERFORM @.ring_1(p_queue, v_count, 0);
    RETURN v_count;
END $$
"""

_PAUSE = """
CREATE FUNCTION @.pause_1(p_told float8, p_queue text, p_seconds float8) RETURNS void
LANGUAGE sql VOLATILE AS $$
    INSERT INTO @.pauses (queue, until) VALUES (p_queue, @.now_1(p_told) + p_seconds)
    ON CONFLICT (queue) DO UPDATE SET until = excluded.until
$$
"""

_RESUME = """
CREATE FUNCTION @.resume_1(p_queue text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM @.pauses WHERE queue = p_queue;
    IF FOUND THEN
        PERFORM @.ring_1(p_queue, 1000, 0);
    END IF;
END $$
"""

ADMIN_FUNCTIONS = (_KICK, _CHANGE, _KICK_ALL, _PAUSE, _RESUME)
