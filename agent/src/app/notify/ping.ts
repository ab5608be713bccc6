import { HoldpointError } from '../../domain/errors.ts';
import { wrongState } from '../../domain/hold.ts';
import { noticeOf } from '../../domain/notify/notice.ts';
import { NO_NOTIFY, routesFor } from '../../domain/notify/notify-policy.ts';
import { byCaller, type Caller, type HubContext } from '../hub-context.ts';
import { visibleHold } from '../see.ts';
import { settle } from '../settle.ts';
import { aboutHold, helpersOfDeployment, helpersOfReview } from './about.ts';

/** Between two asks about one Hold, whoever asks. */
const PER_HOLD_MS = 30 * 60_000;
/** Asks of one person in an hour, whatever they are about (T58). */
const PER_PERSON = 10;
const HOUR_MS = 3_600_000;

/** Who was asked, and from when on the Hold may be asked about again. */
export interface Pinged {
  readonly asked: readonly { readonly id: number; readonly username: string; readonly name: string }[];
  /** Channels that the policy's routes send it by; none: nobody is told by anything but the page. */
  readonly channels: readonly string[];
  /** Epoch ms. */
  readonly againAt: number;
}

/**
 * Asks those who can still help for a decision. That it was asked stands in the audit; who is told, and how, is for the
 * policy's routes to say. Rejects with `not_found`, `wrong_state`, `rate_limited`.
 */
export async function ping(
  context: HubContext,
  caller: Caller,
  wish: { readonly hold: number; readonly comment: string | null },
): Promise<Pinged> {
  const { store } = context;
  const hold = await visibleHold(context, caller, wish.hold);
  if (hold.state !== 'waiting_for_approval' || hold.frozenUntil !== null)
    throw wrongState(hold, 'asking for a decision');
  const review = hold.review === null ? null : await store.review(hold.review);
  const deployment = await store.deploymentOfHold(hold.id);
  // What is missing first is asked for first: the configuration, then the deployment.
  const isDeployment = review?.state !== 'open' || hold.configured !== null;
  if (isDeployment && deployment === null) throw wrongState(hold, 'asking for a decision');
  const { people } =
    isDeployment && deployment !== null
      ? await helpersOfDeployment(context, deployment, hold)
      : await helpersOfReview(context, review!);
  const now = context.clock.now();
  const policy = await context.policy();
  const routes = routesFor(policy.notify ?? NO_NOTIFY, noticeOf('', 'help_asked', now, aboutHold(hold)));
  await settle(context, { ...byCaller(caller), now, policy }, async (s) => {
    const [last] = await s.tx.auditRows(
      { hold: hold.id, events: ['help_asked'], sight: null },
      { after: 0, limit: 1, newest: true },
    );
    if (last !== undefined && last.at + PER_HOLD_MS > now)
      throw new HoldpointError(
        'rate_limited',
        `hold ${hold.id}: somebody asked at ${new Date(last.at).toISOString()}; ask again at ${new Date(last.at + PER_HOLD_MS).toISOString()}`,
      );
    const own = await s.tx.auditRows(
      { person: caller.person.id, events: ['help_asked'], since: now - HOUR_MS, sight: null },
      { after: 0, limit: PER_PERSON, newest: true },
    );
    if (own.length >= PER_PERSON)
      throw new HoldpointError('rate_limited', `you asked ${PER_PERSON} times within an hour: wait and ask again`);
    await s.audit(
      'help_asked',
      { hold, ...(isDeployment && deployment !== null ? { deployment: deployment.id } : {}) },
      {
        person: caller.person.id,
        token: caller.token.id,
        gate: isDeployment ? 'deployment' : 'configuration',
        comment: wish.comment,
        count: people.length,
      },
    );
  });
  context.push.changed({ type: 'hold', id: hold.id, state: hold.state, projectId: hold.subject.projectId });
  return {
    asked: people.map(({ id, username, name }) => ({ id, username, name })),
    channels: [...new Set(routes.flatMap(({ channels }) => channels))],
    againAt: now + PER_HOLD_MS,
  };
}
