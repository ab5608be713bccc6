import { HoldpointError } from '../domain/errors.ts';

/** What a socket that the service manager holds may be for. */
export type SocketName = 'gateway' | 'hub';

/** File descriptors of listening sockets that were open before this process, and stay so after it: a restart refuses nobody. */
export type PassedSockets = ReadonlyMap<SocketName, number>;

/** The first descriptor that is passed; 0 to 2 are the standard streams (sd_listen_fds(3)). */
const FIRST = 3;
/** Two are of use; a number beyond this is no list of ours. */
const MOST = 16;
const NAMES: readonly string[] = ['gateway', 'hub'] satisfies readonly SocketName[];

/**
 * The sockets that systemd passes to this very process, by the names its socket units give them. Throws `bad_config` for one that would
 * be left alone: whoever connects to it would wait for ever.
 */
export function passedSockets(env: Readonly<Record<string, string | undefined>>, pid: number): PassedSockets {
  // Variables of a parent: its descriptors are not ours.
  if (env.LISTEN_PID !== String(pid)) return new Map();
  const count = Number(env.LISTEN_FDS);
  if (!Number.isInteger(count) || count < 0 || count > MOST) {
    throw new HoldpointError('bad_config', `LISTEN_FDS has no number of sockets from 0 to ${MOST}: unset it`);
  }
  const names = (env.LISTEN_FDNAMES ?? '').split(':');
  const sockets = new Map<SocketName, number>();
  for (let index = 0; index < count; index++) {
    const name = names[index] ?? '';
    const refuse = (why: string) =>
      new HoldpointError(
        'bad_config',
        `systemd passes a socket called ${JSON.stringify(name)}: ${why}; see FileDescriptorName= in systemd.socket(5)`,
      );
    if (!NAMES.includes(name)) throw refuse(`wanted ${NAMES.join(' or ')}`);
    if (sockets.has(name as SocketName))
      throw refuse('one of that name is there already; give the unit one ListenStream=');
    sockets.set(name as SocketName, FIRST + index);
  }
  return sockets;
}

/** Where a server listens or is to listen. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

const LOOPBACK = ['127.0.0.1', '::1'];

/**
 * Throws `bad_config` when a passed socket listens elsewhere than the configuration says: whoever reads agent.yml would believe in an
 * address that is not so, and one that is open to the network must not be taken for loopback.
 */
export function requireSamePlace(key: string, wanted: Place, taken: Place): void {
  const same =
    taken.port === wanted.port &&
    (taken.host === wanted.host || (wanted.host === 'localhost' && LOOPBACK.includes(taken.host)));
  if (same) return;
  const text = ({ host, port }: Place) => `${host.includes(':') ? `[${host}]` : host}:${port}`;
  throw new HoldpointError(
    'bad_config',
    `the socket that systemd passes for ${key} listens on ${text(taken)}, but ${key} is ${text(wanted)}: change ListenStream= of the socket unit (systemctl edit --full) or ${key}`,
  );
}
