# The commands of daily work. CI runs the same ones (.ci/run), so what passes here passes there.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
export PATH := $(CURDIR)/target/tools/bin:$(CURDIR)/target/venv/bin:$(PATH)

# Arguments for `make run`, for example ARGS="--redis-url redis://127.0.0.1:6379".
ARGS ?=
# What `make churn` does: so many clients, for so long, with decisions that CHURN_SEED repeats.
CHURN_CLIENTS ?= 300
CHURN_SECONDS ?= 60
# What `make recovery` does, one disaster after the other; RECOVERY_SEED repeats what clients decide.
RECOVERY_CLIENTS ?= 200
RECOVERY_SECONDS ?= 60
# How long `make longpoll` sends messages.
LONGPOLL_SECONDS ?= 60
# How many clients `make rolling` has.
ROLLING_CLIENTS ?= 2000
# Which operations `make bench-instructions` counts, by parts of their names; all by default.
BENCHES ?=
# How long `make fuzz` tries each target, in seconds.
FUZZ_SECONDS ?= 60

SCRIPTS = $(shell grep -rlIE '^\#!.*\b(bash|sh)$$' --exclude-dir=target --exclude-dir=node_modules --exclude-dir=.git .)
# The templates of the chart are no YAML before Helm has read them; what they make is checked by `make test-deploy`.
YAML = $(shell find . \( -name target -o -name node_modules -o -name .git -o -path ./helm/gateway/templates \) -prune \
	-o \( -name '*.yml' -o -name '*.yaml' \) -print)

.PHONY: help run test test-rust test-clients lint bench bench-presence fleet churn autobahn fuzz deps recovery longpoll donations chat gym screenshots rolling test-deploy image k8s performance model picture bench-instructions bench-accept

help:
	@echo 'make run             start the gateway for development; it prints the address of its page'
	@echo 'make donations, make chat, make gym: start an example; it prints the address of its page'
	@echo 'make test            install what the tests need, lint, and run every test'
	@echo 'make lint            all static checks'
	@echo 'make bench           measure, with the thresholds of docs/PERFORMANCE.md; instructions of single operations first'
	@echo 'make bench-instructions: those alone, BENCHES="wire fanout" some of them; make bench-accept: track the counts of now'
	@echo 'make performance     measure every row of the table in docs/PERFORMANCE.md beside its floor, six minutes'
	@echo 'make churn           $(CHURN_CLIENTS) clients come and go on three pods for $(CHURN_SECONDS) s while pods die; all must agree'
	@echo 'make recovery        $(RECOVERY_CLIENTS) clients are cut off again and again for $(RECOVERY_SECONDS) s; none may miss a message'
	@echo 'make longpoll        clients poll two pods in turn for $(LONGPOLL_SECONDS) s, while the pods die; none may miss a message'
	@echo 'make rolling         restart three pods behind HAProxy under $(ROLLING_CLIENTS) clients; nobody may notice'
	@echo 'make bench-presence  presence on pods that share a Redis, four minutes'
	@echo 'make fleet           ten pods, 100,000 connections with presence, held for five minutes under traffic'
	@echo 'make model           fleets of 2, 5 and 10 pods, and what they say about larger ones'
	@echo 'make screenshots     take the pictures of docs/images again'
	@echo 'make picture         the picture of the measurements in the README, from what make performance has left'
	@echo 'make autobahn        the Autobahn suite against the WebSocket codec (needs a Python 2.7)'
	@echo 'make fuzz            fuzz each target for FUZZ_SECONDS ($(FUZZ_SECONDS))'
	@echo 'make image           build the container image without a network, run it and test it (ten minutes the first time)'
	@echo 'make k8s             write the manifests in k8s/ afresh from the chart'
	@echo 'make deps            only install'

run:
	cargo run --release --locked --package gateway -- dev $(ARGS)

# An example with its page, on one pod; `gateway/examples/pods.sh chat` runs it on two.
donations chat gym:
	@test -d gateway/examples/node_modules || npm ci --prefix gateway/examples --no-audit --no-fund --loglevel=error
	cargo run --locked --package gateway --example $@

test: lint test-rust test-clients test-deploy

test-rust: deps
	cargo nextest run --workspace --locked
	cargo test --workspace --locked --doc

# Stock clients, as npm, PyPI and crates.io deliver them, and Chromium against the binaries that were built. The Rust
# client is a workspace of its own, for its dependencies are not fit for the product.
test-clients: deps
	cargo build --locked --package gateway --bins --examples
	cargo build --locked --quiet --manifest-path gateway/tests/clients/rust/Cargo.toml --target-dir target/clients-rust
	cd gateway/tests/clients && GATEWAY_BIN="$(CURDIR)/target/debug/gateway" npm --silent test

# Chart, manifests, rules, dashboard and image file; the gateway itself checks what they configure.
test-deploy: deps
	cargo build --locked --package gateway
	target/venv/bin/python -B -m pytest --quiet -p no:cacheprovider gateway/tests/deploy

lint: deps
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --quiet
	cargo machete
	cargo deny --log-level error check bans licenses sources
	.ci/advisories
	typos
	RUST_LOG=warn taplo fmt --check
	shellcheck $(SCRIPTS)
	hadolint Dockerfile
	$(if $(strip $(YAML)),yamllint --strict $(YAML))

bench: bench-instructions
	cargo build --release --locked --workspace
	loadtest/bench.sh

performance:
	cargo build --release --locked --workspace
	loadtest/performance.sh

# Each operation under callgrind, compared with gateway/benches/instructions.toml.
bench-instructions:
	@.ci/deps bench
	cargo bench --quiet --locked --package gateway --features bench --bench rooms -- $(BENCHES)

bench-accept:
	@.ci/deps bench
	cargo bench --quiet --locked --package gateway --features bench --bench rooms -- --accept

# `make test` runs it with fewer clients, for 8 s.
churn: deps
	cargo build --locked --package gateway
	cd gateway/tests/clients && \
		GATEWAY_BIN="$(CURDIR)/target/debug/gateway" CHURN_CLIENTS=$(CHURN_CLIENTS) CHURN_SECONDS=$(CHURN_SECONDS) \
		node --test --test-reporter=spec --test-timeout=$$((($(CHURN_SECONDS) + 120) * 1000)) churn.test.mjs

# `make test` runs it with fewer clients, for 10 s.
recovery: deps
	cargo build --locked --package gateway
	cd gateway/tests/clients && \
		GATEWAY_BIN="$(CURDIR)/target/debug/gateway" \
		RECOVERY_CLIENTS=$(RECOVERY_CLIENTS) RECOVERY_SECONDS=$(RECOVERY_SECONDS) \
		node --test --test-reporter=spec --test-timeout=$$((($(RECOVERY_SECONDS) + 30) * 6000)) recovery.test.mjs

# `make test` runs it for 8 and 10 s.
longpoll: deps
	cargo build --locked --package gateway
	cd gateway/tests/clients && \
		GATEWAY_BIN="$(CURDIR)/target/debug/gateway" LONGPOLL_SECONDS=$(LONGPOLL_SECONDS) \
		node --test --test-reporter=spec --test-timeout=$$((($(LONGPOLL_SECONDS) + 60) * 6000)) longpoll-pods.test.mjs longpoll-recovery.test.mjs

# `make test` runs it with 60 clients.
rolling: deps
	cargo build --locked --package gateway
	cd gateway/tests/clients && \
		GATEWAY_BIN="$(CURDIR)/target/debug/gateway" ROLLING_CLIENTS=$(ROLLING_CLIENTS) \
		node --test --test-reporter=spec --test-timeout=600000 rolling.test.mjs

bench-presence:
	cargo build --release --locked --workspace
	loadtest/presence.sh

fleet:
	cargo build --release --locked --workspace
	loadtest/fleet.sh

model:
	cargo build --release --locked --workspace
	loadtest/model.sh

screenshots: deps
	cargo build --locked --package gateway --bins --examples
	cd gateway/tests/clients && GATEWAY_BIN="$(CURDIR)/target/debug/gateway" node screenshots.mjs

picture: deps
	cd gateway/tests/clients && node screenshots.mjs report

autobahn:
	gateway/tests/autobahn/run.sh

fuzz:
	.ci/fuzz $(FUZZ_SECONDS)

image:
	.ci/image

k8s: deps
	target/venv/bin/python -B k8s/generate.py

deps:
	@.ci/deps
