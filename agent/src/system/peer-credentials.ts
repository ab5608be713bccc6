import type { Socket } from 'node:net';
import { HoldpointError } from '../domain/errors.ts';

/** Who is at the other end of a unix socket, as the kernel noted it when they connected. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** struct ucred: three ints. */
const UCRED_BYTES = 12;

/**
 * Asks the kernel who has connected: what no path, no mode and nothing that is sent can fake. Node has no call for it.
 * Throws `bad_config` where it cannot be asked: without it nobody would be let in, or everybody.
 */
export async function openPeerCredentials(): Promise<(socket: Socket) => PeerCredentials | null> {
  const unusable = (cause?: unknown) =>
    new HoldpointError(
      'bad_config',
      'receipts.socket needs the kernel to say who connects (SO_PEERCRED), which works on Linux with glibc or musl on x64 or arm64 only: take receipts.socket out, or run the agent there',
      { cause },
    );
  if (process.platform !== 'linux') throw unusable();
  type GetSockOpt = (fd: number, level: number, name: number, value: Buffer, length: Buffer) => number;
  let getsockopt: GetSockOpt;
  try {
    const { default: koffi } = await import('koffi');
    getsockopt = koffi.load(null).func('int getsockopt(int, int, int, void *, void *)') as unknown as GetSockOpt;
  } catch (cause) {
    throw unusable(cause);
  }
  return (socket) => {
    // Not part of Node's interface: where it is missing, nobody is let in.
    const fd = (socket as unknown as { _handle?: { fd?: unknown } | null })._handle?.fd;
    if (typeof fd !== 'number' || fd < 0) return null;
    const value = Buffer.alloc(UCRED_BYTES);
    const length = Buffer.alloc(4);
    length.writeInt32LE(UCRED_BYTES);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, value, length) !== 0) return null;
    if (length.readInt32LE(0) !== UCRED_BYTES) return null;
    return { pid: value.readInt32LE(0), uid: value.readUInt32LE(4), gid: value.readUInt32LE(8) };
  };
}
