import { Link } from 'wouter-preact';
import { pathOf } from '../lib/paths.ts';
import { useTitle } from '../lib/title.ts';

/** An address that no view has. */
export function NotFound() {
  useTitle('Not found');
  return (
    <>
      <h1>Nothing is here</h1>
      <p>
        This address leads to no view. What waits is in the <Link href={pathOf('inbox')}>inbox</Link>.
      </p>
    </>
  );
}
