"""`python -m zatlas` is `zatlas`."""

import sys

from zatlas.cli import main

sys.exit(main())
