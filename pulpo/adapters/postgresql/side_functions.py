"""What the database does with facts beside the queue; `@` stands for the schema.

A batch is one transaction. It locks its keys first, in one order: so each fact is changed by one at
a time, one that is not there yet too, and no two batches wait for each other in a circle.
"""

from __future__ import annotations

__all__ = ["SIDE_FUNCTIONS"]

# Every change comes by here, and is synced, whatever the server's default is.
_LOCK = """
CREATE FUNCTION @.side_lock_1(p_spaces text[], p_keys text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    PERFORM pg_advisory_xact_lock(place) FROM (
        SELECT DISTINCT hashtextextended(space || '/' || key, hashtext('pulpo:@')) AS place
        FROM unnest(p_spaces, p_keys) AS named (space, key) ORDER BY place
    ) AS places;
END $$
"""

# Some of what has ended, now and then: whoever writes does it.
_SWEEP = """
CREATE FUNCTION @.side_sweep_1(p_now float8) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM @.side WHERE (space, key) IN (
        SELECT space, key FROM @.side WHERE ends <= p_now
        ORDER BY ends LIMIT 500 FOR UPDATE SKIP LOCKED
    );
END $$
"""

# p_expected: NULL whatever is there, 0 nothing, else this version. For each write whether it was
# done, and the fact that is there afterwards.
_WRITE = """
CREATE FUNCTION @.side_write_1(
    p_told float8, p_sweeps boolean, p_spaces text[], p_keys text[], p_values bytea[],
    p_lasts float8[], p_expected bigint[]
) RETURNS TABLE (
    done boolean, space text, key text, version bigint, value bytea, amounts text, remaining float8
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_now float8 := @.now_1(p_told);
    v_fact @.side;
    v_is_there boolean;
BEGIN
    PERFORM @.side_lock_1(p_spaces, p_keys);
    IF p_sweeps THEN
        PERFORM @.side_sweep_1(v_now);
    END IF;
    FOR i IN 1 .. cardinality(p_keys) LOOP
        SELECT * INTO v_fact FROM @.side AS s
        WHERE s.space = p_spaces[i] AND s.key = p_keys[i] AND (s.ends IS NULL OR s.ends > v_now);
        v_is_there := FOUND;
        done := p_expected[i] IS NULL
            OR p_expected[i] = CASE WHEN v_is_there THEN v_fact.version ELSE 0 END;
        IF done THEN
            INSERT INTO @.side AS s (space, key, value, ends)
            VALUES (p_spaces[i], p_keys[i], p_values[i], v_now + p_lasts[i])
            ON CONFLICT (space, key) DO UPDATE
            SET version = nextval('@.side_versions'), value = excluded.value, amounts = NULL,
                ends = excluded.ends
            RETURNING s.* INTO v_fact;
        END IF;
        space := p_spaces[i];
        key := p_keys[i];
        version := CASE WHEN done OR v_is_there THEN v_fact.version END;
        value := v_fact.value;
        amounts := v_fact.amounts::text;
        remaining := v_fact.ends - v_now;
        RETURN NEXT;
    END LOOP;
END $$
"""

_ADD = """
CREATE FUNCTION @.side_add_1(
    p_told float8, p_sweeps boolean, p_spaces text[], p_keys text[], p_amounts text[],
    p_lasts float8[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_now float8 := @.now_1(p_told);
BEGIN
    PERFORM @.side_lock_1(p_spaces, p_keys);
    IF p_sweeps THEN
        PERFORM @.side_sweep_1(v_now);
    END IF;
    FOR i IN 1 .. cardinality(p_keys) LOOP
        INSERT INTO @.side AS s (space, key, amounts, ends)
        VALUES (p_spaces[i], p_keys[i], p_amounts[i]::jsonb, v_now + p_lasts[i])
        ON CONFLICT (space, key) DO UPDATE
        SET version = nextval('@.side_versions'), value = NULL, ends = excluded.ends,
            amounts = CASE
                WHEN s.amounts IS NULL OR s.ends <= v_now THEN excluded.amounts
                ELSE (
                    SELECT coalesce(jsonb_object_agg(name, total), '{}') FROM (
                        SELECT name, sum(amount::numeric) AS total FROM (
                            SELECT * FROM jsonb_each_text(s.amounts)
                            UNION ALL SELECT * FROM jsonb_each_text(excluded.amounts)
                        ) AS both_of_them (name, amount) GROUP BY name
                    ) AS totals
                ) END;
    END LOOP;
END $$
"""

_REMOVE = """
CREATE FUNCTION @.side_remove_1(
    p_told float8, p_spaces text[], p_keys text[], p_expected bigint[]
) RETURNS boolean[] LANGUAGE plpgsql AS $$
DECLARE
    v_now float8 := @.now_1(p_told);
    v_done boolean[] := '{}';
BEGIN
    PERFORM @.side_lock_1(p_spaces, p_keys);
    FOR i IN 1 .. cardinality(p_keys) LOOP
        DELETE FROM @.side AS s
        WHERE s.space = p_spaces[i] AND s.key = p_keys[i] AND (s.ends IS NULL OR s.ends > v_now)
            AND (p_expected[i] IS NULL OR s.version = p_expected[i]);
        v_done := v_done || FOUND;
    END LOOP;
    RETURN v_done;
END $$
"""

SIDE_FUNCTIONS = (_LOCK, _SWEEP, _WRITE, _ADD, _REMOVE)
