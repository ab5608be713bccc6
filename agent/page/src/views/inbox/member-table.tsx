import { Link } from 'wouter-preact';
import { pathOf } from '../../lib/paths.ts';
import { Chip } from '../../ui/chip.tsx';
import { Shown } from '../../ui/shown.tsx';
import type { Member } from './members.ts';

function Row({ member, isIn, onToggle }: { readonly member: Member; readonly isIn: boolean; onToggle(): void }) {
  const { item, hold, why } = member;
  const name = `${item.job} of ${item.project_path ?? item.project_id}`;
  return (
    <tr>
      <td>
        <input type="checkbox" checked={isIn} disabled={why !== null} onChange={onToggle} aria-label={name} />
      </td>
      <td>
        {hold === null ? (
          <Shown text={item.job} />
        ) : (
          <Link href={pathOf('hold', hold.id)}>
            <Shown text={item.job} />
          </Link>
        )}
        <div class="quiet">
          <Shown text={item.project_path ?? `project ${item.project_id}`} />
        </div>
      </td>
      <td>
        <Shown text={item.ref} />
        {item.environment !== null && (
          <div class="quiet">
            to <Shown text={item.environment} />
          </div>
        )}
      </td>
      <td>
        {hold !== null && <Shown text={hold.diff.summary} />}
        {why !== null && (
          <div>
            <Chip tone="warn">left out</Chip> <Shown text={why} />
          </div>
        )}
      </td>
    </tr>
  );
}

/** Every place of a change with its own difference in a sentence; what cannot be answered here says why. */
export function MemberTable({
  members,
  left,
  onToggle,
}: {
  readonly members: readonly Member[];
  /** Reviews that are left out. */
  readonly left: ReadonlySet<number>;
  onToggle(review: number): void;
}) {
  return (
    <section
      class="wide"
      aria-label="Places"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reached by keyboard.
      tabIndex={0}
    >
      <table>
        <caption>Places, each answered by its own rules</caption>
        <thead>
          <tr>
            <th scope="col">In</th>
            <th scope="col">Job</th>
            <th scope="col">Ref</th>
            <th scope="col">Its difference</th>
          </tr>
        </thead>
        <tbody>
          {members.map((member) => (
            <Row
              key={member.item.review}
              member={member}
              isIn={member.why === null && !left.has(member.item.review)}
              onToggle={() => onToggle(member.item.review)}
            />
          ))}
        </tbody>
      </table>
    </section>
  );
}
