# Plain cargo underneath: every line can be run by hand. `make demo ARGS="--json result.json"` passes options on.

CARGO ?= cargo
ARGS ?=

# Property tests draw from a fixed seed, so that a run can be repeated; unset it to search further.
export PROPTEST_RNG_SEED ?= 20

# `demo`: cargo puts what profile `bench` builds into target/release.
# `test`: the end-to-end tests start the binaries that lie beside them, so these come first, with the tests' own features.
# The atomics of tokio and others read `--cfg loom` too and stop building with it, hence a name of ours.
# `conformance`: the scenarios of integration/conformance are tests of both SDKs, so `test` plays them as well.

.PHONY: help demo test conformance bench scoreboard scoreboard-real incidents rig-gc lint gen

help: ## Lists the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

demo: ## Builds the sidecar and the demo, then runs the demo (ARGS are its options), and a Go act where Go is installed
	@echo "Building the sidecar and the demo (optimised; the first build takes some minutes)"
	$(CARGO) build --profile bench -p setpoint -p setpoint-integration --bins
	$(or $(CARGO_TARGET_DIR),target)/release/demo $(ARGS)
	integration/go/demo $(or $(CARGO_TARGET_DIR),target)/release

test: ## Runs every test: all crates, real processes, the manifests, the SDK's atomics under loom, the Go SDK
	integration/tests/deploy/prepare target/venv
	$(CARGO) build --workspace --bins --tests
	$(CARGO) test --workspace
	$(CARGO) test -p setpoint-sdk --features jemalloc --test jemalloc
	RUSTFLAGS="--cfg setpoint_loom" $(CARGO) test -p setpoint-sdk --lib --profile bench --target-dir target/loom loom
	SETPOINT_BINARY=$(abspath $(or $(CARGO_TARGET_DIR),target))/debug/setpoint client-sdk/go/each test

conformance: ## Plays the scenarios that all SDKs share against the Rust and the Go SDK
	$(CARGO) test -p setpoint-sdk --lib conformance
	client-sdk/go/each conformance

bench: ## Measures (ARGS are the options of all benches: --only GROUP, --json FILE)
	$(CARGO) build --profile bench -p setpoint --bins
	$(CARGO) bench -p setpoint-integration --bench "*" -- $(ARGS)

scoreboard: ## Simulates every concurrency law in every scenario and writes docs/scoreboard.md (ARGS are its options)
	@echo "Building the scoreboard (optimised; the first build takes some minutes)"
	$(CARGO) build --profile bench -p setpoint-integration --bin scoreboard
	$(or $(CARGO_TARGET_DIR),target)/release/scoreboard $(ARGS)

scoreboard-real: ## Plays scenarios on real processes, compares them with the simulator and writes docs/scoreboard-real.md (ARGS)
	@echo "Building the sidecar and the rig (optimised; the first build takes some minutes)"
	$(CARGO) build --profile bench -p setpoint -p setpoint-integration --bins
	$(or $(CARGO_TARGET_DIR),target)/release/scoreboard-real $(ARGS)

incidents: ## Plays two incidents of field reports on real processes, with and without, and writes docs/incidents.md (ARGS)
	@echo "Building the sidecar and the rig (optimised; the first build takes some minutes)"
	$(CARGO) build --profile bench -p setpoint -p setpoint-integration --bins
	$(or $(CARGO_TARGET_DIR),target)/release/incidents $(ARGS)

rig-gc: ## Runs Go services in memory cgroups under ours and others' GC tuners and writes docs/gc-results.md (ARGS; wants root and Go)
	@command -v go >/dev/null || { echo "NOT RUN: there is no Go on this machine" >&2; exit 1; }
	$(CARGO) build --profile bench -p setpoint --bins
	cd integration/go && go build -o $(abspath $(or $(CARGO_TARGET_DIR),target))/release/rig-gc .
	$(or $(CARGO_TARGET_DIR),target)/release/rig-gc $(ARGS)

lint: ## Format, clippy and vet, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	client-sdk/go/each lint

gen: ## Generates the bindings from the .proto files anew
	$(CARGO) run -p setpoint-codegen
	client-sdk/go/each gen
