# Two commands: `make demo` runs the main job on the embedded model, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := 2.13.0
DEMO := out/icons

.PHONY: demo test test-slow setup lint bench bench-peers lock clean

setup: $(VENV)/ready

# torch first and alone, from wherever pip is set up to take it; uv leaves an installed one as it is.
$(VENV)/ready: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9 torch==$(TORCH)
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	touch $@

demo: setup
	$(BIN)/burnish optimize icons -o $(DEMO)
	$(BIN)/burnish generate $(DEMO) "red apple, noto style" --seed 7 -o out/apple.png
	@echo "Look at $(DEMO)/evidence/report.html and out/apple.png"

test: setup lint
	$(BIN)/python -m pytest -m "not slow" -n auto --dist loadfile --no-loadscope-reorder

test-slow: setup
	$(BIN)/python -m pytest -m slow

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check src tests
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	test -f $(DEMO)/bundle.json || $(BIN)/burnish optimize icons -o $(DEMO)
	test -f $(DEMO)-faithful/bundle.json || $(BIN)/burnish optimize icons -o $(DEMO)-faithful --floor faithful
	test -f $(DEMO)-same-calls/bundle.json || $(BIN)/python -m benchmarks.same_calls
	$(BIN)/python -m benchmarks.stock
	$(BIN)/python -m benchmarks.parity
	$(BIN)/python -m benchmarks.unet_call
	$(BIN)/python -m benchmarks.unet_call --model icons
	$(BIN)/python -m benchmarks.sd15
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.search
	$(BIN)/python -m benchmarks.decoder
	$(BIN)/python -m benchmarks.simulation

# Peers, each in an environment of its own, in one run; PEERS gives options (docs/peers.md).
bench-peers: setup
	test -f $(DEMO)/bundle.json || $(BIN)/burnish optimize icons -o $(DEMO)
	$(BIN)/python -m benchmarks.peers $(PEERS)

# The newest versions that the extras admit, without torch's own accelerator packages.
lock:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv==0.13.9 torch==$(TORCH)
	.venv-lock/bin/uv pip install --quiet --python .venv-lock/bin/python '.[dev]' setuptools
	.venv-lock/bin/uv pip freeze --python .venv-lock/bin/python --exclude-editable \
		| grep -v -e '^burnish' -e '^uv==' -e '^pip==' | sed 's/^\(torch==[0-9.]*\).*/\1/' > requirements.lock
	rm -rf .venv-lock

clean:
	rm -rf out build dist $(VENV)
