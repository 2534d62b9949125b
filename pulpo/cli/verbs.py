"""A group of commands that knows what somebody may have meant."""

from __future__ import annotations

import click

from pulpo.spelling import closest

__all__ = ["Verbs", "help_without_verb"]


class Verbs(click.Group):
    """A group of commands; a verb that is not there is answered with the nearest one that is."""

    #: Words of other tools, and what they are called here.
    meant: dict[str, str] = {}  # noqa: RUF012  # filled by subclasses, never changed

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Name the commands in the order of their code: the usual ones come first."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say what it may be called."""
        word = args[0]
        if ctx.resilient_parsing:  # a shell completes what is not there yet
            return super().resolve_command(ctx, args)
        if not word.startswith("-") and self.get_command(ctx, word) is None:
            known = self.list_commands(ctx)
            close = self.meant.get(word) or closest(word, known)
            hint = f"did you mean {close!r}?" if close else f"there are: {', '.join(known)}"
            ctx.fail(f"no command {word!r}; {hint}")
        return super().resolve_command(ctx, args)


def help_without_verb(context: click.Context) -> None:
    """Print the group's help where somebody gave no verb; for groups invoked without one."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
