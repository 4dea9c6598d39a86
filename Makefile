# The few commands a contributor needs. ARGS is passed on: `make bench ARGS="--orders 100000"`.

ARGS ?=
.DEFAULT_GOAL := help
.PHONY: help demo test chaos fuzz stack lint bench bench-run bench-growth bench-http bench-peers sqlx mutants

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## settle a mix of orders in a temporary folder, then audit them
	cargo run --release --locked -- demo $(ARGS)

test: ## all tests, against throw-away Postgres and Redis servers
	scripts/with-servers cargo test --workspace --locked --no-fail-fast $(ARGS)

chaos: ## 30,000 orders while everything that can be killed is killed: about ten minutes
	cargo build --locked -p holdfast --examples
	HOLDFAST_CHAOS_ORDERS=$${HOLDFAST_CHAOS_ORDERS:-30000} \
		scripts/with-servers cargo test --locked -p holdfast --test it chaos:: -- --nocapture $(ARGS)

lint: ## formatting, clippy, rustdoc; licences and advisories if cargo-deny is installed
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	@if command -v cargo-deny >/dev/null; then \
		cargo deny --locked check licenses bans sources || exit 1; \
		if cargo deny fetch db >/dev/null 2>&1; then cargo deny --locked check advisories; \
		else echo "lint: the advisory database cannot be reached, so advisories were not checked."; fi; \
	else \
		echo "lint: cargo-deny is not installed, so licences and advisories were not checked."; \
	fi

sqlx: ## write down the types of the Postgres queries again, after a change (needs cargo-sqlx and DATABASE_URL)
	cd store/postgres && cargo sqlx prepare

bench: ## measure settled orders per second on a throw-away Postgres
	scripts/with-servers cargo run --release --locked -p holdfast-bench -- engine $(ARGS)

bench-run: ## play a scenario on a stack of processes: make bench-run ARGS="checkout-online --via http"
	cargo build --release --locked -p holdfast -p holdfast-bench
	scripts/with-servers target/release/holdfast-bench run $(or $(ARGS),--list)

bench-growth: ## checkouts beside more past orders, workers, lines and SKUs; what is measured already is skipped
	cargo build --release --locked -p holdfast -p holdfast-bench
	scripts/with-servers scripts/bench-growth $(ARGS)

bench-http: ## measure the front door over HTTP: a crowd of buyers, checkouts a second, idle streams
	cargo build --release --locked -p holdfast -p holdfast-bench
	scripts/with-servers scripts/bench-http $(ARGS)

bench-peers: ## measure beside BullMQ, Graphile Worker, pg-boss, DBOS, Restate and hand-written SQL, alternately
	npm ci --prefix bench/peers --no-audit --no-fund
	cargo build --release --locked -p holdfast -p holdfast-bench
	scripts/with-servers $${CARGO_TARGET_DIR:-target}/release/holdfast-bench peers $(ARGS)

fuzz: ## ask the API all that its document allows, for two minutes
	scripts/fuzz-api $(ARGS)

stack: ## run the production stack's services as plain processes, and ask Prometheus all that its dashboard asks
	scripts/with-servers scripts/check-stack $(ARGS)

# Leaving with 3 means that some were noticed only because they ran for ever: that is noticed too. Sabotage
# tests the histories, not the engine, and is slow.
mutants: ## break the rules line by line and see that their tests notice (needs cargo-mutants)
	HOLDFAST_SIM_HISTORIES=300 cargo mutants -p holdfast-saga -f saga/src/engine/plan.rs -f saga/src/engine/apply.rs \
		-o target/mutants-saga $(ARGS) -- --lib --test it -- --skip sabotage || [ $$? -eq 3 ]
	cargo mutants -p holdfast-shared -f shared/src/order.rs -f shared/src/cart.rs -f shared/src/payment.rs \
		-f shared/src/reservation.rs -f shared/src/saga_state.rs \
		-o target/mutants-shared $(ARGS) -- --lib --test it || [ $$? -eq 3 ]
