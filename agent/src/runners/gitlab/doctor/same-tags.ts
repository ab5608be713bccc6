import { z } from 'zod';
import {
  type OtherRunnerLook,
  type RunnerEntryLook,
  type SameTagsLook,
  type Seen,
  seen,
  unseen,
} from '../../../domain/doctor/observation.ts';
import { headerIn } from '../headers.ts';
import { createUpstream } from '../upstream.ts';

const CALL_MS = 10_000;
const MAX_BYTES = 4 * 1024 * 1024;
const PAGE = 100;
/** Of one list; more is said, and not read. */
const MAX_PAGES = 10;
/** Of one runner: the projects of a shared one can be thousands, and its twins show in the first. */
const MAX_PLACES = 20;
/** Runners whose tags are asked for one by one. */
const MAX_RUNNERS = 300;

const id = z.number().int().positive();
const listed = z.object({ id });
const detail = z.object({
  id,
  description: z.string().max(2_000).nullish(),
  tag_list: z.array(z.string().max(500)).max(1_000),
  run_untagged: z.boolean().nullish(),
  paused: z.boolean().nullish(),
  active: z.boolean().nullish(),
  projects: z.array(z.object({ id })).max(10_000).nullish(),
  groups: z.array(z.object({ id })).max(10_000).nullish(),
});

class Refused extends Error {}

/** Which other runners GitLab would give the jobs of the guarded ones, as far as the token may see. */
export async function lookAtSameTags(options: {
  readonly url: string;
  readonly ca?: string | undefined;
  readonly token: string | null;
  /** Entries of config.toml that are guarded here. */
  readonly guarded: readonly RunnerEntryLook[];
}): Promise<Seen<readonly SameTagsLook[]>> {
  const { token, guarded } = options;
  if (guarded.length === 0) return seen([]);
  if (token === null)
    return unseen(
      'which other runners take the same jobs is asked of GitLab, and there is no token for it',
      'give one with gitlab.token_file (scope read_api, of a maintainer of the projects)',
    );
  const ids = guarded.flatMap((entry) => (entry.id === null ? [] : [entry.id]));
  const [first] = guarded.filter((entry) => entry.id === null);
  if (ids.length === 0)
    return unseen(
      `runner "${first?.name}" has no id in its config.toml, so GitLab cannot be asked for its tags`,
      'add id = NUMBER (it stands on the page of the runner in GitLab) to its [[runners]]',
    );
  const upstream = createUpstream(options);
  const get = async <T extends z.ZodType>(path: string, schema: T): Promise<{ value: z.output<T>; more: boolean }> => {
    const answer = await upstream.call({
      method: 'GET',
      path: `/api/v4${path}`,
      headers: ['Authorization', `Bearer ${token}`, 'User-Agent', 'holdpoint', 'Accept', 'application/json'],
      timeoutMs: CALL_MS,
      totalMs: CALL_MS,
      maxBytes: MAX_BYTES,
    });
    if (answer.status !== 200) throw new Refused(`GitLab answered ${answer.status} to GET ${path.split('?')[0]}`);
    const read = schema.safeParse(JSON.parse(answer.body.toString('utf8')));
    if (!read.success) throw new Refused(`GitLab's answer to GET ${path.split('?')[0]} is not understood`);
    return { value: read.data, more: (headerIn(answer.headers, 'x-next-page') ?? '') !== '' };
  };
  const details = new Map<number, Promise<z.output<typeof detail> | null>>();
  const detailOf = (runner: number): Promise<z.output<typeof detail> | null> => {
    const known =
      details.get(runner) ??
      get(`/runners/${runner}`, detail).then(
        ({ value }) => value,
        (error) => {
          // Of one runner only: GitLab shows the tags of others' runners to nobody else.
          if (error instanceof Refused) return null;
          throw error;
        },
      );
    details.set(runner, known);
    return known;
  };
  const idsAt = async (place: string): Promise<readonly number[]> => {
    const found: number[] = [];
    for (let page = 1; page <= MAX_PAGES; page++) {
      const { value, more } = await get(`${place}/runners?per_page=${PAGE}&page=${page}`, z.array(listed).max(PAGE));
      found.push(...value.map((one) => one.id));
      if (!more) break;
    }
    return found;
  };
  try {
    const out: SameTagsLook[] = [];
    for (const entry of guarded) {
      if (entry.id === null) continue;
      const own = await detailOf(entry.id);
      if (own === null) throw new Refused(`GitLab does not show runner ${entry.id} to the token of gitlab.token_file`);
      const places = [
        ...(own.projects ?? []).map((project) => `/projects/${project.id}`),
        ...(own.groups ?? []).map((group) => `/groups/${group.id}`),
      ].slice(0, MAX_PLACES);
      // A runner of the whole instance has neither; then those that the owner of the token has are looked at.
      const lists = places.length > 0 ? places : [''];
      const twins = new Set<number>();
      for (const place of lists) for (const one of await idsAt(place)) twins.add(one);
      const others: OtherRunnerLook[] = [];
      let hidden = Math.max(0, twins.size - MAX_RUNNERS);
      for (const twin of [...twins].filter((one) => !ids.includes(one)).slice(0, MAX_RUNNERS)) {
        const found = await detailOf(twin);
        if (found === null) hidden += 1;
        else
          others.push({
            id: twin,
            description: (found.description ?? '').slice(0, 200),
            tags: found.tag_list,
            runUntagged: found.run_untagged === true,
            paused: found.paused === true || found.active === false,
          });
      }
      out.push({ runner: entry.name, tags: own.tag_list, runUntagged: own.run_untagged === true, others, hidden });
    }
    return seen(out);
  } catch (error) {
    // The message of an HTTP client may quote what was sent; ours may not.
    const why = error instanceof Refused ? error.message : 'GitLab did not answer';
    return unseen(
      `which other runners take the same jobs is not seen: ${why}`,
      'give gitlab.token_file a token of a maintainer of the projects (scope read_api)',
    );
  } finally {
    await upstream.close();
  }
}
