import { Redirect, Route, Switch } from 'wouter-preact';
import { PAGE_PATHS, type PageView } from '../../src/wire/page-paths.ts';
import { idIn, pathOf } from './lib/paths.ts';
import { HoldView } from './views/hold/hold-view.tsx';
import { HoldsView } from './views/hold/holds-view.tsx';
import { Inbox } from './views/inbox/inbox.tsx';
import { NotFound } from './views/not-found.tsx';
import { PasskeysView } from './views/passkeys/passkeys-view.tsx';
import { ReviewView } from './views/review/review-view.tsx';

/** What the header leads to, in its order. */
export const NAVIGATION: readonly { readonly view: PageView; readonly words: string }[] = [
  { view: 'inbox', words: 'Inbox' },
  { view: 'holds', words: 'Holds' },
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
