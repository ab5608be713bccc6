import type { Settings } from './settings.ts';

/** Users and groups as they are named in the file: by name or by number. */
export interface NamedRights {
  readonly users: readonly string[];
  readonly groups: readonly string[];
}

/** Where receipts are asked for, and by whom. */
export interface ReceiptsConfig {
  readonly socket: string;
  readonly mode: number;
  readonly group: string | null;
  readonly spend: NamedRights;
  readonly check: NamedRights;
  readonly validMs: number;
}

const WORD = /^@?(\d{1,9}|[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?)$/;
/** A path is 108 bytes at most to the kernel, with the zero at its end. */
const MAX_SOCKET_BYTES = 107;

/** `receipts.*`; null where no socket is named. */
export function receiptsConfig(read: Settings): ReceiptsConfig | null {
  const { settings, text, path, number, problems } = read;
  const refuse = (key: string, message: string) => {
    const where = settings.get(key)?.where ?? settings.get('receipts.socket')?.where ?? '';
    problems.push({ where, path: key, message });
  };
  if (!settings.has('receipts.socket')) {
    const idle = [...settings.keys()].find((key) => key.startsWith('receipts.'));
    if (idle !== undefined) refuse(idle, 'means nothing without receipts.socket: set it, or take this out');
    return null;
  }
  const socket = path('receipts.socket');
  if (Buffer.byteLength(socket) > MAX_SOCKET_BYTES)
    refuse('receipts.socket', `the path of a socket has ${MAX_SOCKET_BYTES} bytes at most: wanted a shorter one`);
  const rights = (key: string): NamedRights => {
    const words = text(key).split(/\s+/).filter(Boolean);
    const wrong = words.find((word) => !WORD.test(word));
    if (wrong !== undefined)
      refuse(key, `"${wrong.slice(0, 64)}" is no name and no number: wanted words like root 998 @ci`);
    return {
      users: words.filter((word) => !word.startsWith('@')),
      groups: words.filter((word) => word.startsWith('@')).map((word) => word.slice(1)),
    };
  };
  const spend = rights('receipts.users');
  if (spend.users.length + spend.groups.length === 0)
    refuse('receipts.users', 'names nobody, so that no job would ever run: wanted the user of the executor');
  const group = settings.has('receipts.group') ? text('receipts.group') : null;
  if (group !== null && !WORD.test(`@${group.replace(/^@/, '')}`))
    refuse('receipts.group', 'wanted a name or a number');
  return {
    socket,
    mode: Number.parseInt(text('receipts.mode'), 8),
    group,
    spend,
    check: settings.has('receipts.check_users') ? rights('receipts.check_users') : { users: [], groups: [] },
    validMs: number('receipts.valid'),
  };
}
