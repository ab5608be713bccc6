import type { ComponentChildren } from 'preact';
import { safeUrl } from '../lib/paths.ts';

/** A link to somewhere else that came with the data: only http and https, and the other side learns nothing of this page. */
export function Away({ url, children }: { readonly url: string | null; readonly children: ComponentChildren }) {
  const address = safeUrl(url);
  if (address === null) return <>{children}</>;
  return (
    <a href={address} rel="noopener noreferrer external" target="_blank" title={`opens ${new URL(address).origin}`}>
      {children}
    </a>
  );
}
