"""Every call of a worker and a producer, named by its verb; `@` stands for the schema.

Each is one statement and one round trip. All casts are written down, since a parameter that is text
has no type of its own (see `rows.array`).
"""

from __future__ import annotations

__all__ = ["Statements"]

_NEW = """%s::text[], %s::text[], %s::text[], %s::bigint[], %s::float8[], %s::float8[],
%s::float8[], %s::float8[], %s::bytea[]"""

_ENTER = "SELECT @.enter_1(%s::float8, %s::integer, %s::boolean)"
_LISTEN = 'LISTEN "pulpo:@:{number}"; LISTEN "pulpo:@"'
_TRADE = """
SELECT * FROM @.trade_1(
    %s::float8, %s::integer, %s::bigint, %s::bigint[], %s::bigint[], %s::text[], %s::integer,
    %s::boolean, %s::boolean, %s::boolean, %s::boolean
)
"""
_SETTLE = f"""
SELECT @.settle_1(
    %s::float8, %s::integer, %s::integer[], %s::text[], %s::bigint[], %s::bigint[],
    %s::boolean[], %s::text[], %s::text[], %s::bigint[], %s::float8[], %s::float8[],
    %s::float8[], %s::float8[], %s::bytea[], %s::integer[], {_NEW}
)
"""
_TOUCH = "SELECT * FROM @.touch_1(%s::float8, %s::integer, %s::bigint[], %s::bigint[])"
_LEAVE = "SELECT @.leave_1(%s::integer, %s::bigint[], %s::bigint[])"
_GIVE_BACK = "SELECT @.give_back_1(%s::integer, %s::bigint[])"
_RING = "SELECT @.ring_for_1(%s::text[], %s::integer)"
# One that is ready at once, without a function and without an answer, which cost a third more. Its
# owner is nobody; what else there may be to do does a function, where there is something.
_PUT_READY = """
INSERT INTO @.jobs (id, type, queue, priority, ttr, expires, body, owner)
SELECT id, type, queue, priority, ttr, expires, body, CASE
    WHEN current_setting('synchronous_commit') = 'off' OR EXISTS (
        SELECT 1 FROM @.owners WHERE waiting IS NOT NULL AND new.queue = ANY (waiting)
    ) THEN @.ready_1(queue) ELSE 0 END
FROM (VALUES (
    $1::text, $2::text, $3::text, $4::bigint, $5::float8, $6::float8, $7::bytea
)) AS new (id, type, queue, priority, ttr, expires, body)
ON CONFLICT (id) DO NOTHING
"""
# After a COPY, which is committed as the server does by default. Where that does not wait for the
# disk, this commit does: it writes into the log, and takes all before it to the disk.
_COPIED = """
SELECT @.ring_for_1(%s::text[], 0), CASE
    WHEN current_setting('synchronous_commit') = 'off'
    THEN set_config('synchronous_commit', 'on', true)
        || pg_logical_emit_message(true, 'pulpo', '')
    END
"""
_PUT = f"SELECT @.put_1(%s::float8, {_NEW})"
_COPY = "COPY @.jobs (id, type, queue, priority, ttr, expires, body) FROM STDIN (FORMAT BINARY)"
_FOUND = "SELECT id FROM @.jobs WHERE id = ANY (%s::text[])"


class Statements:
    """The calls of one schema, as text."""

    def __init__(self, schema: str) -> None:
        def of(text: str) -> str:
            return text.replace("@", schema)

        self.schema = schema
        self.enter = of(_ENTER)
        self.trade = of(_TRADE)
        self.settle = of(_SETTLE)
        self.touch = of(_TOUCH)
        self.leave = of(_LEAVE)
        self.give_back = of(_GIVE_BACK)
        self.ring = of(_RING)
        self.put_ready = of(_PUT_READY)
        self.put = of(_PUT)
        self.copy = of(_COPY)
        self.copied = of(_COPIED)
        self.found = of(_FOUND)

    def listen(self, number: int) -> str:
        """Return what makes the bell of an owner ring."""
        return _LISTEN.replace("@", self.schema).format(number=number)
