import type { CommitPerson } from './facts.ts';
import type { KnownPerson } from './person-words.ts';

/** What somebody did so that a job could run, in the order in which it happens. */
export const LET_RUN_STEPS = ['triggered', 'wrote', 'configuration', 'deployment', 'started', 'ran'] as const;
/** One of the steps. */
export type LetRunStepName = (typeof LET_RUN_STEPS)[number];

/** What stands before the names. */
export const LET_RUN_WORDS: Readonly<Record<LetRunStepName, string>> = {
  triggered: 'Triggered by',
  wrote: 'Commit written by',
  configuration: 'Configuration approved by',
  deployment: 'Deployment approved by',
  started: 'Started by',
  ran: 'Ran',
};

/** One step: who, when (RFC 3339), and what else is to be said of it. */
export interface LetRunStep {
  readonly step: LetRunStepName;
  readonly people: readonly KnownPerson[];
  readonly at: string | null;
  readonly note: string | null;
}

interface NamedVote {
  readonly person: KnownPerson;
  readonly decision: string;
}
interface AskedRule {
  readonly name: string;
  readonly who: string;
  readonly count: number;
}

/** Everything that the steps are told of; times are RFC 3339. */
export interface LetRunParts {
  readonly digest: string;
  readonly trigger: KnownPerson & { readonly verified: string };
  readonly openedAt: string;
  readonly commit: {
    readonly sha: string;
    readonly people: readonly Pick<CommitPerson, 'role' | 'id' | 'name'>[] | null;
  };
  /** The Approval that its configuration passed with, if any, and the rules that were put to people. */
  readonly approval: {
    readonly id: number;
    readonly digest: string;
    readonly lifetime: string;
    readonly votes: readonly NamedVote[];
    readonly auto: KnownPerson | null;
    readonly breakGlass: boolean;
    readonly policy: string;
    readonly createdAt: string;
    readonly revoked: { readonly by: string; readonly at: string } | null;
  } | null;
  readonly rules: readonly AskedRule[];
  /** Null where no second gate stood before it. */
  readonly deployment: {
    readonly rules: readonly AskedRule[];
    readonly votes: readonly NamedVote[];
    readonly approvedAt: string | null;
    readonly started: { readonly person: KnownPerson; readonly at: string } | null;
    /** Who might start it, in words; null where that was not written down. */
    readonly deployAccess: string | null;
    readonly policy: string;
  } | null;
  /** The jobs that stood for it, oldest first. */
  readonly attempts: readonly {
    readonly jobId: number;
    readonly runner: string;
    readonly handedOutAt: string | null;
    readonly endedAt: string | null;
    readonly ended: string | null;
  }[];
}

const VERIFIED: Readonly<Record<string, string>> = {
  gitlab: 'as GitLab says',
  payload: "as the job's payload says",
  unverified: 'unverified: only a variable says so',
};

const approvers = (votes: readonly NamedVote[]): readonly KnownPerson[] =>
  votes.filter(({ decision }) => decision === 'approve').map(({ person }) => person);
const rulesText = (rules: readonly AskedRule[]): string =>
  rules.map(({ name, who, count }) => `${name}: ${count} of ${who}`).join(', ');
/** A version of the policy, enough of it to tell versions apart: the same wherever one stands beside something. */
export const policyShort = (version: string): string => version.slice(0, 19);
const policyText = (version: string): string => `policy ${policyShort(version)}`;

function wrote({ commit }: LetRunParts): LetRunStep {
  const people = new Map<string, KnownPerson>();
  for (const { id, name } of commit.people ?? []) people.set(`${id} ${name}`, { id, username: null, name });
  const note = `commit ${commit.sha.slice(0, 12)}${people.size === 0 ? '; nobody could tell who wrote it' : ''}`;
  return { step: 'wrote', people: [...people.values()], at: null, note };
}

function configuration({ approval, rules, digest }: LetRunParts): LetRunStep {
  const step = 'configuration';
  if (approval === null) return { step, people: [], at: null, note: null };
  const which = `approval ${approval.id} (${approval.lifetime})`;
  const told = [
    ...(approval.digest === digest ? [] : ['of another configuration, whose difference the policy tolerates']),
    ...(rules.length === 0 ? [] : [`rule ${rulesText(rules)}`]),
    policyText(approval.policy),
    ...(approval.revoked === null ? [] : [`revoked since by ${approval.revoked.by}`]),
  ].join('; ');
  const at = approval.createdAt;
  if (approval.breakGlass) {
    const by = approvers(approval.votes);
    return { step, people: by, at, note: `NOBODY approved it: the glass was broken for this run; ${told}` };
  }
  if (approval.auto !== null) {
    const why = 'nobody voted: the policy lets pass what one person who may approve has pushed and made';
    return { step, people: [approval.auto], at, note: `${which}; ${why}; ${told}` };
  }
  return { step, people: approvers(approval.votes), at, note: `${which}; ${told}` };
}

function gate(deployment: NonNullable<LetRunParts['deployment']>): readonly LetRunStep[] {
  const { rules, votes, approvedAt, started, deployAccess, policy } = deployment;
  const asked = rules.length === 0 ? 'no approval is asked for' : `rule ${rulesText(rules)}`;
  const open = approvedAt === null ? 'not complete; ' : '';
  const access = deployAccess === null ? null : `may deploy (deploy_access_levels): ${deployAccess}`;
  return [
    {
      step: 'deployment',
      people: approvers(votes),
      at: rules.length === 0 ? null : approvedAt,
      note: `${open}${asked}; ${policyText(policy)}`,
    },
    started === null
      ? { step: 'started', people: [], at: null, note: null }
      : {
          step: 'started',
          people: [started.person],
          at: started.at,
          note: access && `${access}; ${policyText(policy)}`,
        },
  ];
}

function ran({ attempts }: LetRunParts): LetRunStep {
  const last = attempts.findLast(({ handedOutAt }) => handedOutAt !== null);
  if (last === undefined) return { step: 'ran', people: [], at: null, note: 'it has not run' };
  const end = last.endedAt === null ? 'it has not ended' : `its end: ${last.ended ?? 'nobody knows'}`;
  return { step: 'ran', people: [], at: last.handedOutAt, note: `as job ${last.jobId} on ${last.runner}; ${end}` };
}

/** Who let a job run, step by step; what nobody has done yet stands there too and says so. */
export function whoLetRun(parts: LetRunParts): readonly LetRunStep[] {
  const { trigger, openedAt, deployment } = parts;
  const { id, username, name, verified } = trigger;
  return [
    { step: 'triggered', people: [{ id, username, name }], at: openedAt, note: VERIFIED[verified] ?? null },
    wrote(parts),
    configuration(parts),
    ...(deployment === null ? [] : gate(deployment)),
    ran(parts),
  ];
}
