# The commands for a newcomer. `make help` lists them.
# One target folder outside the clone, so that a second clone is quick.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/tilefn-target
export CARGO_TERM_COLOR ?= auto
# rustup's folder: a shell that was opened before rustup was installed doesn't have it.
export PATH := $(PATH):$(HOME)/.cargo/bin
TILEFN = $(CARGO_TARGET_DIR)/release/tilefn

.DEFAULT_GOAL := help
.PHONY: help demo test bench build install python dist

help: ## Show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

build: ## Build the program
	@scripts/setup.sh run
	cargo build --release --locked --package tilefn

install: ## Build it and put it where cargo puts programs (~/.cargo/bin)
	@scripts/setup.sh run
	cargo install --locked --path host/cli

demo: build ## Run four examples on real scenes; rasters, pictures and a report in demo/
	@scripts/demo.sh $(TILEFN)

python: build ## Build Python's package and install it with pip, for jobs and functions from Python
	PYO3_BUILD_EXTENSION_MODULE=1 cargo build --release --locked --package tilefn --package tilefn-python-api
	cp $(CARGO_TARGET_DIR)/release/libtilefn_python_api.so guest-sdk/python/tilefn/_tilefn.abi3.so
	install -D $(TILEFN) guest-sdk/python/tilefn/_inside/bin/tilefn
	python3 -m pip install ./guest-sdk/python

dist: ## Build what is published, with GDAL inside: a tarball and a wheel, in dist/
	@scripts/setup.sh run
	@scripts/dist.sh

test: ## Everything that CI runs
	@scripts/setup.sh test
	@scripts/test.sh

bench: build ## Measure against native code, RIOS, gdal_calc and rasterio; writes docs/performance.md
	@scripts/setup.sh test
	bench/run.py --tilefn $(TILEFN)
