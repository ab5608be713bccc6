import type { IncomingHttpHeaders } from 'node:http';
import { signsOfUse, tokenPolicy } from '../app/authenticate.ts';
import type { HubContext } from '../app/hub-context.ts';
import { HoldpointError } from '../domain/errors.ts';
import { printable } from '../domain/printable.ts';
import type { TokenFlagKind, TokenUse } from '../domain/token-use.ts';
import { JOB_HEADER } from '../wire/token-use.ts';

/** Longer names of clients tell nothing more, and each is stored. */
const MAX_CLIENT_CHARS = 200;
/** Headers that only jobs and runners send. */
const CI_HEADERS = ['job-token', 'x-gitlab-runner', 'runner-token'] as const;

/** What a request says of who sends it. */
export function useOf(headers: IncomingHttpHeaders, address: string | null): TokenUse {
  const client = printable(headers['user-agent'] ?? '').slice(0, MAX_CLIENT_CHARS);
  return {
    address,
    client: client === '' ? null : client,
    saysJob: headers[JOB_HEADER] !== undefined,
    jobHeader: CI_HEADERS.some((name) => headers[name] !== undefined),
  };
}

const WORDS: Readonly<Record<TokenFlagKind, string>> = {
  agent_host: 'from the address of an agent',
  in_job: 'inside a job',
  ci_client: 'by a CI system',
};

/**
 * Throws `forbidden` where the policy takes no such use of a person's token: a token that a job can read approves whatever
 * that job wants (T24). `reads`: the request changes nothing.
 */
export async function refuseJobs(context: HubContext, use: TokenUse, reads: boolean): Promise<void> {
  const signs = signsOfUse(context, use);
  if (signs.length === 0) return;
  const { inJobs } = await tokenPolicy(context);
  switch (inJobs) {
    case 'flag':
      return;
    case 'read_only':
      if (reads) return;
      break;
    case 'refuse':
      break;
    default:
      inJobs satisfies never;
  }
  const where = signs.map((sign) => WORDS[sign]).join(', ');
  throw new HoldpointError(
    'forbidden',
    `this token is used ${where}, and the policy takes no ${inJobs === 'refuse' ? '' : 'change by '}token of a person there: use it on your own machine`,
  );
}
