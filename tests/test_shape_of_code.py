"""The shape of the code is held by a test, so that reviewers need not check it."""

import ast
import re
from itertools import chain
from pathlib import Path

from tests.write_docs import LINTER, floors

SOURCE = Path(__file__).parent.parent / "src" / "zatlas"
FILES = sorted(SOURCE.rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION, DEEPEST = 400, 50, 2

Function = ast.FunctionDef | ast.AsyncFunctionDef
TREES = {path: ast.parse(path.read_text()) for path in FILES}


def functions():
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield path.relative_to(SOURCE), node


def test_a_file_is_short_and_opens_with_what_it_is():
    assert not [path for path in FILES if len(path.read_text().splitlines()) > LONGEST_FILE]
    assert not [path for path, tree in TREES.items() if not ast.get_docstring(tree)]


def test_a_function_is_short():
    long = [f"{path}: {f.name}" for path, f in functions() if length(f) > LONGEST_FUNCTION]
    assert not long


def test_everything_is_annotated():
    bare = []
    for path, function in functions():
        arguments = chain(function.args.posonlyargs, function.args.args, function.args.kwonlyargs)
        named = [a for a in arguments if a.arg not in ("self", "cls")]
        if function.returns is None or any(a.annotation is None for a in named):
            bare.append(f"{path}: {function.name}")
    assert not bare


def test_public_functions_say_what_they_do():
    silent = []
    for path, tree in TREES.items():
        for node in tree.body:
            public = isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_")
            if public and not ast.get_docstring(node):
                silent.append(f"{path.relative_to(SOURCE)}: {node.name}")
    assert not silent


def test_a_docstring_names_parameters_that_exist():
    """A name in backticks is a parameter or a name of the function's body, or something of the package."""
    known = {name for tree in TREES.values() for name in names_in(tree)}
    wrong = []
    for path, function in functions():
        names = set(re.findall(r"`([a-z_]+)`", ast.get_docstring(function) or ""))
        own = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
        own |= {node.value for node in ast.walk(function) if isinstance(node, ast.Constant)}
        wrong += [f"{path.name}: {function.name}: `{name}`" for name in names - own - known if len(name) > 1]
    assert not wrong, wrong


def names_in(tree):
    """The names that a file defines or uses: functions, classes, fields, variables, attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def test_classes_are_abstract_or_final():
    """Of our own classes, none stands more than two below the one it comes from."""
    parents = {
        node.name: [base.id for base in node.bases if isinstance(base, ast.Name)]
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }

    def depth(name):
        return 1 + max((depth(base) for base in parents[name] if base in parents), default=0)

    assert not [name for name in parents if depth(name) > DEEPEST]


def test_modules_do_not_import_each_other_in_circles():
    """Imports inside functions and under TYPE_CHECKING count, too."""
    done: set[str] = set()

    def visit(name, trail):
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for other in sorted(GRAPH[name]):
                visit(other, [*trail, name])
            done.add(name)

    for name in GRAPH:
        visit(name, [])


def test_imports_go_down_the_floors_only():
    rank = {folder: -level for level, rooms in enumerate(floors()) for folder in rooms}
    assert {room_of(name) for name in GRAPH} - {""} == rank.keys()
    up = [
        f"{name} -> {other}"
        for name, needs in GRAPH.items()
        for other in needs
        if room_of(name) != room_of(other) and room_of(name) and rank[room_of(other)] >= rank[room_of(name)]
    ]
    assert not up


def test_the_floors_have_no_exceptions():
    assert not {"exclude_type_checking_imports", "ignore_imports"} & LINTER.keys()
    assert not [contract for contract in LINTER["contracts"] if "ignore_imports" in contract]


def test_the_atlas_is_a_face_and_only_delegates():
    """It has at most 33 public members, each of at most 5 lines besides its signature."""
    classes = [
        node
        for file in ("atlas_data.py", "atlas_pages.py", "atlas.py")
        for node in TREES[SOURCE / file].body
        if isinstance(node, ast.ClassDef)
    ]
    assert [node.name for node in classes] == ["AtlasData", "AtlasPages", "Atlas"]
    body = [node for each in classes for node in each.body]
    members = [n for n in body if isinstance(n, Function) and not n.name.startswith("_")]
    fields = {n.target.id for n in body if isinstance(n, ast.AnnAssign)}
    assert len(members) + len(fields) <= 33
    assert not [member.name for member in members if length(member, signature=False) > 5]


def test_nothing_below_the_roof_takes_an_atlas():
    roof = {"", "api", "atlas", "transformer"}
    takers = [name for name, needs in GRAPH.items() if "zatlas.atlas" in needs and room_of(name) not in roof]
    assert not takers


def test_nothing_runs_what_it_reads():
    """No pickle, no eval, no shell, no unpacking to where an archive says, no lenient reading."""
    modules = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
    calls = {"eval", "exec", "hasattr", "torch.load", "yaml.load", "os.system"}
    methods = {"extractall"}
    switches = {("shell", True), ("allow_pickle", True), ("weights_only", False)}
    result = []
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name.split(".")[0] for alias in node.names}
                names |= {getattr(node, "module", None) or ""}
                result += [f"{path.name}: {name}" for name in names & modules]
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                words = {(word.arg, getattr(word.value, "value", None)) for word in node.keywords}
                if name == "torch.load" and ("weights_only", True) in words:
                    continue
                if name in calls or name.split(".")[-1] in methods:
                    result.append(f"{path.name}: {name}")
                for word in node.keywords:
                    value = getattr(word.value, "value", None)
                    if (word.arg, value) in switches:
                        result.append(f"{path.name}: {word.arg}={value}")
    assert not result


def test_light_rooms_do_not_bring_torch():
    for path, tree in TREES.items():
        folder = path.relative_to(SOURCE).parts[0]
        if folder in ("core", "data", "store", "render", "commands", "cli.py", "__init__.py"):
            heavy = {name for name in imports(tree) if name.split(".")[0] in ("torch", "lightning_fabric")}
            assert not heavy, path


def length(function, *, signature=True):
    """Lines of a function without its docstring, which is as long as it need be."""
    first = function.body[0]
    result = ast.get_docstring(function) is not None
    words = (first.end_lineno or 0) - first.lineno + 1 if result else 0
    start = function.lineno if signature else first.lineno
    return (function.end_lineno or 0) - start + 1 - words


def module_of(path):
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree):
    """What a file imports when it is imported itself, as full names of modules."""
    return _imported(tree.body)


def _imported(nodes):
    result = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            result |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            result |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return result


def every_import():
    """For each module, the modules that it imports anywhere; of a package's member, the member alone."""
    names = {module_of(path): path for path in FILES}
    graph = {}
    for name, path in names.items():
        needs = set()
        for node in ast.walk(TREES[path]):
            if isinstance(node, ast.Import):
                needs |= {alias.name for alias in node.names}
            if isinstance(node, ast.ImportFrom) and node.module:
                members = {f"{node.module}.{alias.name}" for alias in node.names}
                needs |= {member if member in names else node.module for member in members}
        graph[name] = (needs & names.keys()) - {name}
    return graph


def room_of(name):
    """The first part of a module's name below the package; "" for the package itself."""
    return name.partition(".")[2].partition(".")[0]


GRAPH = every_import()
