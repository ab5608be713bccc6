import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './root.ts';

/** Where the numbers of a run stand in the text of a job, all of the same width. */
const ID = '987000001';
const PIPELINE = '876000001';
const VARIANT = 'variant-000000';

// biome-ignore lint/suspicious/noExplicitAny: a payload is edited in ways that no type foresees
type Loose = Record<string, any>;

export function fixtureText(name: string): string {
  return readFileSync(join(ROOT, 'test/fixtures/gitlab', name), 'utf8');
}

/** A fixture that has grown to this many bytes, by lines of script and by variables as people write them. */
export function grown(name: string, bytes: number): Loose {
  const payload = JSON.parse(fixtureText(name)) as Loose;
  const script = payload.steps[0].script as string[];
  for (let n = 0; ; n++) {
    const missing = bytes - Buffer.byteLength(JSON.stringify(payload));
    if (missing <= 0) return payload;
    if (n % 4 === 3) {
      const value = `registry.example.com/team-${n}/service-${n}:2.${n}`;
      payload.variables.push({ key: `SERVICE_${n}_IMAGE`, value, public: true, masked: false });
    } else {
      const line = `./ci/run-step.sh --number ${n} --target "build/output-${n}" && echo "step ${n} is done"`;
      script.push(line.slice(0, Math.max(1, missing - 3)));
    }
  }
}

/** The text of a job of 20 KB without environment, cut where the numbers of a run go. */
export interface JobTemplate {
  render(id: number, pipeline: number, variant: number): string;
}

/** Project, person and job that all payloads of the template name. */
export const JOB = { project: 4243, user: { id: 9, username: 'zoe', name: 'Zoë Müller' } } as const;

/** Projects of the simulated agents, and the id of the first: agents of one project get each other's approvals in their snapshots. */
export const PROJECTS = 1_000;
export const PROJECTS_FROM = 50_000;

/** The job token of a job; its number can be read from it. */
export const jobToken = (id: number | string): string => `glcbt-64_bench${id}abcdef`;

export function jobTemplate(bytes: number): JobTemplate {
  const payload = grown('test-unit.run1.json', bytes - VARIANT.length - 10);
  payload.steps[0].script.push(`echo ${VARIANT}`);
  const { id, token, job_info: info } = payload;
  const pieces = JSON.stringify(payload)
    .replaceAll(token, jobToken(ID))
    .replaceAll(String(id), ID)
    .replaceAll(String(info.pipeline_id), PIPELINE)
    .split(new RegExp(`(${ID}|${PIPELINE}|${VARIANT})`));
  return {
    render(jobId, pipeline, variant) {
      const [a, b] = [String(jobId).padStart(9, '0'), String(pipeline).padStart(9, '0')];
      const c = `variant-${String(variant).padStart(6, '0')}`;
      let text = '';
      for (const piece of pieces) text += piece === ID ? a : piece === PIPELINE ? b : piece === VARIANT ? c : piece;
      return text;
    },
  };
}
