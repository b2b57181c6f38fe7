# The commands of this repository, for people and for CI. `make` lists them.
#
# A target builds every other tool that it needs besides Rust, Go and Python, pinned, in $XDG_CACHE_HOME/keyward. No target
# writes outside of target/ and that folder, except `generate`, which rewrites the generated files, and `fmt`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/keyward

cargo_deny_version := 0.20.2
cargo_deny := $(cache)/tools/cargo-deny-$(cargo_deny_version)/bin/cargo-deny
cargo_llvm_cov_version := 0.9.1
cargo_llvm_cov := $(cache)/tools/cargo-llvm-cov-$(cargo_llvm_cov_version)/bin/cargo-llvm-cov

# Tests of tests/it that check the generated files, the imports, and that each bound of a CRD has its rows. They need no servers.
golden := generated layering:: house:: each_rule_and_bound_has_a_row

# The test of which `make crowd` makes more.
crowd_test := faults::alone::silent_watches_another_crd_none_and_no_api_server

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Show the life of a key on a real API server, in about a minute (PROVIDER=aws, ciphertrust, huawei; KEEP=1 keeps it running)
	demo/run

.PHONY: test
test: control-plane ## Run all tests, on a real control plane, our KMS double and LocalStack
	tests/localstack/venv
	tests/huawei-sdk/venv
	tests/huawei-go-sdk/build
	tests/aws-go-sdk/build
	tests/answer-models/build
	tests/helm/build
	tests/prometheus-operator/crds
	@# Tests mostly wait: for a watch, a read, or the clock of the double. So more tests run at the same time than there are cores.
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-12} cargo test --locked

.PHONY: crowd
crowd: control-plane ## Delete 300 objects on each way there is on a real API server (CROWD says how many; make test does so with 50)
	@# A filter that matches nothing passes, so first check that it matches.
	@cargo test --quiet --locked --test it -- --list --exact $(crowd_test) | grep ': test$$' >/dev/null \
	    || { echo "make: tests/it has no test $(crowd_test)" >&2; exit 1; }
	CROWD=$(or $(CROWD),300) cargo test --locked --test it -- --exact $(crowd_test)

.PHONY: wire
wire: control-plane ## Let AWS's clients for Python, Go and JavaScript, and ACK's controller, lead keys through their lives on the double (needs Node.js)
	tests/localstack/venv
	tests/ack/build
	tests/aws-go-sdk/build
	tests/aws-js-sdk/build
	cargo test --locked --test it -- --include-ignored contract::clients:: ack_s_controller

.PHONY: contract
contract: ## Hold another server to what the double believes: ENDPOINT=http://…, localstack or moto, or ACCOUNT=… of AWS (asks first)
	ENDPOINT='$(ENDPOINT)' ACCOUNT='$(ACCOUNT)' tests/contract/run

.PHONY: check
check: $(cargo_deny) ## Check format, lints, docs, generated files, layers, licences and sources of dependencies, and fuzz for a minute
	cargo fmt --all --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps
	@# Some generated files are rendered from the chart.
	tests/helm/build
	@# A filter that matches nothing passes, so first check that each filter matches.
	@for part in $(golden); do \
	    cargo test --quiet --locked --test it -- --list $$part | grep ': test$$' >/dev/null \
	        || { echo "make: tests/it has no test in $$part" >&2; exit 1; }; \
	done
	cargo test --locked --test it -- $(golden)
	@# Advisories are not checked; deny.toml says why.
	$(cargo_deny) --locked check bans licenses sources
	@# Always the same seeds, so that no change fails for what it did not do. `make fuzz` alone begins anywhere.
	@$(MAKE) --no-print-directory fuzz FIRST=0

.PHONY: fuzz
fuzz: ## Try the parsers of what strangers write on mangled input (SECONDS=60 in all; TARGET and SEED repeat a failure)
	@# Each target has its share of the time. A filter that matches nothing passes, so the targets are counted first.
	@count=$$(cargo test --quiet --locked --lib -- --list '$(or $(TARGET),fuzz::)' | grep -c ': test$$' || true); \
	((count)) || { echo 'make: there is no fuzz target $(TARGET)' >&2; exit 1; }; \
	export FUZZ_MILLIS=$$(($(or $(SECONDS),60) * 1000 / count)) $(if $(SEED),FUZZ_SEED=$(SEED)) $(if $(FIRST),FUZZ_FIRST=$(FIRST)); \
	cargo test --quiet --locked --lib -- --nocapture --test-threads=1 '$(or $(TARGET),fuzz::)'

.PHONY: upgrade
upgrade: control-plane ## Upgrade a cluster of 200 objects from an older version, and show that no key changes (FROM=a tag or commit)
	@[[ -n '$(FROM)' ]] || { echo 'make: say which version to upgrade from, for example: make upgrade FROM=v0.1.0' >&2; exit 1; }
	rm -rf target/upgrade/source && mkdir -p target/upgrade/source
	git archive '$(FROM)' | tar -x -C target/upgrade/source
	cargo build --locked --manifest-path target/upgrade/source/Cargo.toml --target-dir target/upgrade/build --package keyward --bin keyward
	KEYWARD_OLDER=$$PWD/target/upgrade/build/debug/keyward cargo test --locked --test it -- --ignored --exact upgrade::a_new_version_changes_no_key

.PHONY: coverage
coverage: $(cargo_llvm_cov) $(if $(IT),control-plane) ## Tell how many lines the library's own tests reach; the pages are in target/coverage (IT=1: with the integration tests)
	@[[ -n $${LLVM_COV:-} || -x $$(rustc --print sysroot)/lib/rustlib/$$(rustc -vV | sed -n 's/^host: //p')/bin/llvm-cov ]] \
	    || { echo 'make: the compiler has no llvm-cov; run `rustup component add llvm-tools`, which downloads it from where the compiler is from' >&2; exit 1; }
	$(if $(IT),RUST_TEST_THREADS=$${RUST_TEST_THREADS:-4}) $(cargo_llvm_cov) llvm-cov test --no-report --locked --lib $(if $(IT),--test it)
	$(cargo_llvm_cov) llvm-cov report --html --output-dir target/coverage
	@$(cargo_llvm_cov) llvm-cov report --summary-only | awk '$$1 == "TOTAL" { print "coverage: " $$10 " of lines, " $$7 " of functions; target/coverage/html/index.html" }'

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: hooks
hooks: ## Check the format before each commit of this clone (undo: git config --unset core.hooksPath)
	git config core.hooksPath .githooks

.PHONY: clean
clean: ## Remove target/; the tools in $XDG_CACHE_HOME/keyward stay
	cargo clean

.PHONY: generate
generate: ## Write the generated files again (CRDs, RBAC, reference, chart, deploy/)
	tests/helm/build
	@# The first run writes what the chart is made of; the second renders the chart.
	UPDATE=1 cargo test --locked --test it -- generated
	UPDATE=1 cargo test --locked --test it -- generated

.PHONY: bench
bench: control-plane ## Measure calls, writes, time and memory at scale
	@# The answers of the double are checked in tests. Here the check would change the measurement.
	KMS_DOUBLE_MODELS= cargo bench --locked --bench scale

.PHONY: control-plane
control-plane: ## Find or build kube-apiserver, etcd, kube-controller-manager and kubectl
	tests/control-plane/build

# They are built without optimisation, because they run only for seconds and so install much faster.
install := CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 cargo install --locked

$(cargo_deny):
	$(install) cargo-deny --version $(cargo_deny_version) --no-default-features --root $(patsubst %/bin/cargo-deny,%,$@)

$(cargo_llvm_cov):
	$(install) cargo-llvm-cov --version $(cargo_llvm_cov_version) --root $(patsubst %/bin/cargo-llvm-cov,%,$@)
