"""The names of `import pulpo`, and what importing them costs."""

import subprocess
import sys
import types

import pytest

import pulpo
from pulpo import errors
from pulpo.envelope import Envelope
from pulpo.job import Job
from pulpo.registry import JobType
from pulpo.run import CURRENT, Run


def python(code, *arguments, folder=None):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


HEAVY = ["asyncio", "wrapt", "sqlite3", "greenstalk", "click", "importlib.metadata", "msgpack"]


def test_importing_pulpo_loads_nothing_heavy():
    loaded = python(f"import sys, pulpo; print([n for n in {HEAVY} if n in sys.modules])")

    assert loaded == "[]"


def test_publishing_loads_no_decorator_command_line_or_event_loop():
    loaded = python(
        "import sys, pulpo; pulpo.configure(url='memory://');"
        "pulpo.publish(pulpo.Message(type='t'));"
        "print([n for n in ('asyncio', 'wrapt', 'click', 'concurrent.futures', 'sqlite3',"
        " 'greenstalk', 'importlib.metadata', 'ctypes', 'decimal', 'difflib', 'hashlib', 'json',"
        " 'logging', 'traceback', 'uuid') if n in sys.modules])"
    )

    assert loaded == "[]"


def test_decorating_connects_to_nothing_and_loads_no_engine(tmp_path):
    loaded = python(
        "import sys, pulpo\n"
        "@pulpo.job\n"
        "def f(): ...\n"
        "print([n for n in ('sqlite3', 'greenstalk', 'click') if n in sys.modules])",
        folder=tmp_path,
    )

    assert loaded == "[]"
    assert list(tmp_path.iterdir()) == []


def _constants_classes_functions(name):
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def test_all_names_are_there_and_sorted():
    assert pulpo.__all__ == sorted(pulpo.__all__, key=_constants_classes_functions)
    assert len(set(pulpo.__all__)) == len(pulpo.__all__)
    for name in pulpo.__all__:
        assert getattr(pulpo, name) is not None
    assert set(pulpo.__all__) <= set(dir(pulpo))


def test_all_names_can_be_imported_by_name():
    assert python("from pulpo import *; print(job.__name__, publish.__name__)") == "job publish"


def test_the_names_of_the_design_are_there():
    names = (
        "job register publish publish_many apublish apublish_many configure current_job "
        "Pulpo Message JobRef Success Retry Snooze Bury Cancel Outcome HIGH NORMAL LOW "
        "Handler JobFunction Run __version__"
    )

    assert set(names.split()) <= set(pulpo.__all__)


def test_every_error_is_a_public_name():
    assert set(errors.__all__) <= set(pulpo.__all__)
    for name in errors.__all__:
        assert getattr(pulpo, name) is getattr(errors, name)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'pulpo' has no attribute 'jobb'"):
        pulpo.jobb  # noqa: B018  # the look-up is the test


@pytest.mark.parametrize(
    "imports",
    [
        "import pulpo",
        "import pulpo.job, pulpo",
        "from pulpo.job import NewJob; import pulpo",
        "import pulpo.worker.loop, pulpo.cli, pulpo",
        "import pulpo.message, pulpo.run, pulpo.adapter, pulpo",
    ],
)
def test_the_decorator_is_not_hidden_by_the_module_of_its_name(imports):
    code = f"{imports}\n@pulpo.job(type='t')\ndef f(): ...\nprint(f.job_type.type)"

    assert python(code) == "t"


def test_the_module_job_can_be_imported_from():
    from pulpo.job import NewJob

    assert NewJob.__module__ == "pulpo.job"
    assert not isinstance(pulpo.job, types.ModuleType)


KEPT_AWAY = """
import sys, pulpo

@pulpo.job(type="t")
def f(): ...

pulpo.configure(url="memory://")
f.delay()
pulpo.run_worker(burst=True)
heavy = ["cronsim", "zoneinfo", "pulpo.schedules", "pulpo.timekeeping", "pulpo.worker.ticking"]
print([name for name in heavy if name in sys.modules])
"""


def test_who_has_no_schedules_loads_nothing_of_them():
    assert python(KEPT_AWAY).splitlines()[-1] == "[]"


def test_the_version_is_that_of_the_package():
    assert pulpo.__version__.count(".") == 2


def test_the_functions_of_the_module_are_those_of_one_app():
    assert pulpo.publish.__self__ is pulpo.job.__self__ is pulpo.register.__self__
    assert type(pulpo.publish.__self__) is pulpo.Pulpo


CONFIGURED_LATE = """
import sys, pulpo

@pulpo.job(queue="mail")
def f(n): ...

pulpo.configure(url=sys.argv[1])
f.delay(1)
pulpo.publish_many([f.message(2), pulpo.Message(type="t")])
print(f.job_type.type)
"""


def test_a_program_may_configure_after_its_jobs_are_declared(tmp_path):
    url = f"sqlite:///{tmp_path}/q.db"
    python(CONFIGURED_LATE, url)
    admin = pulpo.Pulpo(url).engine.admin()

    assert (admin.stats("mail").ready, admin.stats("default").ready) == (2, 1)
    admin.close()


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (["tasks.py"], "tasks.f"),
        (["-m", "tasks"], "tasks.f"),
        (["-m", "shop.tasks"], "shop.tasks.f"),
        (["-m", "shop"], "shop.f"),
        (["shop/tasks.py"], "tasks.f"),
        (["-c", "exec(open('tasks.py').read())"], "__main__.f"),
    ],
)
def test_a_script_has_the_types_that_a_worker_will_import(tmp_path, start, expected):
    code = "import pulpo\n@pulpo.job\ndef f(): ...\nprint(f.job_type.type)"
    (tmp_path / "shop").mkdir()
    for name in ("tasks.py", "shop/__init__.py", "shop/tasks.py", "shop/__main__.py"):
        (tmp_path / name).write_text(code if name != "shop/__init__.py" else "")
    done = subprocess.run(
        [sys.executable, *start], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )

    assert (done.stdout.strip(), done.stderr) == (expected, "")


def test_current_job_is_known_inside_a_handler_only():
    with pytest.raises(pulpo.UsageError, match="only known inside a handler"):
        pulpo.current_job()

    job_type = JobType(type="t", bind=lambda run: lambda: None)
    envelope = Envelope({"type": "t", "id": "x", "failures": 2, "tenant": "acme"}, None)
    run = Run(Job(number=1, body=b"", queue="mail"), envelope, job_type)
    token = CURRENT.set(run)
    try:
        found = pulpo.current_job()
        assert (found.id, found.type, found.queue, found.attempt) == ("x", "t", "mail", 3)
        assert (found.headers, found.lost) == ({"tenant": "acme"}, False)
        assert found.deadline.utcoffset() is not None
    finally:
        CURRENT.reset(token)
