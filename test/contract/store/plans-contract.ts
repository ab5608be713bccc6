import { describe, expect, it } from 'vitest';
import type { Sight, StoreReader } from '../../../agent/src/ports/store.ts';

/** A database that tells how it would go about what a store asks of it. */
export interface Planning {
  readonly reader: StoreReader;
  /** The steps of each statement that was asked since the last call, by the statement's text. */
  plans(): Promise<ReadonlyMap<string, string>>;
}

const PAGE = { after: 500, limit: 51 };
const NEWEST = { after: 0, limit: 51, newest: true };
const SUBJECT = { instance: 'https://gitlab.example.com', projectId: 1, job: 'build' };
const DIGEST = `sha256:${'0'.repeat(64)}`;
const named = { user: 21, groups: [{ id: 5, inherited: true }], admin: false };
/** Who sees two projects, and who sees a hundred. */
const FEW: Sight = { projects: [1, 2], trigger: 21, named };
const MANY: Sight = { projects: Array.from({ length: 100 }, (_, n) => n + 1), trigger: 21, named };
const OPEN = ['open'] as const;
const WAITING = ['waiting_for_approval'] as const;

/** In order by the one, or those of a project by the other and sorted, where they are few. */
const OF_PROJECT = /approvals_of_(project|subject)\b/;

/** Along the numbers of the rows. */
const BY_NUMBER = /approvals_pkey|approvals USING INTEGER PRIMARY KEY/;

/** What is asked often, and the indexes that answer it; whatever the store holds, a page costs about a page (T30). */
const ASKED: readonly (readonly [what: string, ask: (reader: StoreReader) => Promise<unknown>, by: RegExp])[] = [
  ['the inbox', (r) => r.reviews({ states: OPEN, sight: MANY }, PAGE), /reviews_open\b/],
  [
    'the inbox of who sees few projects',
    (r) => r.reviews({ states: OPEN, sight: FEW }, PAGE),
    /reviews_open_of_project/,
  ],
  [
    'the inbox of one project',
    (r) => r.reviews({ states: OPEN, project: 1, sight: MANY }, PAGE),
    /reviews_open_of_project/,
  ],
  [
    'the inbox of one path',
    (r) => r.reviews({ states: OPEN, project: 'a/B', sight: MANY }, PAGE),
    /reviews_open_of_path/,
  ],
  ['what somebody opened', (r) => r.reviews({ states: OPEN, openedBy: 21, sight: MANY }, PAGE), /reviews_open_by/],
  ['Holds that wait', (r) => r.holds({ states: WAITING, sight: MANY }, PAGE), /holds_in_state/],
  ['the newest Holds that wait', (r) => r.holds({ states: WAITING, sight: MANY }, NEWEST), /holds_in_state/],
  ['Holds in two states', (r) => r.holds({ states: ['pending', 'running'], sight: MANY }, PAGE), /holds_in_state/],
  [
    'Holds that wait of few projects',
    (r) => r.holds({ states: WAITING, sight: FEW }, PAGE),
    /holds_of_project_in_state/,
  ],
  ['approvals of a project', (r) => r.approvals({ project: 1, sight: MANY }, PAGE), OF_PROJECT],
  [
    'what is approved in a project, the newest first',
    (r) => r.approvals({ project: 1, revoked: false, endsAfter: 1, sight: null }, NEWEST),
    /approvals_(of_project|of_subject|in_force)/,
  ],
  ['approvals of a path', (r) => r.approvals({ project: 'a/1', sight: MANY }, PAGE), /approvals_of_path/],
  ['approvals of few projects', (r) => r.approvals({ sight: FEW }, NEWEST), OF_PROJECT],
  ['the newest approvals', (r) => r.approvals({ sight: MANY }, NEWEST), BY_NUMBER],
  ['approvals, looked through', (r) => r.approvals({ text: 'x', sight: MANY }, NEWEST), BY_NUMBER],
  [
    'approvals that end soon',
    (r) => r.endingApprovals({ from: 1, to: 2, sight: MANY }, PAGE),
    /approvals_(ending|pkey)|approvals USING INTEGER PRIMARY KEY/,
  ],
  ['projects in which something is in force', (r) => r.decidedProjects([1, 2], 1), /approvals_in_force/],
  ['projects that agents have brought jobs of', (r) => r.projectsOfAgents(['a', 'b']), /attempts_of_agent/],
  ['when a Subject was approved', (r) => r.givenTo(SUBJECT, 100), /approvals_of_subject/],
  ['how many questions are open', (r) => r.openQuestions(MANY, 100), /reviews_open\b/],
  ['approvals of a Subject', (r) => r.approvalsOf(SUBJECT, DIGEST, 100), /approvals_of_(subject|digest)/],
  [
    'approvals that are over while a Hold has them',
    (r) => r.dueApprovals(1, 100),
    /holds_(in_state|of_approval|configured)/,
  ],
  ['projects that are known', (r) => r.knownProjects(), /approvals_of_project/],
  ['what the audit says of approvals', (r) => r.auditOfApprovals([1, 2, 3]), /audit_of_approval/],
  ['jobs whose agent fell silent', (r) => r.overdueHolds(1, 100), /attempts_parked_until/],
  [
    'what one person did with a Hold',
    (r) => r.auditRows({ hold: 7, person: 21, events: ['hold_seen'], sight: null }, { after: 0, limit: 1 }),
    /audit_of_hold/,
  ],
  ['the newest of the audit', (r) => r.auditRows({ sight: MANY }, NEWEST), /audit/],
];

/** Tables that grow with every job. */
const LARGE = 'holds|attempts|reviews|approvals|votes|configurations|audit|audit_people';

/** How a database goes about what is asked all the time; told by itself, without a clock. */
export function plansContract(name: string, make: () => Promise<Planning & { remove(): Promise<void> }>): void {
  describe(`${name} with a year of rows in it`, () => {
    it('T30 looks each hot question up in an index, and reads no large table from its first row on', async () => {
      const planning = await make();
      const missed: string[] = [];
      for (const [what, ask, by] of ASKED) {
        await ask(planning.reader);
        const plans = await planning.plans();
        const all = [...plans.values()].join('\n');
        if (!by.test(all)) missed.push(`${what} goes without ${by.source}:\n${all}`);
        for (const [text, plan] of plans)
          if (new RegExp(`(SCAN (${LARGE})$|Seq Scan on (${LARGE})\\b)`, 'm').test(plan))
            missed.push(`${what} reads a table whole: ${text}\n${plan}`);
      }
      await planning.remove();
      expect(missed.join('\n\n')).toBe('');
    }, 20_000);
  });
}
