# The few commands a contributor needs. ARGS is passed on: `make bench ARGS="--orders 100000"`.

ARGS ?=
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench mutants

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## settle a mix of orders in a temporary folder, then audit them
	cargo run --release --locked -- demo $(ARGS)

test: ## all tests, against throw-away Postgres and Redis servers
	scripts/with-servers cargo test --workspace --locked $(ARGS)

lint: ## formatting, clippy, rustdoc; licences and advisories if cargo-deny is installed
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	@if command -v cargo-deny >/dev/null; then \
		echo cargo deny check; cargo deny check; \
	else \
		echo "lint: cargo-deny is not installed, so licences and advisories were not checked."; \
	fi

bench: ## measure settled orders per second on a throw-away Postgres
	scripts/with-servers cargo run --release --locked -p holdfast-bench -- $(ARGS)

mutants: ## break the engine line by line and see that its tests notice (needs cargo-mutants)
	cargo mutants -p holdfast-saga $(ARGS)
