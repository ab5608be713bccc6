import { isJsonList, isJsonObject } from '../../domain/json.ts';
import { pathText } from '../../domain/strict-json.ts';
import type { Form } from './form.ts';
import { clip } from './form-text.ts';
import { IGNORABLE_VARIABLES } from './ignorable-variables.ts';
import { elements } from './payload.ts';
import { isSecret } from './variables.ts';

/** More would not be read; the last line says how many there are. */
const MAX_WARNINGS = 200;
const MAX_WARNING_CHARACTERS = 512;

/**
 * `$N`, `${N`, `%N%`, `$env:N`, whatever the quoting: the shell, not the runner, puts the words in (T9).
 */
const USES = new RegExp(
  `(?:\\$\\{?(?:env:)?[!#]?|%)(${IGNORABLE_VARIABLES.filter((row) => row.class === 'text')
    .map((row) => row.name)
    .join('|')})(?!\\w)`,
  'gi',
);

/** The text of one of our own tokens or sessions, wherever it stands in a value. */
const HOLDPOINT_TOKEN = /(?<![A-Za-z0-9_-])hps?_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/;

/** The first ignored variable of class `text` that a script line uses. */
function usedText(line: string, ignored: ReadonlySet<string>): string | undefined {
  if (!/[$%]/.test(line)) return undefined;
  for (const match of line.matchAll(USES)) if (ignored.has(match[1]!.toLowerCase())) return match[1];
  return undefined;
}

/** What an approver must be told of one payload, in words; names only, no value. */
export function warningsOf(form: Form): readonly string[] {
  const warnings: string[] = [];
  for (const { path, found } of form.cover.rewrites) {
    if (found === null || path[0] === 'variables' || path[0] === 'secrets') continue;
    const names = [...new Set(found.values.map((known) => known.name))].join(', ');
    warnings.push(`${pathText(path)} holds the value of ${names}; it is covered as an HMAC`);
  }
  const texts = new Set(
    form.variables.filter((outcome) => outcome.ignored?.class === 'text').map((outcome) => outcome.group.folded),
  );
  if (texts.size > 0) {
    elements(form.payload, 'steps').forEach((step, index) => {
      const script = isJsonObject(step) ? step.script : null;
      (isJsonList(script) ? script : []).forEach((line, at) => {
        const name = typeof line === 'string' ? usedText(line, texts) : undefined;
        if (name !== undefined) {
          warnings.push(
            `steps[${index}].script[${at}] uses ${name}, words that whoever pushes controls and that are not covered`,
          );
        }
      });
    });
  }
  for (const { group, ignored, entries } of form.variables) {
    if (ignored !== null) continue;
    const name = group.entries[0].key;
    // A token of a person that a job can read votes for whatever the job wants (T24).
    if (group.entries.some((v) => HOLDPOINT_TOKEN.test(v.value))) {
      warnings.push(
        `variable ${name} holds a token of Holdpoint: this job, and whoever can change it, can act in that person's name; take it out and revoke the token`,
      );
    }
    if (group.entries.length > 1) {
      warnings.push(`variable ${name} is sent ${group.sent} times with different entries; the runner takes the last`);
    }
    const reason = form.ignorable.reason(group);
    if (reason !== null) warnings.push(`variable ${name} is covered although GitLab sends one of that name: ${reason}`);
    if (group.entries.some(isSecret) && group.entries.some((v) => /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/.test(v.value))) {
      const reduced = entries.some((entry) => JSON.stringify(entry.value).startsWith('[{"jwt"'));
      if (!reduced)
        warnings.push(
          `variable ${name} looks like an id token but is not a verified one of this job: it changes in every run`,
        );
    }
  }
  const clipped = warnings.slice(0, MAX_WARNINGS).map((warning) => clip(warning, MAX_WARNING_CHARACTERS));
  if (warnings.length > MAX_WARNINGS) clipped.push(`and ${warnings.length - MAX_WARNINGS} more`);
  return clipped;
}
