import { readFileSync, writeFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { readSecretFile } from '../../config/secret-file.ts';
import { systemErrorWords } from '../../config/system-error.ts';
import { besideUsual } from '../../config/tls.ts';
import type { DeclaredJob } from '../../domain/declared-job.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { printable } from '../../domain/printable.ts';
import { type CheckedJobView, type CheckView, checkSchema } from '../../wire/check.ts';
import { codeQualityReport, detailLines, junitReport, type Located } from '../check-reports.ts';
import { connectHub, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import type { Io } from '../io.ts';
import type { YamlParts } from '../parts.ts';

interface Flags {
  readonly project?: string;
  readonly ref?: string;
  readonly unprotected?: boolean;
  readonly mergedYaml?: string;
  readonly gitlabUrl?: string;
  readonly gitlabCa?: string;
  readonly gitlabTokenFile?: string;
  readonly dryRun?: boolean;
  readonly runnerTags?: string[];
  readonly junit?: string;
  readonly codeQuality?: string;
  readonly exitZero?: boolean;
}

const DEFAULT_FILE = '.gitlab-ci.yml';

function readText(flag: string, written: string, io: Io): string {
  try {
    return readFileSync(resolve(io.cwd, written), 'utf8');
  } catch (error) {
    throw new HoldpointError('bad_input', `${flag}: cannot read "${written}": ${systemErrorWords(error)}`);
  }
}

function writeText(flag: string, written: string, text: string, io: Io): void {
  try {
    writeFileSync(resolve(io.cwd, written), text);
  } catch (error) {
    throw new HoldpointError('bad_input', `${flag}: cannot write "${written}": ${systemErrorWords(error)}`);
  }
}

/** The token for GitLab: from a file or the environment, never from a flag, which would stand in ps (T24). */
function gitlabToken(flags: Flags, io: Io): string {
  const file = flags.gitlabTokenFile ?? (io.env.HOLDPOINT_GITLAB_TOKEN_FILE || undefined);
  if (file !== undefined) {
    const reading = readSecretFile(resolve(io.cwd, file), file);
    if (reading.ok) return reading.value;
    throw new HoldpointError('bad_usage', `--gitlab-token-file: ${reading.message}`);
  }
  const token = io.env.HOLDPOINT_GITLAB_TOKEN || '';
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new HoldpointError(
    'bad_usage',
    'no token for GitLab: give one with scope api of somebody who is Developer in the project, with --gitlab-token-file or HOLDPOINT_GITLAB_TOKEN (a CI_JOB_TOKEN does not do), or the merged YAML with --merged-yaml',
  );
}

/** The ref that the pipeline will run for: of a merge request, what it is merged into. */
function refOf(flags: Flags, { env }: Io): string {
  const [said] = [
    flags.ref,
    env.CI_MERGE_REQUEST_TARGET_BRANCH_NAME,
    env.CI_COMMIT_TAG && `refs/tags/${env.CI_COMMIT_TAG}`,
    env.CI_COMMIT_BRANCH,
    env.CI_DEFAULT_BRANCH,
    'main',
  ].filter((each): each is string => each !== undefined && each !== '');
  return said!.startsWith('refs/') ? said! : `refs/heads/${said}`;
}

function required(text: string | undefined, flag: string, variable: string): string {
  if (text !== undefined && text !== '') return text;
  throw new HoldpointError('bad_usage', `${flag} is missing: outside a pipeline of GitLab there is no ${variable}`);
}

/** Jobs of the file as GitLab resolves it, or of the merged YAML that was given. */
async function jobsOf(
  file: string,
  flags: Flags,
  project: string,
  io: Io,
  parts: YamlParts,
): Promise<readonly DeclaredJob[]> {
  if (flags.mergedYaml !== undefined)
    return parts.jobs(readText('--merged-yaml', flags.mergedYaml, io), flags.mergedYaml, null);
  const { mergedYaml, jobs } = await parts.lint({
    url: required(flags.gitlabUrl ?? io.env.CI_SERVER_URL, '--gitlab-url', 'CI_SERVER_URL'),
    ca: flags.gitlabCa === undefined ? undefined : besideUsual(readText('--gitlab-ca', flags.gitlabCa, io)),
    token: gitlabToken(flags, io),
    project,
    content: readText('FILE', file, io),
    ref: refOf(flags, io).replace(/^refs\/(?:heads|tags)\//, ''),
    dryRun: flags.dryRun === true,
  });
  return parts.jobs(mergedYaml, 'the merged YAML of GitLab', jobs);
}

/** True when a protected runner would take a job with these tags; nobody said which tags they have: not known. */
function isTaken(job: DeclaredJob, runners: readonly string[] | undefined): boolean {
  return (runners ?? []).some((tags) => {
    const own = tags.split(',').map((tag) => tag.trim());
    return job.tags.length > 0 && job.tags.every((tag) => own.includes(tag));
  });
}

/** The job's own line, or that of the job which `parallel` makes it of. */
function lineOf(lines: ReadonlyMap<string, number>, name: string): number {
  return lines.get(name) ?? lines.get(name.replace(/(?:: \[.*\]| \d+\/\d+)$/, '')) ?? 1;
}

/** The hub takes 500 jobs and 2 MiB at once; variables that hold for all stand in each job. */
const MAX_PART_JOBS = 500;
const MAX_PART_CHARS = 500_000;

function* inParts(declared: readonly DeclaredJob[]): Generator<readonly object[]> {
  let part: object[] = [];
  let characters = 0;
  for (const { afterScript, ...rest } of declared) {
    const job = { ...rest, after_script: afterScript };
    const size = JSON.stringify(job).length;
    if (part.length > 0 && (part.length >= MAX_PART_JOBS || characters + size > MAX_PART_CHARS)) {
      yield part;
      [part, characters] = [[], 0];
    }
    part.push(job);
    characters += size;
  }
  yield part;
}

async function ask(file: string, flags: Flags, command: Command, { io, parts }: CommandContext) {
  const yaml = await parts.ciYaml();
  const project = required(flags.project ?? io.env.CI_PROJECT_PATH, '--project', 'CI_PROJECT_PATH');
  const declared = await jobsOf(file, flags, project, io, yaml);
  if (declared.length === 0) throw new HoldpointError('bad_input', 'the YAML has no job that a runner could get');
  const hub = connectHub(command, io);
  const answers: CheckView[] = [];
  for (const jobs of inParts(declared)) {
    const asked = { project: /^[1-9]\d{0,14}$/.test(project) ? Number(project) : project, ref: refOf(flags, io) };
    answers.push(
      await hub.post('/api/v1/check', checkSchema, { ...asked, protected: flags.unprotected !== true, jobs }),
    );
  }
  const found = { ...answers[0]!, items: answers.flatMap(({ items }) => items) };
  const lines = yaml.linesOfJobs(textOrNothing(file, io));
  const tagsOf = new Map(declared.map((job) => [job.name, job]));
  const located = found.items.map((job): Located => {
    const first = job.expect === 'unseen' && isTaken(tagsOf.get(job.job)!, flags.runnerTags);
    const shown: CheckedJobView = first
      ? { ...job, expect: 'waits', why: 'it would be on a protected runner for the first time' }
      : job;
    const stops = shown.expect === 'waits' || shown.expect === 'refused';
    return { job: shown, stops, path: relative(io.cwd, resolve(io.cwd, file)), line: lineOf(lines, job.job) };
  });
  return { found, located };
}

/** Only the lines come from it: with a merged YAML there need be no such file. */
function textOrNothing(file: string, io: Io): string {
  try {
    return readFileSync(resolve(io.cwd, file), 'utf8');
  } catch {
    return '';
  }
}

const WORDS: Readonly<Record<CheckedJobView['expect'], string>> = {
  passes: 'passes',
  waits: 'WAITS',
  refused: 'REFUSED',
  unseen: 'not known',
};

function page({ project_id, project_path, ref, ref_protected, caveat }: CheckView, jobs: readonly Located[]): string {
  const where = `${project_path ?? `project ${project_id}`}, ${ref}${ref_protected ? ' (protected)' : ' (not protected)'}`;
  const out = [printable(where)];
  for (const { job } of jobs) {
    const place = job.environment === null ? '' : ` (environment ${job.environment})`;
    out.push(printable(`${job.job}${place}: ${WORDS[job.expect]}: ${job.why}`));
    for (const line of detailLines(job)) out.push(`  ${line}`);
  }
  const stopped = jobs.filter(({ stops }) => stops).length;
  const unseen = jobs.filter(({ job }) => job.expect === 'unseen').length;
  const sum = stopped === 0 ? 'Nothing would wait' : `${stopped} of ${jobs.length} jobs would wait`;
  const rest = unseen === 0 ? '' : `; of ${unseen} nothing is known: name tags of protected runners with --runner-tags`;
  return `${[...out, '', `${sum}${rest}.`, caveat].join('\n')}\n`;
}

/** `holdpoint check [FILE]`: 1 when a job would wait or be refused, unless `--exit-zero`. */
export function define(command: Command, context: CommandContext): void {
  const { io, json, exitWith } = context;
  withHub(command)
    .argument('[file]', `the file to check (default: ${DEFAULT_FILE})`)
    .option('--project <id|path>', 'project in GitLab (default: CI_PROJECT_PATH)')
    .option(
      '--ref <ref>',
      'what it will run for (default: the branch that a merge request is merged into, else this one)',
    )
    .option('--unprotected', 'the ref is not protected')
    .option('--merged-yaml <file>', 'the YAML as GitLab has merged it, instead of asking GitLab')
    .option('--gitlab-url <url>', 'address of GitLab (default: CI_SERVER_URL)')
    .option('--gitlab-ca <file>', 'certificates (PEM) to trust for GitLab beside the usual ones')
    .option('--gitlab-token-file <file>', 'token with scope api (HOLDPOINT_GITLAB_TOKEN_FILE, HOLDPOINT_GITLAB_TOKEN)')
    .option('--dry-run', 'let GitLab simulate a push to the ref: only jobs that it would run')
    .option('--runner-tags <tags...>', 'tags of a protected runner, with commas; a new job with such tags would wait')
    .option('--junit <file>', 'write a report that GitLab shows as tests')
    .option('--code-quality <file>', 'write a report that GitLab shows as code quality')
    .option('--exit-zero', 'exit with 0 although something would wait')
    .action(async (file: string | undefined, flags: Flags, own: Command) => {
      const { found, located } = await ask(file ?? DEFAULT_FILE, flags, own, context);
      if (flags.junit !== undefined) writeText('--junit', flags.junit, junitReport(located), io);
      if (flags.codeQuality !== undefined)
        writeText('--code-quality', flags.codeQuality, codeQualityReport(located), io);
      const items = located.map(({ job, line }) => ({ ...job, line }));
      await io.out(json ? `${JSON.stringify({ ...found, items })}\n` : page(found, located));
      if (located.some(({ stops }) => stops) && flags.exitZero !== true) exitWith(1);
    });
}
