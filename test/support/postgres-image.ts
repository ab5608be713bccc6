import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Docker } from './docker.ts';

/** What compose.yaml relies on of the entry point of the official image, for Debian's PostgreSQL. */
const ENTRY = `#!/bin/bash
set -eu
if [ "$(id -u)" = 0 ]; then
  if [ -n "\${POSTGRES_PASSWORD_FILE:-}" ]; then
    export POSTGRES_PASSWORD="$(cat "$POSTGRES_PASSWORD_FILE")"
    unset POSTGRES_PASSWORD_FILE
  fi
  install -d -o postgres -m 0700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\\n' "$POSTGRES_PASSWORD") --auth-local=trust --auth-host=scram-sha-256
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  pg_ctl -w -o '-c listen_addresses=' start
  [ "$POSTGRES_DB" = postgres ] || createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
  pg_ctl -w -m fast stop
fi
exec "$@"
`;

const RECIPE = `FROM debian-postgres:test
COPY entry.sh /usr/local/bin/docker-entrypoint.sh
RUN chmod 0755 /usr/local/bin/docker-entrypoint.sh && install -d -o postgres /var/run/postgresql && ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/
ENV PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres", "-c", "listen_addresses=*"]
`;

/** Makes `postgres:test` of a Debian tree with PostgreSQL in it: nothing can be pulled where the tests run. */
export async function postgresImage(docker: Docker, tree: string, folder: string): Promise<string> {
  await docker.importTree(tree, 'debian-postgres:test');
  const context = join(folder, 'postgres');
  mkdirSync(context);
  writeFileSync(join(context, 'entry.sh'), ENTRY);
  writeFileSync(join(context, 'Dockerfile'), RECIPE);
  await docker.run('build', '--network=none', '-t', 'postgres:test', context);
  return 'postgres:test';
}
