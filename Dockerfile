# The image holds one file and the certificates of public authorities: no shell, no package manager, no user but one that
# may do nothing. `make image` builds its last stage from a binary that was built by the same script, runs it and tests it.

ARG BUILDER=docker.io/library/rust:1.95-bookworm
ARG RUNTIME=gcr.io/distroless/static-debian12:nonroot

# hadolint ignore=DL3006
FROM ${BUILDER} AS build
WORKDIR /src

# The dependencies are a layer of their own: it is built again only when a manifest or the lock file changes.
COPY Cargo.toml Cargo.lock ./
COPY .ci/build-static .ci/
COPY gateway/Cargo.toml gateway/
COPY loadtest/Cargo.toml loadtest/
RUN mkdir -p gateway/src loadtest/src \
    && echo 'fn main() {}' >gateway/src/main.rs \
    && echo 'fn main() {}' >loadtest/src/main.rs \
    && touch gateway/src/lib.rs \
    && .ci/build-static

COPY migrations migrations
COPY gateway gateway
# The placeholders are newer than the sources, so cargo would take what it built of them.
RUN find gateway/src -type f -exec touch {} + \
    && mkdir /image \
    && strip -o /image/gateway "$(.ci/build-static)"

# hadolint ignore=DL3006
FROM ${RUNTIME}
COPY --from=build /image/gateway /gateway
# Nobody, by number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 4000 4001
ENTRYPOINT ["/gateway"]
CMD ["serve", "--config", "/etc/gateway/config/gateway.toml"]
