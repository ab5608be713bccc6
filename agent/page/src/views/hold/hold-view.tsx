import { HoldPage } from './hold-page.tsx';

/** One Hold: the decision on it while it waits, and all that has happened to it. */
export function HoldView({ id }: { readonly id: number }) {
  return <HoldPage id={id} />;
}
