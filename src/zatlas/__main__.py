"""`python -m zatlas` is `zatlas`."""

import sys

# Python puts the current folder first, where a downloaded run may lie with modules of its maker.
if not sys.flags.safe_path:
    del sys.path[0]

from zatlas.cli import main

sys.exit(main())
