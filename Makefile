# Two commands: `make drill` runs the main job, `make test` runs every test.

export CARGO_TARGET_DIR ?= $(CURDIR)/target
export RELATCH_PEERS ?= $(HOME)/.cache/relatch-peers

.PHONY: drill test peers check soak fuzz

drill:
	@echo "building relatch (the first time takes some minutes)"
	cargo build --locked -p relatch
	"$(CARGO_TARGET_DIR)/debug/relatch" drill braintrust --yes --out drill-out

test: peers
	@echo "building and running every test"
	cargo test --locked --workspace

# Independent AWS emulators that the adapters are tested against.
peers:
	@python3 tests/peers.py

# Rotations under fire, simulated: N schedules, each a function of its seed.
N ?= 20000
SEED ?= 1
soak:
	cargo build --locked --release -p relatch-simulation
	"$(CARGO_TARGET_DIR)/release/relatch-soak" --schedules $(N) --seed-from $(SEED) --threads 2

# The readers of logs, rules and policies against mutated input, SECONDS long in all, mutated anew
# each time unless FUZZ_SEED is another number than 0.
SECONDS ?= 120
FUZZ_SEED ?= 0
fuzz:
	@SEED=$(FUZZ_SEED) bash fuzz/run $(SECONDS)

check:
	bash .ci/run
