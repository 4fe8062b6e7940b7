# The gatekeeper, with the player's files. The context is the root of the repository.
#
# BINARIES=built compiles here, on the builder's own architecture whatever the target's. BINARIES=prebuilt takes what
# `make build` left in target/release and services/player/dist, for one's own architecture and without a registry.
ARG BASE=debian:bookworm-slim
ARG BINARIES=built

FROM scratch AS prebuilt
COPY target/release/gatekeeper /bin/gatekeeper
COPY services/player/dist /player

FROM --platform=${BUILDPLATFORM} node:20-bookworm-slim AS player
WORKDIR /src
COPY services/player/package.json services/player/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY services/player ./
RUN npm run build

# rust-toolchain.toml chooses the version.
FROM --platform=${BUILDPLATFORM} rust:1-bookworm AS compiled
WORKDIR /src
COPY . .
ARG TARGETARCH
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    deploy/compile.sh gatekeeper "${TARGETARCH}" /out

FROM scratch AS built
COPY --from=compiled /out /bin
COPY --from=player /src/dist /player

FROM ${BINARIES} AS binaries

FROM ${BASE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
COPY --from=binaries /bin/gatekeeper /usr/local/bin/gatekeeper
COPY --from=binaries /player /usr/share/mqtt-video/player
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/gatekeeper"]
ARG VERSION=
ARG REVISION=
LABEL org.opencontainers.image.title="mqtt-video gatekeeper" \
      org.opencontainers.image.description="Answers viewers, checks the allowlist, places streams on transcoders, and serves the player" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
