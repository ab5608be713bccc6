import { HoldPage } from './hold-page.tsx';

/** One Hold: the decision on it while it waits, and its whole course. */
export function HoldView({ id }: { readonly id: number }) {
  return <HoldPage id={id} />;
}
