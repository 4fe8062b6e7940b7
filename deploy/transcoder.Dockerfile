# The transcoder, with Debian's ffmpeg. The context is the root of the repository; BINARIES is as for the gatekeeper.
#
# No init process is needed: the transcoder handles signals as process 1, ffmpeg starts no processes of its own, and each
# ffmpeg is waited for.
ARG BASE=debian:bookworm-slim
ARG BINARIES=built

FROM scratch AS prebuilt
COPY target/release/transcoder /bin/transcoder

# rust-toolchain.toml chooses the version.
FROM --platform=${BUILDPLATFORM} rust:1-bookworm AS compiled
WORKDIR /src
COPY . .
ARG TARGETARCH
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    deploy/compile.sh transcoder "${TARGETARCH}" /out

FROM scratch AS built
COPY --from=compiled /out /bin

FROM ${BINARIES} AS binaries

FROM ${BASE}
# Debian's ffmpeg can also draw on screens. The drivers for that are loaded only then, and are half of the image.
RUN printf 'path-exclude=%s\n' '/usr/lib/*/dri/*' '/usr/lib/*/libLLVM*' '/usr/lib/*/libgallium*' '/usr/lib/*/libz3*' \
        '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/icons/*' '/usr/share/locale/*' \
        >/etc/dpkg/dpkg.cfg.d/no-screen \
    && apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates ffmpeg \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* \
    && ffmpeg -hide_banner -loglevel error -f lavfi -i testsrc2=d=1 -c:v libx264 -f flv -y /dev/null
COPY --from=binaries /bin/transcoder /usr/local/bin/transcoder
USER 65532:65532
EXPOSE 50051 9100
ENTRYPOINT ["/usr/local/bin/transcoder"]
ARG VERSION=
ARG REVISION=
LABEL org.opencontainers.image.title="mqtt-video transcoder" \
      org.opencontainers.image.description="Runs one ffmpeg for each stream and publishes fragmented MP4 to the broker" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
