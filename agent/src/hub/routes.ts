import type { Route } from './route.ts';
import { agentRoutes } from './routes/agents.ts';
import { approvalRoutes } from './routes/approvals.ts';
import { auditRoutes } from './routes/audit.ts';
import { breakGlassRoutes } from './routes/break-glass.ts';
import { checkRoutes } from './routes/check.ts';
import type { RouteContext } from './routes/context.ts';
import { denialRoutes } from './routes/denials.ts';
import { deploymentRoutes } from './routes/deployments.ts';
import { environmentRoutes } from './routes/environments.ts';
import { figureRoutes } from './routes/figures.ts';
import { holdRoutes } from './routes/holds.ts';
import { inboxRoutes } from './routes/inbox.ts';
import { meRoutes } from './routes/me.ts';
import { notificationRoutes } from './routes/notifications.ts';
import { oidcRoutes } from './routes/oidc.ts';
import { passkeyRoutes } from './routes/passkeys.ts';
import { policyRoutes } from './routes/policy.ts';
import { proposalRoutes } from './routes/proposal.ts';
import { retentionRoutes } from './routes/retention.ts';
import { reviewRoutes } from './routes/reviews.ts';
import { sessionRoutes } from './routes/session.ts';
import { systemRoutes } from './routes/system.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { watchingRoutes } from './routes/watching.ts';

/** The whole HTTP surface but the two websockets. Every route names what it asks of the caller, takes and answers. */
export function routes(context: RouteContext): readonly Route[] {
  return [
    figureRoutes,
    holdRoutes,
    watchingRoutes,
    deploymentRoutes,
    environmentRoutes,
    breakGlassRoutes,
    policyRoutes,
    inboxRoutes,
    reviewRoutes,
    approvalRoutes,
    denialRoutes,
    checkRoutes,
    proposalRoutes,
    tokenRoutes,
    auditRoutes,
    notificationRoutes,
    meRoutes,
    sessionRoutes,
    oidcRoutes,
    passkeyRoutes,
    agentRoutes,
    retentionRoutes,
    systemRoutes,
  ].flatMap((part) => part(context));
}
