# Two stages on one base: the first has what compiles better-sqlite3 and node-pty, the second only what runs.
# Any Debian-like image with Node 20.19 or later will do: docker build --build-arg BASE=my/node:24 .
ARG BASE=node:24-bookworm-slim
FROM ${BASE} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 make g++ ca-certificates \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY package.json package-lock.json .npmrc tsconfig.json ./
COPY agent ./agent
COPY test/support ./test/support
RUN npm ci && npm prune --omit=dev --ignore-scripts

FROM ${BASE}
ENV NODE_ENV=production
WORKDIR /opt/holdpoint
COPY --from=build /src/package.json ./
COPY --from=build /src/node_modules ./node_modules
COPY --from=build /src/dist ./dist
COPY policy ./policy
COPY test/fixtures/gitlab ./test/fixtures/gitlab
COPY LICENSE README.md CHANGELOG.md ./
RUN useradd --system --uid 8093 --home-dir /var/lib/holdpoint --no-create-home --shell /usr/sbin/nologin holdpoint \
 && install -d -o holdpoint -g holdpoint -m 0700 /var/lib/holdpoint \
 && ln -s /opt/holdpoint/dist/agent/src/main.js /usr/local/bin/holdpoint
USER holdpoint
VOLUME /var/lib/holdpoint
EXPOSE 8093 8094
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD node -e "fetch('http://127.0.0.1:8094/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"
ENTRYPOINT ["holdpoint"]
CMD ["agent", "--config", "/etc/holdpoint/agent.yml"]
