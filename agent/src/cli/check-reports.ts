import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { printable } from '../domain/printable.ts';
import type { CheckedJobView } from '../wire/check.ts';
import { diffLinesForTerminal } from './diff.ts';

/** Where a job stands. */
export interface Located {
  readonly job: CheckedJobView;
  /** True when it would wait, or be refused. */
  readonly stops: boolean;
  readonly path: string;
  readonly line: number;
}

/** What is not a character of XML 1.0 (§2.2) has no place in it, escaped or not. */
const NO_XML = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu;
const xml = (text: string): string =>
  text
    .replace(NO_XML, '\ufffd')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;');

/** What stands under a job, in lines. */
export function detailLines({ changes, approvers, unknown, approval }: CheckedJobView): readonly string[] {
  const people = approvers.map(({ words, people: names }) =>
    names === null ? words : `${words}: ${names.length === 0 ? 'nobody at present' : names.join(', ')}`,
  );
  return [
    ...diffLinesForTerminal(changes),
    ...(people.length > 0 ? [`who can approve: ${people.map(printable).join('; ')}`] : []),
    ...(approval === null ? [] : [`compared with approval ${approval}`]),
    ...unknown.map((words) => `not known: ${printable(words)}`),
  ];
}

/** The report that GitLab shows as tests of the merge request: a job that would wait is one that fails. */
export function junitReport(jobs: readonly Located[]): string {
  const failures = jobs.filter(({ stops }) => stops).length;
  const skipped = jobs.filter(({ job, stops }) => !stops && job.expect === 'unseen').length;
  const cases = jobs.map(({ job, stops, path }) => {
    const head = `    <testcase classname="holdpoint check" name="${xml(job.job)}" file="${xml(path)}" time="0"`;
    const why = `${job.expect}: ${job.why}`;
    if (stops) {
      const text = [why, ...detailLines(job)].join('\n');
      return `${head}>\n      <failure message="${xml(why)}">${xml(text)}</failure>\n    </testcase>`;
    }
    return job.expect === 'unseen' ? `${head}>\n      <skipped message="${xml(why)}"/>\n    </testcase>` : `${head}/>`;
  });
  const counts = `tests="${jobs.length}" failures="${failures}" errors="0" skipped="${skipped}" time="0"`;
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="holdpoint check" ${counts}>
${cases.join('\n')}
  </testsuite>
</testsuites>
`;
}

/** The report that GitLab shows as code quality of the merge request, at the line where the job stands. */
export function codeQualityReport(jobs: readonly Located[]): string {
  const findings = jobs
    .filter(({ stops }) => stops)
    .map(({ job, path, line }) => ({
      description: printable(`job ${job.job} ${job.expect === 'refused' ? 'is refused' : 'would wait'}: ${job.why}`),
      check_name: `holdpoint-${job.expect}`,
      // Without the line: the same finding further down is the same.
      fingerprint: bytesToHex(sha256(utf8ToBytes(JSON.stringify([path, job.job, job.expect, job.changes])))),
      severity: job.expect === 'refused' ? 'critical' : 'major',
      location: { path, lines: { begin: line } },
    }));
  return `${JSON.stringify(findings, null, 2)}\n`;
}
