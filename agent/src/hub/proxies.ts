import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { HoldpointError } from '../domain/errors.ts';
import { isLoopback, plainAddress } from '../domain/token-use.ts';

/** Who is asking, as far as those in between can be believed. */
export interface Peers {
  /** True for a proxy that the operator trusts: what it says of whom it speaks for is believed (T24). */
  isTrusted(address: string): boolean;
  /** Address of whoever asks; null on a socket that has none. */
  addressOf(request: IncomingMessage): string | null;
  /** True when nobody on a network can read along: TLS here or at a trusted proxy, or the same machine. */
  isPrivate(request: IncomingMessage): boolean;
}

/** The refusal of an agent that talks in clear over a network. */
export function inClear(): HoldpointError {
  return new HoldpointError(
    'forbidden',
    'agents of other machines are served over TLS only: set tls.cert and tls.key, or name the proxy that has them in trusted_proxies',
  );
}

/** Longer chains of proxies are nobody's. */
const MAX_HOPS = 20;

/** Reads `X-Forwarded-For` and `X-Forwarded-Proto` of trusted proxies, and of nobody else: any client can send them. */
export function peersOf(trusted: readonly string[]): Peers {
  const list = new BlockList();
  for (const word of trusted) {
    const [address = '', bits] = word.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  const isTrusted = (address: string): boolean => {
    const plain = plainAddress(address);
    const version = isIP(plain);
    return version !== 0 && list.check(plain, version === 6 ? 'ipv6' : 'ipv4');
  };
  const socketAddress = (request: IncomingMessage): string | null =>
    request.socket.remoteAddress === undefined ? null : plainAddress(request.socket.remoteAddress);
  return {
    isTrusted,
    addressOf(request) {
      let address = socketAddress(request);
      const header = request.headers['x-forwarded-for'];
      const hops = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').map((hop) => hop.trim());
      for (let hop = 0; address !== null && isTrusted(address) && hop < MAX_HOPS; hop++) {
        const before = hops.pop();
        if (before === undefined || isIP(plainAddress(before)) === 0) break;
        address = plainAddress(before);
      }
      return address;
    },
    isPrivate(request) {
      if ('encrypted' in request.socket && request.socket.encrypted === true) return true;
      const address = socketAddress(request);
      if (address === null) return true;
      if (isTrusted(address)) return /^(https|wss)$/i.test(String(request.headers['x-forwarded-proto'] ?? ''));
      // A proxy on this machine that nobody named as one would make the whole network this machine.
      return isLoopback(address) && request.headers['x-forwarded-for'] === undefined;
    },
  };
}
