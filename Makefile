# What "built", "checked" and "running" mean. Continuous integration calls `make test` and `make test-cluster`.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build images player demo test lint rust-lint player-lint browser-lint bench-lint rules-lint rust-test player-test browser-test test-chart test-cluster bench clean

INSTALL := deploy/local/install.sh
PLAYER := services/player
BROWSER := tests/browser
BENCH := tests/bench
# A sources file for `make demo`; without one the demo brings its own cameras.
SOURCES ?=
# Parts of `make bench`, with commas between; without any, all. And a report to compare with.
PART ?=
COMPARE ?=

help: ## Say what there is to make
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Release binaries in target/release and the player in services/player/dist
	@$(INSTALL) build
	cargo build --locked --release --package gatekeeper --package transcoder --package mqtt-video-cli
	$(MAKE) --no-print-directory player

images: ## Container images of both services, by docker, podman or buildah; deploy/images.sh tells how to name them
	@deploy/images.sh

demo: ## Cameras, broker and services on this machine, until Ctrl-C; SOURCES=my.yaml for your own cameras
	@$(INSTALL) demo
	@$(MAKE) --no-print-directory build
	@exec setpriv --pdeathsig TERM deploy/local/demo.sh $(SOURCES)

test: ## Install what is missing, then check everything
	@$(INSTALL) test
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory player-test
	$(MAKE) --no-print-directory rust-test
	$(MAKE) --no-print-directory browser-test

lint: rust-lint player-lint browser-lint bench-lint rules-lint ## Formatting, lints, types, licences, alert rules

rust-lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --features gatekeeper/cluster-tests -- -D warnings
	cargo deny --locked check licenses bans sources

player-lint: $(PLAYER)/node_modules/.package-lock.json
	cd $(PLAYER) && npm run lint && npm run typecheck

browser-lint: $(BROWSER)/node_modules/.package-lock.json
	cd $(BROWSER) && npm run typecheck

bench-lint: $(BENCH)/node_modules/.package-lock.json $(BROWSER)/node_modules/.package-lock.json
	cd $(BENCH) && npm run typecheck

rules-lint:
	helm/rules.sh
	helm/dashboards.mjs --check

# The end-to-end tests start the services as a user would: the binaries and the player's page.
rust-test: player ## cargo test: units, properties and the end-to-end binary
	cargo build --locked --workspace --bins
	cargo test --locked --workspace

player-test: $(PLAYER)/node_modules/.package-lock.json ## Vitest
	cd $(PLAYER) && npm test

browser-test: player $(BROWSER)/node_modules/.package-lock.json ## Chromium against the real parts
	cargo build --locked --workspace --bins
	cd $(BROWSER) && npm test

# With KUBECONFIG it runs on that cluster, which has to find the images by itself; helm and kubectl are then the caller's.
test-cluster: ## The chart on a real Kubernetes, which it brings up in namespaces of this machine and removes; or on that of KUBECONFIG
	@$(INSTALL) cluster
	$(MAKE) --no-print-directory build $(BROWSER)/node_modules/.package-lock.json
	@deploy/cluster/test.sh

bench: player $(BENCH)/node_modules/.package-lock.json $(BROWSER)/node_modules/.package-lock.json ## How fast it is, beside yardsticks; PART=latency for a part, COMPARE=REPORT.json for what changed
	@$(INSTALL) test
	cargo build --locked --release --workspace --bins
	cd $(BENCH) && npm run --silent bench -- $(if $(PART),--part $(PART)) $(if $(COMPARE),--compare $(abspath $(COMPARE)))

test-chart: ## The Helm chart: lint, what it renders, what it refuses; builds helm and helm-unittest where they are missing
	@helm/test.sh

player: $(PLAYER)/node_modules/.package-lock.json
	cd $(PLAYER) && npm run build

# npm writes this file last, so that its time says whether an install is complete and current.
%/node_modules/.package-lock.json: %/package.json %/package-lock.json
	cd $* && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund
	@touch $@

clean: ## Remove what was built
	cargo clean
	rm -rf $(PLAYER)/dist $(PLAYER)/node_modules $(BROWSER)/node_modules $(BROWSER)/test-results $(BENCH)/node_modules $(BENCH)/results
