import { Dialog } from '../../ui/dialog.tsx';

const KEYS = [
  ['j', 'next Review'],
  ['k', 'previous Review'],
  ['Enter', 'open it'],
  ['a', 'open it to approve; there: go to Approve'],
  ['r', 'open it to reject; there: go to the comment'],
  ['n', 'in a Review: go to what has not been on the screen'],
  ['/', 'go to Find'],
  ['?', 'this help'],
  ['Esc', 'close this help'],
] as const;

/** What keys do. */
export function KeyHelp({ onClose }: { onClose(): void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl class="keys">
        {KEYS.map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog">
        <button type="submit">Close</button>
      </form>
    </Dialog>
  );
}
