# Tasks of a developer; `just` lists them.

default:
    @just --list

# Check style, types, import layers and documents.
lint:
    ruff check .
    ruff format --check .
    mypy
    lint-imports
    pytest -n 0 tests/test_docs.py

# Fix style automatically.
fix:
    ruff check --fix .
    ruff format .

# Run the default tests: three minutes.
test:
    pytest

# Run the slow tests.
slow:
    pytest -m slow -n 2

# Run the default tests on Linux with the Windows implementations, and without what only POSIX has.
portable *words:
    PYTHONPATH="tests/portable:${PYTHONPATH:-}" pytest {{ words }}

torch := "--torch-backend cpu"  # for uv; `just torch= lowest` takes torch from the usual index

# Run the default tests with the oldest versions that pyproject.toml allows.
lowest *words:
    command -v uv > /dev/null || pip install -q uv
    uv venv -q --clear --python 3.11 .venv-lowest
    uv pip install -q --python .venv-lowest --resolution lowest-direct {{ torch }} -e '.[hub]'
    uv pip install -q --python .venv-lowest -e '.[dev]'
    .venv-lowest/bin/python -m pytest {{ words }}

# Find a wheel of every dependency, and of theirs, for each system and each Python.
wheels:
    #!/usr/bin/env bash
    set -euo pipefail
    list=$(mktemp)
    command -v uv > /dev/null || pip install -q uv
    for system in x86_64-unknown-linux-gnu x86_64-pc-windows-msvc aarch64-apple-darwin; do
        for python in 3.11 3.12 3.13 3.14; do
            MACOSX_DEPLOYMENT_TARGET=14.0 uv pip compile -q --only-binary :all: --no-header --no-annotate \
                --python-platform "$system" --python-version "$python" \
                --extra hub --extra sql --extra video pyproject.toml > "$list"
            echo "$system, Python $python: $(grep -c == "$list") wheels"
        done
    done

# Install third-party packages and test with them.
optional:
    pip install -c constraints.txt -r tests/optional/requirements.txt
    pytest -m optional -n 0 tests/optional

# Test, check and build the explorer's page.
web:
    npm --prefix web ci --no-audit --no-fund
    npm --prefix web test
    npm --prefix web run check
    npm --prefix web run build

# Test the built page in a real browser (apt-get install chromium).
browser:
    pytest -m browser -n 2 --dist loadfile tests/browser

# Kill a training a thousand times: for the night.
faults:
    python -m tests.faults kill 1000

# Open 500 hostile runs, exports and models, 2,000 damaged files, 700 checkpoints, 60 folders of any layout.
hostile:
    python -m tests.hostile all
    ZATLAS_CHECKPOINTS=700 pytest -n 0 -m slow tests/hostile/test_checkpoints.py
    ZATLAS_SHAPES=60 pytest -n 0 -m slow tests/test_ordinary_data.py -k any_shape

# Fuzz every parser, guided by coverage, two minutes each: for the night.
fuzz:
    pip install atheris
    python -m tests.fuzz all --seconds 120

# Repeat every measurement of docs/speed.md.
bench:
    python benchmarks/train_throughput.py
    python benchmarks/compiled.py
    python benchmarks/time_to_elbo.py
    python benchmarks/time_to_manifold.py
    python benchmarks/data.py
    python benchmarks/memory.py
    python benchmarks/encode.py
    python benchmarks/layouts.py
    python benchmarks/chart_inverse.py
    python benchmarks/sheet.py
    python benchmarks/film.py
    python benchmarks/decoders.py
    python benchmarks/explorer.py
    python benchmarks/metrics/frechet.py
    python benchmarks/startup.py
    python -m benchmarks.import_kinds
    python -m benchmarks.scale
    python -m benchmarks.scale.neighbours

# Measure training and decoding on a GPU, or on all GPUs of this machine.
bench-gpu:
    python benchmarks/gpu.py

# Measure directions on the shipped faces.
truth:
    python benchmarks/truth.py

# Measure likelihoods of MNIST and disentanglement: hours, for the night.
bench-metrics:
    python benchmarks/metrics/likelihood.py
    python benchmarks/metrics/disentangle.py
    python benchmarks/distance_roc.py
    python benchmarks/ae_against_vae.py

# Train ten broken runs, and print the finding and the suggestion for each.
broken-runs:
    python -m tests.broken_runs

# Compare candidates for the default settings.
bench-defaults:
    python benchmarks/defaults.py

# Generate pages, fixtures and the contract from the code, and build the documentation site.
docs: && site
    python -m tests.write_docs
    python -m tests.write_notebooks
    python -m tests.write_fixtures
    python -m tests.write_contract

# Train the GAN of the article about faces again: ten minutes.
articles:
    rm -rf examples/articles/faces_gan build/articles
    python examples/make_faces_gan.py build/articles/faces_gan
    mkdir -p examples/articles && mv build/articles/faces_gan examples/articles

# Build the documentation site into build/site; a broken link is an error.
site:
    sphinx-build -q -W -a --keep-going docs build/site

# Take the screenshots of the documents again.
screenshots:
    python -m tests.browser.write_pictures

# Measure how long short commands take to start, in processor seconds.
startup:
    python benchmarks/startup.py

# Run the longest tests.
longest:
    pytest -m nightly -n 2

# Run all that takes long or needs the network: for the night.
nightly: wheels startup slow longest portable lowest optional browser

# Build a release from the last commit and check it; with a version, write it into the files first.
release *version:
    pip install -q build twine cyclonedx-bom
    python tools/release.py {{version}}

# Pin the installed versions for the tests.
pin:
    pip freeze --exclude zatlas > constraints.txt
