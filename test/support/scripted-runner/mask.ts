import type { RunnerJob } from './payload.ts';

/** Takes secrets out of a stream of bytes; what may be the beginning of one is kept until it is known. */
export interface Mask {
  push(chunk: Buffer): Buffer;
  end(): Buffer;
}

const MASK = '[MASKED]';
/** A token after its prefix is taken for one up to this length; nothing is held back for longer. */
const MAX_TOKEN = 4096;

/** Masks the values of masked variables, the job's token and everything that begins like a GitLab token. */
export function createMask(job: RunnerJob): Mask {
  // Bytes as latin1 characters: a secret in UTF-8 is found wherever a chunk ends.
  const bytes = (text: string) => Buffer.from(text).toString('latin1');
  const values = job.variables.filter((one) => one.masked && one.value !== '').map((one) => bytes(one.value));
  const secrets = [...new Set([...values, bytes(job.token)])].filter((one) => one !== '');
  secrets.sort((a, b) => b.length - a.length);
  const prefixes = job.features.token_mask_prefixes.filter((one) => one !== '');
  const begins = new Set([...secrets, ...prefixes].map((one) => one[0]));
  const tokenEnd = /[^0-9A-Za-z_.=-]|$/g;
  let rest = '';
  /** Masks from left to right; unless `last`, stops where the text may be the beginning of a secret, which is kept. */
  function masked(text: string, last: boolean): string {
    let out = '';
    let at = 0;
    rest = '';
    while (at < text.length) {
      if (!begins.has(text[at])) {
        out += text[at];
        at += 1;
        continue;
      }
      const left = text.length - at;
      const unfinished = (one: string) => one.length > left && one.startsWith(text.slice(at));
      const prefix = prefixes.find((one) => text.startsWith(one, at));
      tokenEnd.lastIndex = at + (prefix?.length ?? 0);
      const end = tokenEnd.exec(text)?.index ?? text.length;
      const openToken = prefix !== undefined && end === text.length && left <= MAX_TOKEN;
      if (!last && (openToken || secrets.some(unfinished) || prefixes.some(unfinished))) {
        rest = text.slice(at);
        return out;
      }
      const secret = secrets.find((one) => text.startsWith(one, at));
      if (secret !== undefined) {
        out += MASK;
        at += secret.length;
      } else if (prefix !== undefined && end > at + prefix.length) {
        out += `${prefix}${MASK}`;
        at = end;
      } else {
        out += text[at];
        at += 1;
      }
    }
    return out;
  }
  return {
    push: (chunk) => Buffer.from(masked(rest + chunk.toString('latin1'), false), 'latin1'),
    end: () => Buffer.from(masked(rest, true), 'latin1'),
  };
}
