import { changesBehaviour } from '../../domain/behaviour.ts';
import type { Facts } from '../../domain/facts.ts';
import { isJsonObject, type Json } from '../../domain/json.ts';
import { shapesOf } from '../../domain/value-shapes.ts';
import { fullRef } from './environment.ts';
import type { Form } from './form.ts';
import { clip } from './form-text.ts';
import { notCovered } from './not-covered.ts';
import { elements, member } from './payload.ts';
import { PayloadRefusal } from './refusal.ts';
import type { Scrub } from './scrub.ts';
import { isHashed } from './variables-form.ts';
import { warningsOf } from './warnings.ts';

/** Names that approvals are scoped by are never cut; GitLab's own limit is 255. */
const MAX_NAME_CHARACTERS = 4_096;
/** Texts that are only read; a commit title is one line. */
const MAX_TEXT_CHARACTERS = 8_192;
/** GitLab's own limit is 50 needs. */
const MAX_DEPENDENCIES = 10_000;

/** Refuses a payload whose facts could not be told: names too long, too many dependencies, two environments. */
function checkFacts(form: Form): void {
  const refuse = (path: string, reason: string): never => {
    throw new PayloadRefusal('payload_refused', path, reason);
  };
  const { fields } = form;
  const environments = new Set(form.groups.get('ci_environment_name')?.entries.map((variable) => variable.value));
  if (environments.size > 1) refuse('variables.CI_ENVIRONMENT_NAME', 'is sent twice with different values');
  const names: [string, Json | undefined][] = [
    ['job_info.name', fields.jobName],
    ['job_info.project_full_path', fields.projectPath],
    ['git_info.ref', fields.ref],
    ['git_info.sha', fields.sha],
    ['variables.CI_ENVIRONMENT_NAME', [...environments][0]],
  ];
  const dependencies = elements(form.payload, 'dependencies');
  if (dependencies.length > MAX_DEPENDENCIES) refuse('dependencies', `more than ${MAX_DEPENDENCIES}`);
  dependencies.forEach((dependency, index) => {
    if (isJsonObject(dependency)) names.push([`dependencies[${index}].name`, dependency.name]);
  });
  for (const [path, value] of names) {
    if (typeof value !== 'string') continue;
    if (value.length > MAX_NAME_CHARACTERS) refuse(path, `longer than ${MAX_NAME_CHARACTERS} characters`);
  }
}

/** `Name <email>` as one person. */
function authorOf(text: string | null): Facts['commit']['people'] {
  if (text === null || text === '') return null;
  const [, name = text, email = null] = /^(.*?)\s*<([^<>]*)>$/s.exec(text) ?? [];
  return [{ role: 'author', id: null, name, email }];
}

/** What the payload itself says of this run; GitLab's own answer is put over it later. Throws PayloadRefusal. */
export function factsOf(form: Form, scrub: Scrub, options: { instance: string; runner: string }): Facts {
  checkFacts(form);
  const { fields, groups, ignorable } = form;
  const free = (value: string | null): string | null =>
    value === null ? null : clip(scrub.text(value), MAX_TEXT_CHARACTERS);
  // Rules ask for it: a typed variable whose value is `production` must not take that word out of the tier.
  const scope = (value: string | null): string | null =>
    value === null ? null : clip(scrub.name(value), MAX_TEXT_CHARACTERS);
  /** The value that the runner would see, if everybody may. */
  const plain = (key: string): string | null => {
    // Another spelling is another variable to most runners: it must not lie about this one.
    const variable = groups.get(key.toLowerCase())?.entries.findLast((entry) => entry.key === key);
    return variable?.public === true && !variable.masked && variable.value !== '' ? variable.value : null;
  };
  const text = (value: Json): string | null => (typeof value === 'string' ? value : null);

  const { full, type } = fullRef(fields);
  const environments = new Set(groups.get('ci_environment_name')?.entries.map((variable) => variable.value));
  const environmentValue = [...environments][0] ?? '';
  // Once public, the same value sent again as a typed one must not hide which environment this is.
  const isOpen = groups.get('ci_environment_name')?.entries.some((entry) => entry.public && !entry.masked) === true;
  // Ignorable only if it is the payload's own user id, where that has one: then login and name are of the same person.
  const statedId = ignorable.value('GITLAB_USER_ID');
  const ofUser = (key: string) => (statedId === null ? null : ignorable.value(key));
  const id = fields.userId ?? (statedId === null ? null : Number(statedId));
  const dependencies = elements(form.payload, 'dependencies');
  const covered = form.variables.filter((outcome) => outcome.ignored === null);
  return {
    instance: options.instance,
    project: {
      id: fields.projectId,
      path: fields.projectPath === null ? null : scrub.name(fields.projectPath),
    },
    job: {
      id: fields.id,
      name: scrub.name(fields.jobName),
      stage: free(fields.stage),
      url: free(ignorable.value('CI_JOB_URL')),
    },
    pipeline: {
      id: fields.pipelineId,
      source: ignorable.value('CI_PIPELINE_SOURCE'),
      url: free(ignorable.value('CI_PIPELINE_URL')),
      verified: false,
    },
    ref: {
      full: scrub.name(full),
      name: scrub.name(fields.ref),
      type,
      protected: fields.protected,
    },
    commit: {
      sha: scrub.name(fields.sha),
      title: free(ignorable.value('CI_COMMIT_TITLE')),
      author: free(ignorable.value('CI_COMMIT_AUTHOR')),
      people: authorOf(free(ignorable.value('CI_COMMIT_AUTHOR'))),
    },
    environment:
      environmentValue === ''
        ? null
        : {
            name: isOpen ? scrub.name(environmentValue) : '[hidden:CI_ENVIRONMENT_NAME]',
            slug: scope(plain('CI_ENVIRONMENT_SLUG')),
            tier: scope(plain('CI_ENVIRONMENT_TIER')),
            action: scope(plain('CI_ENVIRONMENT_ACTION')),
            url: free(plain('CI_ENVIRONMENT_URL')),
            verified: false,
          },
    trigger: {
      id: id !== null && Number.isSafeInteger(id) ? id : null,
      username: free(ofUser('GITLAB_USER_LOGIN')),
      name: free(ofUser('GITLAB_USER_NAME')),
      verified: fields.userId === null ? 'unverified' : 'payload',
    },
    roles: [],
    runner: options.runner,
    timeoutS: fields.timeoutS,
    dependencies: dependencies.filter(isJsonObject).map((dependency) => ({
      name: scrub.name(text(dependency.name ?? null) ?? ''),
      jobId: typeof dependency.id === 'number' ? dependency.id : null,
      samePipeline: null,
    })),
    blind: covered
      .filter(({ group, entries }) => group.entries.some((v) => !v.public && !v.masked) && entries.some(isHashed))
      .map(({ group }) => clip(group.entries[0].key, MAX_TEXT_CHARACTERS)),
    shapes: covered.flatMap(({ group }) => {
      const [only] = group.entries;
      // Of what a maintainer masked not even the shape is told.
      if (group.sent !== 1 || only.public || only.masked) return [];
      const shapes = shapesOf(only.value);
      return shapes.length === 0 ? [] : [{ name: clip(only.key, MAX_TEXT_CHARACTERS), shapes }];
    }),
    behaviour: covered
      .filter(({ group }) => changesBehaviour(group.entries[0].key))
      .map(({ group }) => clip(group.entries[0].key, MAX_TEXT_CHARACTERS)),
    notCovered: notCovered(form, scrub),
    warnings: warningsOf(form),
  };
}

/** True when the payload brings a key that replaces image and checkout: such a job passes for one run only. */
export function hasSuspendKey(payload: Form['payload']): boolean {
  return ['runtime_environment_key', 'environment_key'].some((key) => {
    const value = member(payload, 'suspend_options', key);
    return typeof value === 'string' && value !== '';
  });
}
