import { Redirect, Route, Switch } from 'wouter-preact';
import { PAGE_PATHS, type PageView } from '../../src/wire/page-paths.ts';
import { idIn, pathOf } from './lib/paths.ts';
import { lazyView } from './ui/lazy-view.tsx';
import { HoldView } from './views/hold/hold-view.tsx';
import { HoldsView } from './views/hold/holds-view.tsx';
import { Inbox } from './views/inbox/inbox.tsx';
import { NotFound } from './views/not-found.tsx';
import { PasskeysView } from './views/passkeys/passkeys-view.tsx';
import { ReviewView } from './views/review/review-view.tsx';

/** Views that are read when they are first opened: the inbox does not wait for them. */
const Approvals = lazyView(
  'Approved configurations',
  async () => (await import('./views/approvals/approvals-view.tsx')).default,
);
const BreakGlass = lazyView(
  'Break-glass',
  async () => (await import('./views/break-glass/break-glass-view.tsx')).default,
);
const Deployments = lazyView(
  'Deployments',
  async () => (await import('./views/deployments/deployments-view.tsx')).default,
);
const People = lazyView('People', async () => (await import('./views/people/people-view.tsx')).default);
const Agents = lazyView('Agents', async () => (await import('./views/agents/agents-view.tsx')).default);
const Audit = lazyView('The audit', async () => (await import('./views/audit/audit-view.tsx')).default);
const Policy = lazyView('The policy', async () => (await import('./views/policy/policy-view.tsx')).default);
const Figures = lazyView('Figures', async () => (await import('./views/figures/figures-view.tsx')).default);

/** What the header leads to, in its order. */
export const NAVIGATION: readonly { readonly view: PageView; readonly words: string }[] = [
  { view: 'inbox', words: 'Inbox' },
  { view: 'holds', words: 'Holds' },
  { view: 'approvals', words: 'Approved' },
  { view: 'deployments', words: 'Deployments' },
  { view: 'audit', words: 'Audit' },
  { view: 'policy', words: 'Policy' },
  { view: 'agents', words: 'Agents' },
  { view: 'people', words: 'People' },
  { view: 'figures', words: 'Figures' },
];

/** The view that the address names. */
export function View() {
  return (
    <Switch>
      <Route path="/">
        <Redirect to={pathOf('inbox')} replace />
      </Route>
      <Route path={PAGE_PATHS.inbox} component={Inbox} />
      <Route path={PAGE_PATHS.holds} component={HoldsView} />
      <Route path={PAGE_PATHS.hold}>{({ id }) => <OfOne id={id} view={HoldView} />}</Route>
      <Route path={PAGE_PATHS.review}>{({ id }) => <OfOne id={id} view={ReviewView} />}</Route>
      <Route path={PAGE_PATHS.approvals} component={Approvals} />
      <Route path={PAGE_PATHS.breakGlass} component={BreakGlass} />
      <Route path={PAGE_PATHS.deployments} component={Deployments} />
      <Route path={PAGE_PATHS.people} component={People} />
      <Route path={PAGE_PATHS.agents} component={Agents} />
      <Route path={PAGE_PATHS.audit} component={Audit} />
      <Route path={PAGE_PATHS.policy} component={Policy} />
      <Route path={PAGE_PATHS.figures} component={Figures} />
      <Route path={PAGE_PATHS.passkeys} component={PasskeysView} />
      <Route component={NotFound} />
    </Switch>
  );
}

/** A view of one thing; another thing of the same kind is another view, with nothing left of the one before. */
function OfOne({
  id: text,
  view: Of,
}: {
  readonly id: string | undefined;
  readonly view: (props: { readonly id: number }) => preact.JSX.Element;
}) {
  const id = idIn(text);
  return id === null ? <NotFound /> : <Of key={id} id={id} />;
}
