# Everything that is run on this repository, by people and by CI alike. `make` lists it.
#
# Whatever a target needs besides Rust, Go and Python it makes itself, pinned, below $XDG_CACHE_HOME/keyward. No target
# writes outside target/ and that folder, but for `generate`, which rewrites the generated files.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/keyward

cargo_deny_version := 0.20.2
cargo_deny := $(cache)/tools/cargo-deny-$(cargo_deny_version)/bin/cargo-deny

# Modules of tests/it that compare generated files and imports with what is committed. They need no servers.
golden := generated layering::

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Show the life of a key on a real API server, in about a minute (PROVIDER=aws, ciphertrust, huawei; KEEP=1 leaves it running)
	demo/run

.PHONY: test
test: control-plane ## Run all tests, on a real control plane, our KMS double and LocalStack
	tests/localstack/venv
	tests/huawei-sdk/venv
	tests/huawei-go-sdk/build
	tests/answer-models/build
	@# Most of a test is waiting: for a watch, a look, a clock of the double. More of them run at once than there are cores.
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-6} cargo test --locked

.PHONY: check
check: $(cargo_deny) ## Check format, lints, docs, generated files, layers, licences and sources of dependencies
	cargo fmt --all --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps
	@# A filter that matches nothing passes, so each is asked first whether it matches.
	@for part in $(golden); do \
	    cargo test --quiet --locked --test it -- --list $$part | grep ': test$$' >/dev/null \
	        || { echo "make: tests/it has no test in $$part" >&2; exit 1; }; \
	done
	cargo test --locked --test it -- $(golden)
	@# Without advisories: deny.toml says why.
	$(cargo_deny) --locked check bans licenses sources

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: hooks
hooks: ## Check format before each commit of this clone (git config --unset core.hooksPath ends it)
	git config core.hooksPath .githooks

.PHONY: clean
clean: ## Remove target/; what is built once for all clones stays below $XDG_CACHE_HOME/keyward
	cargo clean

.PHONY: generate
generate: ## Write the generated files anew (CRDs, RBAC, reference)
	UPDATE=1 cargo test --locked --test it -- generated

.PHONY: bench
bench: control-plane ## Measure calls, writes, time and memory at scale
	@# Answers of the double are checked in tests; here that would be measured along.
	KMS_DOUBLE_MODELS= cargo bench --locked --bench scale

.PHONY: control-plane
control-plane: ## Find or build kube-apiserver, etcd, kube-controller-manager and kubectl
	tests/control-plane/build

# Built without optimisation: it runs for seconds, and so installs in a fraction of the time.
$(cargo_deny):
	CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
	    cargo install cargo-deny --locked --version $(cargo_deny_version) --no-default-features \
	    --root $(patsubst %/bin/cargo-deny,%,$@)
