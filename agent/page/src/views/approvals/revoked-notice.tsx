import { useEffect, useRef } from 'preact/hooks';

/** Says under the row what became of the click in it, where the eye is; whoever reads by keyboard is led there. */
export function RevokedNotice({ id, columns }: { readonly id: number; readonly columns: number }) {
  const words = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    words.current?.focus({ preventScroll: true });
    words.current?.scrollIntoView({ block: 'nearest' });
  }, []);
  return (
    <tr class="told">
      <td colSpan={columns}>
        <p ref={words} tabIndex={-1} class="notice notice-good">
          Approval {id} is revoked; the next job with this configuration waits.
        </p>
      </td>
    </tr>
  );
}
