"""Read a pickle as data: what it would create is recorded, and nothing of it is created or called.

A pickle is a program for a machine with a stack. This machine only moves values: a class or function is
its name, and a call is a `Recorded` with that name and the arguments.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from mmap import mmap
from typing import IO, Any, cast

MAX_OPERATIONS = 2_000_000  # of a file; a StyleGAN has about 20,000
MAX_NAME = 300  # characters of a name


class BadPickle(Exception):
    """The pickle is damaged, or uses an operation that networks do not need. It has the end of a sentence."""


@dataclass(frozen=True)
class Name:
    """A class or function that the pickle names."""

    text: str  # package.module.name


@dataclass
class Recorded:
    """An object that the pickle would create: what it would call, and what it would put into the result."""

    name: str
    args: Any
    state: Any = None
    items: dict[str, Any] = field(default_factory=dict)


def content_of(file: IO[bytes] | mmap) -> Any:
    """Return the content of a pickle as plain values, `Name` and `Recorded`; `BadPickle` if it has none."""
    machine = _Machine()
    try:
        for number, (operation, argument, _) in enumerate(pickletools.genops(cast(Any, file))):
            if number > MAX_OPERATIONS:
                raise BadPickle(f"has more than {MAX_OPERATIONS:,} operations, which no network needs.")
            machine.run(operation.name, argument)
        return machine.pop()
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        text = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise BadPickle(f"is no complete pickle: {text.rstrip('.')}. Download it again.") from error


class _Machine:
    """The stack, the positions of its marks, and the memo of a pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, name: str, argument: Any) -> None:
        """Execute one operation."""
        if name in IGNORED:
            return
        if name in CONSTANTS:
            self.stack.append(CONSTANTS[name]())
        elif name in LITERALS:
            self.stack.append(argument)
        elif name in METHODS:
            METHODS[name](self, argument)
        else:
            raise BadPickle(f"uses the pickle operation {name}, which no network needs.")

    def pop(self) -> Any:
        """Remove the last value; `IndexError` if there is none since the last mark."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise IndexError("its stack is empty")
        return self.stack.pop()

    def since_mark(self) -> list[Any]:
        """Remove the values since the last mark, and the mark."""
        mark = self.marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values

    def mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def drop_marked(self, _: Any) -> None:
        self.since_mark()

    def duplicate(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def remember(self, index: Any) -> None:
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def recall(self, index: Any) -> None:
        self.stack.append(self.memo[index])

    def name(self, argument: Any) -> None:
        """Push a name, from the argument or from the stack."""
        if argument is None:
            last, first = self.pop(), self.pop()
            argument = f"{first}.{last}" if isinstance(first, str) and isinstance(last, str) else None
        if not isinstance(argument, str) or len(argument) > MAX_NAME:
            raise TypeError("a name is no text, or too long")
        self.stack.append(Name(argument.replace(" ", ".")))

    def call(self, args: Any) -> None:
        """Replace the name of a class or function by the record of its call."""
        name = self.pop()
        if not isinstance(name, Name):
            raise TypeError("it calls what is no class or function")
        self.stack.append(Recorded(name.text, args))

    def call_marked(self, argument: Any) -> None:
        """Record a call that has all parts after the mark (OBJ), or its name as the argument (INST)."""
        first, *args = self.since_mark() if argument is None else (Name(argument), *self.since_mark())
        self.stack.append(first)
        self.call(tuple(args))

    def build(self, _: Any) -> None:
        state = self.pop()
        if isinstance(target := self.stack[-1], Recorded):
            target.state = state

    def extend(self, values: list[Any]) -> None:
        """Add values to the list at the end of the stack; other objects do not need them."""
        if isinstance(target := self.stack[-1], list):
            target.extend(values)

    def update(self, values: list[Any]) -> None:
        """Add pairs to the dictionary or object at the end of the stack; only keys of text are used."""
        target = self.stack[-1]
        items = target.items if isinstance(target, Recorded) else target
        if isinstance(items, dict):
            items.update(_pairs(values))


def _pairs(values: list[Any]) -> dict[str, Any]:
    pairs = zip(values[::2], values[1::2], strict=True)
    return {key: value for key, value in pairs if isinstance(key, str)}


def _push(make: Callable[[_Machine], Any]) -> Callable[[_Machine, Any], None]:
    """Return an operation that pushes what `make` takes from the machine."""
    return lambda machine, _: machine.stack.append(make(machine))


def _popped(count: int) -> Callable[[_Machine], tuple[Any, ...]]:
    return lambda machine: tuple([machine.pop() for _ in range(count)][::-1])


IGNORED = {"PROTO", "FRAME", "STOP"}
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": list,
}
LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
METHODS: dict[str, Callable[[_Machine, Any], Any]] = {
    "MARK": _Machine.mark,
    "POP": lambda machine, _: machine.pop(),
    "POP_MARK": _Machine.drop_marked,
    "DUP": _Machine.duplicate,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.remember),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.recall),
    "TUPLE": _push(lambda machine: tuple(machine.since_mark())),
    "TUPLE1": _push(_popped(1)),
    "TUPLE2": _push(_popped(2)),
    "TUPLE3": _push(_popped(3)),
    "LIST": _push(_Machine.since_mark),
    "FROZENSET": _push(_Machine.since_mark),
    "DICT": _push(lambda machine: _pairs(machine.since_mark())),
    "APPEND": lambda machine, _: machine.extend([machine.pop()]),
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "ADDITEMS": lambda machine, _: machine.extend(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.update(list(_popped(2)(machine))),
    "SETITEMS": lambda machine, _: machine.update(machine.since_mark()),
    **dict.fromkeys(("GLOBAL", "STACK_GLOBAL"), _Machine.name),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), lambda machine, _: machine.call(machine.pop())),
    "NEWOBJ_EX": lambda machine, _: machine.call(_popped(2)(machine)[0]),
    **dict.fromkeys(("INST", "OBJ"), _Machine.call_marked),
    "BUILD": _Machine.build,
}
