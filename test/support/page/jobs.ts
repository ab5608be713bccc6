import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scene } from '../scene.ts';
import { ROOT } from '../source-files.ts';

/** A variable as GitLab sends it. */
export interface SentVariable {
  readonly key: string;
  readonly value: string;
  readonly public: boolean;
  readonly masked: boolean;
}

/** What a test wants of a job; the rest is a deployment that Zoë pushed. */
export interface JobWish {
  readonly fixture?: string;
  readonly script?: readonly string[];
  readonly image?: string;
  readonly name?: string;
  readonly ref?: { readonly name: string; readonly protected: boolean };
  readonly variables?: readonly SentVariable[];
  readonly mutate?: (payload: Record<string, unknown>) => void;
  readonly options?: object;
}

/** The user who pushed. */
export const ZOE = { id: 9, username: 'zoe', name: 'Zoë Müller' };

const fixture = (name: string) => readFileSync(join(ROOT, 'test/fixtures/gitlab', `${name}.json`), 'utf8');

/** Enqueues a job for the protected runner; the answer is its id. */
export function enqueue(scene: Scene, wish: JobWish = {}): number {
  return scene.gitlab.enqueue(fixture(wish.fixture ?? 'deploy-production.run1'), {
    runner: scene.protectedToken,
    user: ZOE,
    ...wish.options,
    mutate: (payload: Record<string, unknown>) => {
      if (wish.script !== undefined) (payload.steps as { script: string[] }[])[0]!.script = [...wish.script];
      if (wish.image !== undefined) (payload.image as { name: string }).name = wish.image;
      if (wish.name !== undefined) (payload.job_info as { name: string }).name = wish.name;
      if (wish.variables !== undefined) (payload.variables as SentVariable[]).push(...wish.variables);
      wish.mutate?.(payload);
    },
  });
}

/** Waits until GitLab says that a job ended so. */
export const ended = (scene: Scene, id: number, status: string): Promise<unknown> =>
  scene.gitlab.until(`job ${id} ${status}`, () => scene.gitlab.job(id).status === status);
