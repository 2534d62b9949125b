"""The arguments of a call as the body of a message, and a body as arguments again.

A body is a map of parameter names to values, so that it reads well and survives reordering; only
where a signature has `*args` or positional-only parameters it is `[args, kwargs]`. Knows nothing
of queues; a wrong call is refused here, on the producer's side and on the worker's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence

from pulpo.errors import UsageError, WrongTypeError
from pulpo.spelling import closest

__all__ = ["Arguments"]

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_SINGLE = (*_NAMED, inspect.Parameter.POSITIONAL_ONLY)


class Arguments:
    """The signature of one function, taken apart once; stateless after that, any thread."""

    __slots__ = (
        "_function",
        "_names",
        "_paired",
        "_positional",
        "_required",
        "_signature",
        "_takes_any",
        "_usual",
    )

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function
        self._signature = inspect.signature(function)
        parameters = self._signature.parameters.values()
        kinds = {parameter.kind for parameter in parameters}
        named = [parameter for parameter in parameters if parameter.kind in _NAMED]
        self._paired = not kinds.isdisjoint(
            (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY)
        )
        self._takes_any = inspect.Parameter.VAR_KEYWORD in kinds
        self._positional = tuple(
            parameter.name
            for parameter in named
            if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        )
        self._names = frozenset(parameter.name for parameter in named)
        self._required = frozenset(
            parameter.name for parameter in named if parameter.default is inspect.Parameter.empty
        )

        # So many arguments, none of them named, fit in any case; -1 where no number does.
        self._usual = len(self._positional) if self._required.issubset(self._positional) else -1

    @property
    def names(self) -> frozenset[str] | None:
        """The names of all parameters; None where the function takes any."""
        return None if self._takes_any else frozenset(self._signature.parameters)

    def named(self, body: object) -> Mapping[str, object]:
        """Return every argument of a call by its name, those left out by their defaults.

        Raises `WrongTypeError` where the body does not fit the signature.
        """
        args, kwargs = self.unpack(body)
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        found = dict(bound.arguments)
        for parameter in self._signature.parameters.values():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                found.update(found.pop(parameter.name))
        return found

    def body(self, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        """Return a call's arguments as a body; raises `WrongTypeError`, a `TypeError`."""
        if not self._paired:
            if not kwargs and len(args) == self._usual:
                return dict(zip(self._positional, args, strict=True))
            # Signature.bind() costs more than the rest of a publish: here it only words errors.
            named = dict(zip(self._positional, args, strict=False))
            named.update(kwargs)
            if len(named) == len(args) + len(kwargs) and self._fits(named):
                return named
        self._check(args, kwargs)
        return [list(args), dict(kwargs)]

    def bodies(self, calls: Iterable[object]) -> list[object]:
        """Return the body of each call: a tuple or list of arguments, or a dict of named ones.

        Raises `WrongTypeError` for the first one that is none or does not fit.
        """
        # The usual ones right here: to ask for each takes two and a half times as long.
        names, usual = self._positional, -1 if self._paired else self._usual
        return [
            dict(zip(names, call, strict=True))
            if type(call) is tuple and len(call) == usual
            else self._body_of(call)
            for call in calls
        ]

    def _body_of(self, call: object) -> object:
        match call:
            case tuple() | list():
                return self.body(call, {})
            case dict():
                return self.body((), call)
        raise WrongTypeError(
            f"a call must be a tuple of arguments or a dict of named ones: {call!r}"
        )

    def unpack(self, body: object) -> tuple[Sequence[object], Mapping[str, object]]:
        """Return a body's positional and named arguments.

        Nothing at all stands for no arguments, so that any language can ask for a job that needs
        none. Raises `WrongTypeError` where the body does not fit this code's signature.
        """
        # Nearly always; the names that are known here are text.
        plain = type(body) is dict and not self._paired and self._names.issuperset(body)
        if plain and self._required.issubset(body):  # type: ignore[arg-type]  # a dict
            return (), body  # type: ignore[return-value]
        args, kwargs = self._parts(body)
        if self._paired or args or not self._fits(kwargs):
            self._check(args, kwargs)
        return args, kwargs

    def check_names(self, names: Sequence[str], what: str) -> None:
        """Raise `UsageError` for a name that no parameter has; `what` is how the error calls it."""
        parameters = self._signature.parameters
        known = [name for name, found in parameters.items() if found.kind in _SINGLE]
        for name in names:
            if name not in known and not self._takes_any:
                close = closest(name, known)
                hint = f"did you mean {close!r}?" if close else f"it has: {', '.join(known)}"
                raise UsageError(f"{what} names {name!r}, no parameter of {self._name()}; {hint}")

    def _fits(self, named: Mapping[str, object]) -> bool:
        known = self._takes_any or self._names.issuperset(named)
        return known and self._required.issubset(named)

    def _parts(self, body: object) -> tuple[Sequence[object], Mapping[str, object]]:
        match body:
            case None:
                return (), {}
            case dict():
                return (), self._texts(body)
            case [list() as args, dict() as kwargs]:
                return args, self._texts(kwargs)
        raise WrongTypeError(
            f"{self._name()} takes a body that maps names to values: {str(body)[:100]!r}"
        )

    def _texts(self, named: Mapping[object, object]) -> Mapping[str, object]:
        for name in named:
            if type(name) is not str:
                raise WrongTypeError(f"{self._name()} has no argument called {name!r}")
        return named  # type: ignore[return-value]  # just checked

    def _check(self, args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise WrongTypeError(f"{self._name()} {error}") from None

    def _name(self) -> str:
        return f"{self._function.__qualname__}()"
