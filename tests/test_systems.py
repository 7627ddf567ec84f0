"""What differs between systems is in `zatlas.core.system` only, and both implementations work."""

import ast
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zatlas.core.system import SYSTEM, System
from zatlas.core.system.posix import Posix
from zatlas.core.system.windows import Windows

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "zatlas"
OWNER = SOURCE / "core" / "system"
MODULES = {
    "fcntl",
    "resource",
    "msvcrt",
    "termios",
    "pty",
    "pwd",
    "grp",
    "winreg",
    "filelock",
    "platformdirs",
}
CALLS = re.compile(
    r"os\.(p?readv?|preadv|pwritev?|kill|killpg|fork|nice|setpriority|sysconf|getloadavg|getuid|geteuid|replace|rename|sync"
    r"|name|uname|O_BINARY|O_NOFOLLOW|O_DIRECTORY|O_NONBLOCK|O_CLOEXEC)|sys\.platform|webbrowser\.open"
    r"|signal\.(SIG(?!INT$|TERM$)\w+|CTRL_\w+)|subprocess\.CREATE_\w+|ctypes\.(WinDLL|windll|CDLL|cdll|WinError)"
)
ALLOWED = {"os.read"}  # of an open file, as everywhere


def breaches(tree):
    """What only the owner may use: its line and its source."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name
            if module.partition(".")[0] in MODULES:
                yield node.lineno, module
        elif isinstance(node, ast.Attribute):
            text = ast.unparse(node)
            if CALLS.fullmatch(text) and text not in ALLOWED:
                yield node.lineno, text
        elif isinstance(node, ast.Constant) and re.match(r"/(proc|sys)/", str(node.value)):
            yield node.lineno, node.value
        elif isinstance(node, ast.Call):
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            if given.get("start_new_session") or given.get("creationflags"):
                yield node.lineno, "start_new_session"
            if opens_text(node, given):
                yield node.lineno, ast.unparse(node)


def opens_text(node, given):
    """Whether a call reads or writes text in the encoding of the machine."""
    if "encoding" in given:
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in ("read_text", "write_text"):
        return len(node.args) < (1 if name == "read_text" else 2)
    if name == "fdopen":
        return not (len(node.args) > 1 and "b" in ast.literal_eval(node.args[1]))
    if name == "open" and isinstance(node.func, ast.Attribute):
        mode = node.args[0] if node.args else given.get("mode")
        text = mode is None or (
            isinstance(mode, ast.Constant) and re.fullmatch(r"[rwxa+t]+", str(mode.value))
        )
        return bool(text)
    if name == "open":
        mode = node.args[1] if len(node.args) > 1 else given.get("mode")
        return mode is None or "b" not in ast.unparse(mode)
    text = ast.unparse(node.func).startswith("subprocess.") and "text" in given
    return text or name in ("TextIOWrapper", "NamedTemporaryFile")


@pytest.mark.parametrize(
    "text",
    [
        "import fcntl",
        "from resource import setrlimit",
        "from filelock import FileLock",
        "os.kill(1, 0)",
        "os.preadv(1, [], 0)",
        "os.name",
        "signal.SIGHUP",
        "open('/proc/meminfo', 'rb')",
        "path.read_text()",
        "path.write_text('a')",
        "path.open()",
        "path.open('w')",
        "open('a')",
        "os.fdopen(1, 'w')",
        "subprocess.run([], text=True)",
        "subprocess.Popen([], start_new_session=True)",
    ],
)
def test_a_breach_of_the_rule_is_found(text):
    assert list(breaches(ast.parse(text)))


@pytest.mark.parametrize(
    "text",
    [
        "signal.signal(signal.SIGTERM, stop)",
        "path.open('rb')",
        "path.read_text(encoding='utf-8')",
        "Workspace.open(run)",
        "os.fdopen(1, 'rb')",
    ],
)
def test_what_is_equal_on_all_systems_is_no_breach(text):
    assert not list(breaches(ast.parse(text)))


def test_only_one_package_knows_the_operating_system():
    found = [
        f"{path.relative_to(SOURCE)}:{line}: {text}"
        for path in sorted(SOURCE.rglob("*.py"))
        if OWNER not in path.parents
        for line, text in breaches(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found


def test_both_systems_have_the_same_functions():
    for name, function in vars(System).items():
        if inspect.isfunction(function) and not name.startswith("_"):
            for system in (Posix, Windows):
                assert inspect.signature(getattr(system, name)) == inspect.signature(function), name


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("digits", "digits"),
        (r"C:\photos\cats", r"C:\photos\cats"),
        (r"C:\my photos", r'"C:\my photos"'),
        ("C:\\my photos\\", r'"C:\my photos\\"'),
        ("age>40", '"age>40"'),
        ('say "hi"', '"say ""hi"""'),
        ("$(calc)", '"`$(calc)"'),
        ("1,2", '"1,2"'),
        ("", '""'),
    ],
)
def test_a_command_for_windows_is_quoted_as_its_programs_read_it(text, quoted):
    assert Windows().quote(text) == quoted


@given(st.text(st.sampled_from('a \\"`$(){};&|<>^,@%\u201c\u201d\u201e\n'), max_size=12))
def test_no_shell_of_windows_runs_a_part_of_a_quoted_word(word):
    quoted = Windows().quote(word)
    assert "\n" not in quoted
    if not quoted.startswith('"'):
        assert not set(quoted) & set(' "`$(){};&|<>^,@%')
        return
    outside = quoted.split('"')[::2]  # cmd: each mark begins or ends what is quoted
    assert not any(outside)
    rest = re.sub("`.", "", quoted[1:-1])  # PowerShell: what a backtick escapes is itself
    rest = rest.replace('""', "")  # and doubled marks are one
    assert not set(rest) & set('"$`\u201c\u201d\u201e')


def test_folders_of_the_user_can_be_set(monkeypatch, tmp_path):
    monkeypatch.setenv("ZATLAS_CACHE", str(tmp_path / "c"))
    monkeypatch.setenv("ZATLAS_STATE", str(tmp_path / "s"))
    assert (SYSTEM.cache_folder(), SYSTEM.state_folder()) == (tmp_path / "c", tmp_path / "s")
    monkeypatch.delenv("ZATLAS_CACHE")
    monkeypatch.delenv("ZATLAS_STATE")
    assert "zatlas" in SYSTEM.cache_folder().parts and "zatlas" in SYSTEM.state_folder().parts


def test_a_finished_process_is_not_alive():
    done = subprocess.Popen([sys.executable, "-c", ""])
    assert SYSTEM.is_alive(done.pid) and SYSTEM.is_alive(os.getpid())
    done.wait()
    assert not SYSTEM.is_alive(done.pid)
    assert not SYSTEM.is_alive((1 << 31) - 2)


def test_a_file_is_read_at_any_offset(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"\n\r\n\x1a0123")
    handle, buffer = SYSTEM.open_file(path, os.O_RDONLY), bytearray(4)
    try:
        assert SYSTEM.read_at(handle, memoryview(buffer), 4) == 4 and bytes(buffer) == b"0123"
        assert SYSTEM.read_at(handle, memoryview(buffer), 0) == 4 and bytes(buffer) == b"\n\r\n\x1a"
        assert SYSTEM.read_at(handle, memoryview(buffer), 6) == 2
    finally:
        os.close(handle)


def as_on_windows(*words):
    """Run Python with the calls of Windows, and without the modules that it lacks."""
    folders = [str(ROOT / "tests" / "portable"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        encoding="utf-8",
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
    )


EVERY_MODULE = """
import importlib, pkgutil, zatlas
names = [found.name for found in pkgutil.walk_packages(zatlas.__path__, "zatlas.")]
for name in names:
    if name not in ("zatlas.__main__", "zatlas.server.widget"):  # it runs; it needs an extra
        importlib.import_module(name)
print(len(names))
"""


@pytest.mark.slow
@pytest.mark.posix
def test_every_module_is_imported_without_what_windows_lacks():
    done = as_on_windows("-c", EVERY_MODULE)
    assert done.returncode == 0 and int(done.stdout) > 300, done.stderr
    assert as_on_windows("-c", "__name__ = 'zatlas'\nimport fcntl").returncode


PORTABLE = ["test_store.py", "test_files.py", "test_npz.py", "test_core.py", "test_integrity.py"]


@pytest.mark.nightly
@pytest.mark.posix
def test_the_store_works_with_the_calls_of_windows():
    done = as_on_windows("-m", "pytest", "-n", "0", *(f"tests/{name}" for name in PORTABLE))
    assert done.returncode == 0, done.stdout
