# The few commands a contributor needs. ARGS is passed on: `make bench ARGS="--orders 100000"`.

ARGS ?=
.DEFAULT_GOAL := help
.PHONY: help demo test nightly fuzz stack lint bench bench-run bench-growth bench-http bench-peers

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## settle a mix of orders in a temporary folder, then audit them
	cargo run --release --locked -- demo $(ARGS)

test: ## all tests, against throw-away Postgres and Redis servers
	scripts/with-servers scripts/run-tests $(ARGS)

nightly: ## the long form of a lane of tests: make nightly LANE=core (or mutants, fuzz)
	scripts/nightly $(LANE)

lint: ## formatting, clippy, rustdoc; licences, crate boundaries and advisories with cargo-deny
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	scripts/check-dependencies


bench: ## measure settled orders per second on a throw-away Postgres
	scripts/with-servers cargo run --release --locked -p holdfast-bench -- engine $(ARGS)

bench-run: ## play a scenario on a stack of processes: make bench-run ARGS="checkout-online --via http"
	cargo build --release --locked -p holdfast -p holdfast-bench
	scripts/with-servers target/release/holdfast-bench run $(or $(ARGS),--list)

bench-growth: ## checkouts beside more past orders, workers, lines and SKUs; what is measured already is skipped
	cargo build --release --locked -p holdfast -p holdfast-bench
	scripts/with-servers scripts/bench-growth $(ARGS)

bench-http: ## measure the API over HTTP: a crowd of buyers, checkouts a second, idle streams
	cargo build --release --locked -p holdfast -p holdfast-bench
	scripts/with-servers scripts/bench-http $(ARGS)

bench-peers: ## measure beside BullMQ, Graphile Worker, pg-boss, DBOS, Restate and hand-written SQL, alternately
	npm ci --prefix bench/peers --no-audit --no-fund
	cargo build --release --locked -p holdfast -p holdfast-bench
	scripts/with-servers $${CARGO_TARGET_DIR:-target}/release/holdfast-bench peers $(ARGS)

fuzz: ## make a client from the API's document, and ask the API all that it allows, for two minutes
	scripts/check-openapi
	scripts/fuzz-api $(ARGS)

stack: ## run the production stack's services as plain processes, and ask Prometheus all that its dashboard asks
	scripts/with-servers scripts/check-stack $(ARGS)
