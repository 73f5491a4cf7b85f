"""The rooms of the house stand in order, and each module uses only what stands before it."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.helpers.commands import ROOT
from tests.helpers.imports import imports, loaded_with, module_of, modules, tree, uses

ORDER = (
    ("tvsight.errors", "tvsight.foreign", "tvsight.progress", "tvsight.texts", "tvsight.writing"),
    ("tvsight.statistics",),
    ("tvsight.paper",),
    ("tvsight.tasks",),
    ("tvsight.interventions",),
    ("tvsight.models",),
    ("tvsight.config",),
    ("tvsight.prompts",),
    ("tvsight.methods",),
    ("tvsight.output",),
    ("tvsight.storage",),
    ("tvsight.sharing",),
    ("tvsight.execution",),
    ("tvsight.run",),
    ("tvsight.protocol",),
    ("tvsight.library",),
    ("tvsight.experiments",),
    ("tvsight.explorer",),
    ("tvsight.cli", "tvsight.__main__"),
    ("analyses",),
)
"""Every room, after those that it may use. Those of one floor may use each other."""
FOR_TYPES: dict[str, set[str]] = {}
"""By module: modules of later rooms that it names in annotations alone."""
TRAVELLING = (
    *("tvsight.protocol.conditions", "tvsight.protocol.measure"),
    *("tvsight.protocol.generated", "tvsight.protocol.causal_effects"),
)
"""The files of the protocol that are shipped to a server."""
TRAVELS = ("tvsight.interventions", "tvsight.methods", *TRAVELLING)
"""Modules shipped to a server by source, besides every `*measure.py`."""
LIGHT = ("tvsight.methods", "tvsight.methods.files")
"""Modules that name the methods and do not travel with them."""
STAYS = ("pandas", "matplotlib", "tvsight.storage", "tvsight.output", "tvsight.run")
"""Modules that a server need not have, and that code which travels must not use."""
HEAVY = ("torch", "nnsight", "transformers", "safetensors.torch")
"""Packages that a redraw does not wait for."""
EXPERIMENTS = ROOT / "tvsight" / "experiments"
NAMES = sorted(path.parent.name for path in EXPERIMENTS.glob("*/__init__.py"))
DRAWS = {"__init__.py", "report.py"}
"""The files of every experiment."""
MEASURES = {"request.py", "measure.py"}
"""The files of an experiment that measures, besides."""
WHERE_NEEDED = {"numbers.py", "figures.py"}
"""Numbers that are more than means, differences and counts of conditions, and figures."""
FURTHER = {
    "episodes.py": NAMES,
    "contexts.py": ["steering"],
    "induction.py": ["heads"],
    "settings.py": ["function_vectors"],
    "task_figures.py": ["main_results"],
    "method_numbers.py": ["main_results"],
    "method_figures.py": ["main_results"],
    "method_report.py": ["main_results"],
    "score_numbers.py": ["main_results"],
    "score_figures.py": ["main_results", "layer_sweep"],
    "score_report.py": ["main_results"],
    "renamed_measure.py": ["controls"],
    "renamed_numbers.py": ["controls"],
    "transfer_figures.py": ["controls"],
    "distance_figures.py": ["controls"],
    "distance_numbers.py": ["controls"],
}
"""Files that an experiment may have, and which may."""
OURS = ("tvsight", "analyses", "benchmarks", "tests")
OF_THE_SERVER = ROOT / "tests" / "ndif" / "plugin"
"""Modules that run in the environment of the NDIF server."""
SUPPORTED = {"vllm", "_typeshed"}
"""Modules that are used where they are installed, or by type checkers alone."""
MOST_LINES = 330
MOST_FILES_AT_THE_TOP = 9


def floor(module: str) -> int | None:
    """The place of a module's room in `ORDER`; None for `tvsight` itself, which all may use."""
    for number, rooms in enumerate(ORDER):
        if any(module == room or module.startswith(f"{room}.") for room in rooms):
            return number
    assert module == "tvsight", f"{module} lies in no room"
    return None


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def chains(module: str, packages: tuple[str, ...]) -> list[str]:
    """How importing a module comes to import one of some packages."""
    return [chain for name, chain in loaded_with(module).items() if within(name, packages)]


@cache
def files_of(name: str) -> set[str]:
    """The names of an experiment's files."""
    return {file.name for file in (EXPERIMENTS / name).glob("*.py")}


def test_every_module_lies_in_a_room() -> None:
    assert len(modules()) > 100
    assert {module for module in modules() if floor(module) is None} == {"tvsight"}


def test_a_module_uses_only_rooms_before_its_own() -> None:
    late = []
    for module, file in modules().items():
        own = floor(module)
        for one in imports(file):
            target = module_of(one.target)
            if target is None or own is None:
                continue
            place = floor(target)
            exempt = one.for_types and target in FOR_TYPES.get(module, set())
            if place is not None and place > own and not exempt:
                late.append(f"{module}, line {one.line}: {one.target}")
    assert late == []


def test_what_is_excused_is_needed() -> None:
    for module, excused in FOR_TYPES.items():
        named = {module_of(one.target) for one in imports(modules()[module]) if one.for_types}
        assert excused <= named


def test_no_import_leads_back_to_its_module() -> None:
    circles = []
    known: dict[str, bool] = {}  # whether all that begins there has been followed

    def follow(module: str, path: list[str]) -> None:
        if module in path:
            circles.append(" → ".join([*path[path.index(module) :], module]))
        elif not known.get(module):
            for target in uses(module):
                follow(target, [*path, module])
            known[module] = True

    for module in modules():
        follow(module, [])
    assert circles == []


def test_what_travels_needs_nothing_that_stays_here() -> None:
    travels = [
        name
        for name in modules()
        if (within(name, TRAVELS) and name not in LIGHT) or name.endswith("measure")
    ]
    assert len(travels) > 20
    for module in travels:
        named = [one.target for one in imports(modules()[module])]
        found = [*chains(module, STAYS), *(name for name in named if within(name, STAYS))]
        assert found == [], module


def test_what_draws_and_what_names_the_methods_does_not_wait_for_torch() -> None:
    parts = ("numbers.py", "figures.py", "report.py")
    drawing = [
        f"tvsight.experiments.{n}.{p[:-3]}" for n in NAMES for p in parts if p in files_of(n)
    ]
    assert len(drawing) > 2 * len(NAMES)
    for module in (*LIGHT, *drawing):
        assert module in modules()
        assert chains(module, HEAVY) == [], module
        named = [one.target for one in imports(modules()[module]) if not one.for_types]
        assert [name for name in named if within(name, HEAVY)] == [], module


def test_figures_compute_no_statistic_and_read_no_file() -> None:
    files = sorted(EXPERIMENTS.glob("*/*figures.py"))
    assert len(files) > 10
    for file in files:
        named = [one.target for one in imports(file)]
        assert [name for name in named if within(name, ("tvsight.statistics",))] == [], file
        called = {
            node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            for node in ast.walk(tree(file))
            if isinstance(node, ast.Call)
        }
        reads = {"open", "read_csv", "read_parquet", "read_text", "read_bytes"}
        assert called & reads == set(), file


@pytest.mark.parametrize("room", ["storage", "output"])
def test_a_room_of_all_experiments_knows_none_by_name(room: str) -> None:
    for file in sorted((ROOT / "tvsight" / room).glob("*.py")):
        named = [one.target for one in imports(file)]
        assert [name for name in named if within(name, ("tvsight.experiments",))] == [], file.name
        if room == "storage" and file.name != "schemas.py":
            texts = [node.value for node in ast.walk(tree(file)) if isinstance(node, ast.Constant)]
            assert [text for text in texts if text in NAMES] == [], file.name


def test_every_experiment_has_the_same_files_and_a_command() -> None:
    for name in NAMES:
        files = files_of(name)
        further = {file for file, names in FURTHER.items() if name in names}
        measures = files & MEASURES
        assert measures in (set(), MEASURES), name
        assert files - further - WHERE_NEEDED == DRAWS | measures, name
        assert (ROOT / "analyses" / f"{name}.py").is_file()


def test_no_file_is_long() -> None:
    lines = {module: len(file.read_bytes().splitlines()) for module, file in modules().items()}
    assert {module: count for module, count in lines.items() if count > MOST_LINES} == {}


def test_the_top_of_the_package_is_short() -> None:
    files = [path.name for path in (ROOT / "tvsight").iterdir() if path.is_file()]
    assert len(files) <= MOST_FILES_AT_THE_TOP, sorted(files)


def test_a_request_is_no_partial_function() -> None:
    for file in EXPERIMENTS.glob("*/request.py"):
        named = [one.target for one in imports(file)]
        assert [target for target in named if target.startswith("functools")] == [], file


def test_no_test_imports_from_a_test() -> None:
    for file in (ROOT / "tests").rglob("*.py"):
        of_tests = [one.target for one in imports(file) if one.target.startswith("tests.")]
        assert [target for target in of_tests if ".test_" in target] == [], file
        text = file.read_text()
        code_in_texts = re.findall(r"^(?:from|import) tests\.\S*", text, re.MULTILINE)
        assert [line for line in code_in_texts if ".test_" in line] == [], file
        assert not re.search(r"from tests\.\S+ import test_", text), file


def names(requirements: list[str]) -> set[str]:
    """The names of required distributions; those of extras are left out."""
    wanted = [Requirement(text) for text in requirements]
    return {canonicalize_name(one.name) for one in wanted if "extra" not in str(one.marker)}


def test_every_imported_package_is_declared_or_needed_by_one_that_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    known = names([*project["dependencies"], *(line for extra in extras for line in extra)])
    provided = {
        module: {canonicalize_name(one) for one in distributions}
        for module, distributions in packages_distributions().items()
    }
    for name in known & set().union(*provided.values()):
        known = known | names(requires(name) or [])
    undeclared = set()
    for file in (file for folder in OURS for file in (ROOT / folder).rglob("*.py")):
        if OF_THE_SERVER in file.parents:
            continue
        modules_of_file = {one.target.partition(".")[0] for one in imports(file)}
        for module in modules_of_file - {*sys.stdlib_module_names, *OURS, *SUPPORTED}:
            if not known & provided.get(module, {module}):
                undeclared.add(f"{file.relative_to(ROOT)}: {module}")
    assert undeclared == set()
