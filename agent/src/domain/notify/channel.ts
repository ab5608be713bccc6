import type { ChannelKind } from './delivery.ts';

/** A channel as the operator defines it. Paths of secrets are read again at each use: they are rotated. */
export type ChannelConfig =
  | {
      readonly name: string;
      readonly kind: 'webhook';
      readonly url: string;
      /** Path of the file with the key that messages are signed with. */
      readonly secretFile: string;
      /** Path of the only authorities that are trusted there, PEM; null for the usual ones. */
      readonly ca: string | null;
    }
  | {
      readonly name: string;
      readonly kind: 'slack' | 'mattermost';
      /** Path of the file with the address: whoever knows it may write there. */
      readonly urlFile: string;
      readonly ca: string | null;
    }
  | {
      readonly name: string;
      readonly kind: 'email';
      readonly host: string;
      readonly port: number;
      /** `none` is taken on this machine only. */
      readonly security: 'starttls' | 'tls' | 'none';
      readonly from: string;
      readonly username: string | null;
      readonly passwordFile: string | null;
      readonly ca: string | null;
    }
  | { readonly name: string; readonly kind: 'gitlab' };

/** Kinds of channels by name. */
export function kindsOf(channels: readonly Pick<ChannelConfig, 'name' | 'kind'>[]): ReadonlyMap<string, ChannelKind> {
  return new Map(channels.map(({ name, kind }) => [name, kind]));
}
