import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import type { CoveredFile, FilesRead } from '../../domain/covered-files.ts';
import type { Repository, RepositoryQuestion } from '../../ports/repository.ts';
import { type Content, contentsOf } from './contents.ts';
import { meantEntries, type TreeEntry } from './listing.ts';
import { GitFailed, type GitPlace, git, NO_LIMITS } from './process.ts';
import { Unreadable } from './unreadable.ts';

/** A runner's poll waits for it. */
const READ_MS = 45_000;
/** Each is a process of git with a connection of its own. */
const MAX_AT_ONCE = 4;
/** A link's target is a path. */
const MAX_TARGET_BYTES = 4_096;
/** What the commit has never changes: jobs of one pipeline ask for the same. */
const MAX_KEPT = 20;

/** Where working folders are made; what an earlier process has left there is removed now. `timeoutMs`: other than 45 s in tests only. */
export function gitRepository({ folder, timeoutMs = READ_MS }: { folder: string; timeoutMs?: number }): Repository {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
  const kept = new Map<string, FilesRead>();
  const waiting: (() => void)[] = [];
  let running = 0;

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running >= MAX_AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  }

  return {
    read: (question) =>
      inTurn(async () => {
        const { url, commit, patterns } = question;
        const key = JSON.stringify([url, commit, patterns]);
        const known = kept.get(key);
        if (known !== undefined) return known;
        const found = await readOnce(folder, question, timeoutMs);
        if (!found.ok) return found;
        kept.set(key, found);
        const [oldest] = kept.keys();
        if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
        return found;
      }),
  };
}

async function readOnce(folder: string, question: RepositoryQuestion, timeoutMs: number): Promise<FilesRead> {
  const { url, commit } = question;
  if (!/^https?:\/\/[^\s@]+$/.test(url))
    return { ok: false, retry: false, reason: 'the job names no repository that is read over HTTP' };
  const limit = AbortSignal.timeout(timeoutMs);
  return answered(commit, limit, timeoutMs, async () => {
    const place = await mkdtemp(join(folder, 'read-'));
    try {
      return await filesIn(place, question, limit);
    } finally {
      await rm(place, { recursive: true, force: true, maxRetries: 3 });
    }
  });
}

/** What reading came to, in words where it came to nothing. */
export async function answered(
  commit: string,
  limit: AbortSignal,
  timeoutMs: number,
  read: () => Promise<readonly CoveredFile[]>,
): Promise<FilesRead> {
  const no = (reason: string, retry = false): FilesRead => ({ ok: false, retry, reason });
  if (!/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(commit)) return no('the job names no commit');
  try {
    return { ok: true, files: await read() };
  } catch (error) {
    if (error instanceof Unreadable) return no(error.message);
    if (limit.aborted) return no(`it took longer than ${timeoutMs / 1_000} seconds`, true);
    if (error instanceof GitFailed) return failed(error);
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason';
    return no(`this host cannot run git (${code})`, true);
  }
}

/** In our own words: what git says may repeat what a server sent. */
function failed({ code, said }: GitFailed): FilesRead {
  const no = (reason: string, retry: boolean): FilesRead => ({ ok: false, retry, reason });
  if (code === NO_LIMITS) return no('this host does not let git be limited', false);
  if (code === 127) return no('git is not installed on this host', false);
  if (/Authentication failed|returned error: 401|returned error: 403|could not read Username/.test(said))
    return no('the server does not let this job read the repository', false);
  if (/returned error: 404|not found/i.test(said)) return no('the server does not know the repository', false);
  if (/not our ref|couldn't find remote ref|upload-pack: not our|unadvertised object/.test(said))
    return no('the server does not give the commit', false);
  if (/returned error: 3\d\d|redirect/i.test(said))
    return no('the server redirects: no credential is sent there', false);
  if (/File size limit|Out of memory|memory exhausted|mmap failed/i.test(said)) return no('it is too large', false);
  return code === null ? no('it is too large', false) : no('git could not read the repository', true);
}

const FETCH = [
  ...['fetch', '--quiet', '--depth=1', '--filter=blob:none', '--no-tags', '--no-write-fetch-head'],
  ...['--no-recurse-submodules', '--no-auto-maintenance', '--stdin', 'origin'],
];

async function filesIn(
  folder: string,
  { url, username, password, ca, commit, patterns }: RepositoryQuestion,
  signal: AbortSignal,
): Promise<readonly CoveredFile[]> {
  const caFile = ca === null ? null : join(folder, 'ca.pem');
  if (caFile !== null && ca !== null) writeFileSync(caFile, [...rootCertificates, ca].join('\n'), { mode: 0o600 });
  const away: GitPlace = { folder: join(folder, 'git'), remote: { url, username, password, caFile } };
  const here: GitPlace = { ...away, remote: null };
  mkdirSync(here.folder, { mode: 0o700 });
  const format = commit.length === 64 ? 'sha256' : 'sha1';
  await git(here, ['init', '--quiet', '--bare', '--template=', `--object-format=${format}`, here.folder], { signal });
  await git(away, FETCH, { signal, input: `${commit}\n` });
  return meantFiles(here, commit, patterns, signal, (list) => git(away, FETCH, { signal, input: list }));
}

/** Files of a commit that is there; `fetch` gets the contents that are not, by a list of ids. */
export async function meantFiles(
  here: GitPlace,
  commit: string,
  patterns: readonly string[],
  signal: AbortSignal,
  fetch: (list: string) => Promise<void> = async () => {},
): Promise<readonly CoveredFile[]> {
  let entries: readonly TreeEntry[] = [];
  await git(here, ['ls-tree', '-r', '-z', '--full-tree', `${commit}^{tree}`], {
    signal,
    take: async (out) => {
      entries = await meantEntries(out, patterns);
    },
  });
  const objects = [...new Set(entries.flatMap(({ mode, object }) => (mode === '160000' ? [] : [object])))];
  let contents: ReadonlyMap<string, Content> = new Map();
  if (objects.length > 0) {
    const list = `${objects.join('\n')}\n`;
    await fetch(list);
    await git(here, ['cat-file', '--batch', '--buffer'], {
      signal,
      input: list,
      take: async (out) => {
        contents = await contentsOf(out, objects);
      },
    });
  }
  return entries.map((entry) => fileOf(entry, contents));
}

function fileOf({ mode, object, path }: TreeEntry, contents: ReadonlyMap<string, Content>): CoveredFile {
  if (mode === '160000') return { kind: 'submodule', path, commit: object };
  const content = contents.get(object);
  if (content === undefined) throw new Unreadable('the repository does not give the content of its files');
  const { sha256, bytes, text } = content;
  if (mode !== '120000') return { kind: 'file', path, executable: mode === '100755', sha256, bytes, text };
  if (text === null || bytes > MAX_TARGET_BYTES) throw new Unreadable(`the link ${JSON.stringify(path)} names no path`);
  return { kind: 'link', path, target: text };
}
