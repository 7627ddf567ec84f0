# What one does with this repository; `just` lists it.

default:
    @just --list

# Style, types, floors and documents.
lint:
    ruff check .
    ruff format --check .
    mypy
    lint-imports
    pytest -n 0 tests/test_docs.py

# Mend what can be mended by itself.
fix:
    ruff check --fix .
    ruff format .

# The tests that take seconds, three minutes in all.
test:
    pytest

# The tests that take minutes.
slow:
    pytest -m slow -n 2

# With packages of other people, which are installed for it.
optional:
    pip install -c constraints.txt -r tests/optional/requirements.txt
    pytest -m optional -n 0 tests/optional

# The explorer's page: its own tests, its types, and the page itself.
web:
    npm --prefix web ci --no-audit --no-fund
    npm --prefix web test
    npm --prefix web run check
    npm --prefix web run build

# The explorer in a real browser, with the page as `just web` built it: apt-get install chromium.
browser:
    pytest -m browser -n 0 tests/browser

# The same a thousand times: for the night.
faults:
    python -m tests.faults kill 1000

# Five hundred hostile runs, exports and models, two thousand damaged files, sixty folders of any shape.
hostile:
    python -m tests.hostile all
    ZATLAS_SHAPES=60 pytest -n 0 -m slow tests/test_ordinary_data.py -k any_shape

# Every parser under a coverage-guided fuzzer, two minutes each: for the night.
fuzz:
    pip install atheris
    python -m tests.fuzz all --seconds 120

# Every claim of speed, each with the command that prints it.
bench:
    python benchmarks/train_throughput.py
    python benchmarks/time_to_elbo.py
    python benchmarks/time_to_manifold.py
    python benchmarks/data.py
    python benchmarks/memory.py
    python benchmarks/encode.py
    python benchmarks/layouts.py
    python benchmarks/chart_inverse.py
    python benchmarks/sheet.py
    python benchmarks/film.py
    python benchmarks/explorer.py
    python benchmarks/metrics/frechet.py
    python -m benchmarks.scale
    python -m benchmarks.scale.neighbours

# Whether directions do what they say, on the faces that come along.
truth:
    python benchmarks/truth.py

# How likely MNIST is by our recipes, and which score prefers which model: hours, for the night.
bench-score:
    python benchmarks/metrics/likelihood.py
    python benchmarks/metrics/disentangle.py

# Ten illnesses made on purpose, what is found of each, and its cure.
illnesses:
    python -m tests.broken_runs

# Which settings won the place of the defaults.
bench-defaults:
    python benchmarks/defaults.py

# Write the pages that are made from the code.
docs:
    python -m tests.write_docs
    python -m tests.write_fixtures
    python -m tests.write_contract

# Take the documents' pictures of the explorer anew.
pictures:
    python -m tests.browser.write_pictures

# Pin what is installed now as what is tested with.
pin:
    pip freeze --exclude zatlas > constraints.txt
