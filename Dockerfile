# syntax=docker/dockerfile:1
# One image for all commands: migrate, api, worker, sandbox and the operator's.
#
#     docker build -t holdfast .
#     docker run --rm holdfast --help

# As rust-toolchain.toml pins it; that file stays outside, for it asks for lints that a build does not need.
ARG RUST_VERSION=1.95.0

FROM rust:${RUST_VERSION}-slim-trixie AS build
# The allocator is C, and builds itself with make.
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# Registry and target folder outlive a build: a change of ours compiles our own crates alone. What is kept there
# is no part of the image, so the binary is copied out.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --package holdfast && \
    install -D target/release/holdfast /out/holdfast
# The folder of the sandbox's ledger: a named volume takes its owner from here.
RUN install -d -o 10001 -g 10001 /out/ledger

FROM debian:trixie-slim
# Whom TLS believes. The slim image has none, and a package list is not worth a layer.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --chmod=755 scripts/healthy /usr/local/bin/healthy
COPY --from=build /out/holdfast /usr/local/bin/holdfast
COPY --from=build --chown=10001:10001 /out/ledger /var/lib/holdfast

# A container is a machine of its own: what listens on its loopback cannot be reached from outside.
ENV HOLDFAST_HTTP_ADDR=0.0.0.0:8080 \
    HOLDFAST_WORKER_ADDR=0.0.0.0:9090 \
    HOLDFAST_SANDBOX_ADDR=0.0.0.0:9091 \
    HOLDFAST_SANDBOX_LEDGER=/var/lib/holdfast/sandbox.db
EXPOSE 8080 9090 9091 9464
# By number, so that a cluster can tell that it is not root.
USER 10001:10001
WORKDIR /var/lib/holdfast

# One of the three is what this container serves. Whether it lives, not whether it can work: where the unhealthy
# are killed, a Redis that is away must not kill workers that go on without it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["healthy", "/healthz", "8080", "9090", "9091"]
# It stops by itself on SIGTERM, and has no children: it may be process 1.
STOPSIGNAL SIGTERM
ENTRYPOINT ["holdfast"]
CMD ["--help"]
