"""Which code runs which type."""

import pytest

from pulpo.errors import DuplicateJobTypeError, UnknownJobTypeError
from pulpo.registry import JobType, Registry


def job_type(type="t", source="shop.t", **options):
    return JobType(type=type, source=source, bind=lambda run: lambda: None, **options)


def test_a_type_is_found_by_its_name_and_its_aliases():
    registry = Registry()
    added = registry.add(job_type("new", aliases=("old", "older")))

    assert registry["new"] is registry["old"] is registry.find("older") is added
    assert list(registry) == [added]
    assert len(registry) == 1


def test_an_unknown_type_is_none_or_an_error_with_a_hint():
    registry = Registry()
    registry.add(job_type("mail.welcome"))

    assert registry.find("mail.welcom") is None
    with pytest.raises(UnknownJobTypeError, match=r"'mail.welcom'; did you mean 'mail.welcome'"):
        registry["mail.welcom"]
    with pytest.raises(LookupError, match=r"known types: mail\.welcome"):
        registry["x"]


def test_an_empty_registry_says_so():
    with pytest.raises(UnknownJobTypeError, match="known types: none"):
        Registry()["x"]


def test_the_same_code_may_register_again():
    registry = Registry()
    registry.add(job_type())
    again = registry.add(job_type())

    assert registry["t"] is again
    assert len(registry) == 1


def test_a_type_registered_again_without_an_alias_loses_it():
    registry = Registry()
    registry.add(job_type(aliases=("old",)))
    registry.add(job_type())

    assert registry.find("old") is None


@pytest.mark.parametrize(
    "second",
    [
        job_type(source="shop.u"),
        job_type("u", source="shop.u", aliases=("t",)),
        job_type("u", source="shop.u", aliases=("old",)),
        job_type("old", source="shop.u"),
    ],
)
def test_other_code_under_a_known_name_is_refused(second):
    registry = Registry()
    first = registry.add(job_type(aliases=("old",)))

    with pytest.raises(DuplicateJobTypeError, match=r"is taken by shop.t; shop.u needs another"):
        registry.add(second)
    assert list(registry) == [first]


def test_the_queues_are_default_and_those_of_the_types():
    registry = Registry()
    registry.add(job_type("a", queue="mail"))
    registry.add(job_type("b", queue="audit"))

    assert registry.queues() == ["audit", "default", "mail"]
