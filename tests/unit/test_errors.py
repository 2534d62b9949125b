"""One tree of errors; each says whose fault it is."""

import pickle
import re

import pytest

from pulpo import errors


def tree():
    """The classes in the module's docstring, with what is drawn as their parents."""
    found, path = {}, {}
    for line in errors.__doc__.splitlines():
        if "(raised by handlers)" in line:
            path = {4: "PulpoError"}
        match = re.search(r"(\w+(?:Error))(?: \((\w+)\))?", line)
        if match and (line.startswith("    ")):
            depth = match.start()
            parents = [name for place, name in path.items() if place < depth]
            path = {place: name for place, name in path.items() if place < depth}
            path[depth] = match[1]
            found[match[1]] = (parents[-1] if parents else "Exception", match[2])
    return found


def test_the_drawn_tree_is_the_real_one():
    import builtins

    for name, (parent, builtin) in tree().items():
        kind = getattr(errors, name)
        assert issubclass(kind, getattr(errors, parent, None) or getattr(builtins, parent)), name
        if builtin:
            assert issubclass(kind, getattr(builtins, builtin)), name


def test_every_error_is_in_the_drawing_and_exported():
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }

    assert defined == set(tree()) == set(errors.__all__)
    assert errors.__all__ == sorted(errors.__all__)


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_travels_between_processes(name):
    error = getattr(errors, name)("what happened: 'x'")
    copy = pickle.loads(pickle.dumps(error))

    assert (type(copy), str(copy)) == (type(error), "what happened: 'x'")


def test_an_uncertain_publish_keeps_its_id_between_processes():
    error = pickle.loads(pickle.dumps(errors.PublishUncertainError("no answer", id="x")))

    assert error.id == "x"


def test_a_transient_error_may_say_its_delay():
    assert errors.TransientError("busy", delay="5m").delay == "5m"
    assert errors.TransientError("busy").delay is None
