"""Everything that differs between operating systems. `SYSTEM` is the system that zatlas runs on."""

import os

from zatlas.core.system.base import System
from zatlas.core.system.posix import Posix
from zatlas.core.system.windows import Windows

__all__ = ["SYSTEM", "System"]

SYSTEM: System = Windows() if os.name == "nt" else Posix()
