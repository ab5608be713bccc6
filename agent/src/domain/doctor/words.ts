import { type Answer, type Said, skipped } from './finding.ts';
import type { Observation, RunnerEntryLook, Seen } from './observation.ts';

/** Answers with what was seen, or says why nothing was. */
export function given<T>(look: Seen<T>, say: (value: T) => Answer): Answer {
  return look.seen ? say(look.value) : [notSeen(look)];
}

export function notSeen(look: { readonly why: string; readonly mend: string | null }): Said {
  return skipped(look.why, look.mend);
}

/** Every entry of every config.toml that could be read. */
export function entriesOf(look: Observation): readonly RunnerEntryLook[] {
  return look.runnerFiles.seen ? look.runnerFiles.value.flatMap(({ entries }) => entries) : [];
}

/** Whether the jobs of an entry are to be gated: one that agent.yml does not know counts as protected. */
export function isGuarded(entry: Pick<RunnerEntryLook, 'runner'>, look: Pick<Observation, 'settings'>): boolean {
  if (!look.settings.ok) return true;
  return look.settings.value.runners.find(({ name }) => name === entry.runner)?.guarded ?? true;
}

/** An entry as people find it. */
export const entryText = ({ name, file }: RunnerEntryLook): string => `runner "${name}" in ${file}`;

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}

export function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::' || host === '[::]';
}

/** Host and port of an address; null for what is none. */
export function placeOf(
  url: string | null,
): { readonly scheme: string; readonly host: string; readonly port: number } | null {
  const match = /^(https?):\/\/(?:[^/@]*@)?(\[[0-9A-Fa-f:.]+\]|[^/:?#]+)(?::(\d{1,5}))?(?:[/?#]|$)/i.exec(url ?? '');
  if (match === null) return null;
  const scheme = match[1]!.toLowerCase();
  return { scheme, host: match[2]!.toLowerCase(), port: Number(match[3] ?? (scheme === 'https' ? 443 : 80)) };
}

/** An address without user info, as it may be shown. */
export function shownUrl(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//');
}

/** Whether two addresses are of one server. */
export function sameServer(one: string | null, other: string | null): boolean {
  const [a, b] = [placeOf(one), placeOf(other)];
  return a !== null && b !== null && a.host === b.host && a.port === b.port;
}

export const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0');

/** A user as people know it. */
export function userText(uid: number, look: Observation): string {
  const name = look.accounts.seen ? look.accounts.value.names[uid] : undefined;
  return name === undefined ? `uid ${uid}` : name;
}

export function sizeText(bytes: number): string {
  const gib = bytes / 1024 ** 3;
  return gib >= 1 ? `${gib.toFixed(1)} GiB` : `${Math.round(bytes / 1024 ** 2)} MiB`;
}

/** `a, b and 3 more`. */
export function listText(list: readonly string[], most = 5): string {
  return list.length <= most ? list.join(', ') : `${list.slice(0, most).join(', ')} and ${list.length - most} more`;
}

/** What gitlab-runner calls of a custom executor, as `holdpoint executor` calls its verbs. */
export const EXECUTOR_CALLS = ['config', 'prepare', 'run', 'cleanup'] as const;
