# Two stages on one base: the first unpacks what `npm run package` built, the second has that and nothing else. So the image runs the very
# files of the Debian package, its own Node included. Any base with glibc 2.34 or later and libstdc++ will do, such as Debian 12:
#   npm run package && docker build --build-arg BASE=my/debian:12 -t holdpoint .
# It has no git, which is needed where a policy has covered_files alone: a base that has it brings it.
ARG BASE=debian:bookworm-slim
FROM ${BASE} AS unpacked
COPY packages/*.deb /tmp/
RUN dpkg-deb --extract /tmp/*.deb /unpacked

FROM ${BASE}
COPY --from=unpacked /unpacked/usr/lib/holdpoint /usr/lib/holdpoint
COPY --from=unpacked /unpacked/usr/bin/holdpoint /usr/bin/holdpoint
COPY --from=unpacked /unpacked/usr/share/doc/holdpoint/copyright /unpacked/usr/share/doc/holdpoint/sbom.cdx.json /usr/share/doc/holdpoint/
# By number, without a shell: a volume keeps its owner whatever names the base has.
RUN printf 'holdpoint:x:8093:8093::/var/lib/holdpoint:/usr/sbin/nologin\n' >>/etc/passwd \
 && printf 'holdpoint:x:8093:\n' >>/etc/group \
 && install -d -o 8093 -g 8093 -m 0700 /var/lib/holdpoint \
 && install -d -m 0755 /etc/holdpoint
# Agent or hub: each container has one volume.
ENV NODE_ENV=production HOLDPOINT_STATE_DIR=/var/lib/holdpoint
USER 8093:8093
# The one place that is written to: the rest may be read-only (docker run --read-only).
VOLUME /var/lib/holdpoint
EXPOSE 8093 8094
# Ready, and not only there: asks where the hub listens unless told otherwise.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
  CMD ["/usr/lib/holdpoint/bin/node", "-e", "fetch(process.env.HEALTH_URL ?? 'http://127.0.0.1:8094/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["holdpoint"]
CMD ["agent", "--config", "/etc/holdpoint/agent.yml"]
