"""The wheel and the source distribution build, and install into an empty environment."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def run(*arguments: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(argument) for argument in arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source distribution, and the wheel out of it, as a release does."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


def installed(archive: Path, folder: Path, *others: str) -> Path:
    """Install an archive with its dependencies into a new environment; return its `bin`."""
    target = folder / "env"
    venv.create(target, with_pip=False, symlinks=True)
    python = target / "bin" / "python"
    run(
        sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python,
        "install", "--quiet", archive, *others, cwd=folder,
    )  # fmt: skip
    return target / "bin"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("suffix", [".whl", ".tar.gz"])
def test_an_archive_installs_into_an_empty_environment(
    dist: Path, tmp_path: Path, suffix: str
) -> None:
    (archive,) = dist.glob(f"*{suffix}")

    programs = installed(archive, tmp_path)

    where = run(programs / "python", "-c", "import pulpo; print(pulpo.__file__)", cwd=tmp_path)
    assert str(tmp_path) in where
    assert (Path(where.strip()).parent / "py.typed").exists()
    assert VERSION in run(programs / "pulpo", "--version", cwd=tmp_path)
    assert VERSION in run(programs / "python", "-m", "pulpo", "--version", cwd=tmp_path)


def test_the_wheel_holds_the_package_and_nothing_else(dist: Path) -> None:
    (archive,) = dist.glob("*.whl")
    with zipfile.ZipFile(archive) as wheel:
        names = wheel.namelist()

    assert "pulpo/py.typed" in names
    assert "pulpo/dashboard/templates/base.html" in names
    assert "pulpo/dashboard/static/vendor/htmx-LICENSE" in names
    assert {name.split("/")[0] for name in names} == {
        "pulpo",
        "pytest_pulpo.py",
        f"pulpo_messaging-{VERSION}.dist-info",
    }


_KIT = """
import sys
import pulpo.testing

def test_jobs(pulpo_queue, pulpo_clock):
    @pulpo.job(backoff="1m")
    def job(n):
        if pulpo.current_job().attempt == 1:
            raise ConnectionError
    job.schedule_in("1h", 7)
    pulpo.testing.assert_published(job, args=(7,), due_in="1h")
    assert len(pulpo_queue.worker.run_for("1d")) == 2
"""


@pytest.mark.timeout(600)
def test_the_pytest_plugin_needs_nothing_but_the_wheel_and_pytest(
    dist: Path, tmp_path: Path
) -> None:
    (archive,) = dist.glob("*.whl")
    programs = installed(archive, tmp_path, "pytest")
    (tmp_path / "test_kit.py").write_text(_KIT)

    for url in ("memory://", "sqlite:"):
        told = run(programs / "python", "-m", "pytest", "--pulpo-url", url, cwd=tmp_path)
        assert "1 passed" in told


def test_the_source_distribution_holds_what_its_tests_need(dist: Path) -> None:
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as sources:
        names = {name.split("/", 1)[1] for name in sources.getnames() if "/" in name}

    assert names >= {
        "LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "dev", "mkdocs.yml",
        "pyproject.toml", "docs/index.md", "tests/repo/test_packaging.py", "pulpo/py.typed",
        "contrib/grafana/pulpo.json", "pytest_pulpo.py",
    }  # fmt: skip


def test_the_extra_all_is_every_optional_feature_of_a_user() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    features = set(extras) - {"all", "docs", "examples", "dev"}

    assert extras["all"] == [f"{project['name']}[{','.join(sorted(features))}]"]
