import type { BriefView, ListedApproval } from '../../../../src/wire/approvals.ts';
import { Chip } from '../../ui/chip.tsx';
import { PeopleNames, PersonName } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';

const lines = (count: number): string => `${count} ${count === 1 ? 'script line' : 'script lines'}`;

/** What a configuration is, in few words: the image, what stands beside it, how its script begins. */
export function Brief({ of }: { readonly of: BriefView | null }) {
  if (of === null) return <p class="brief quiet">too long to be told in a list</p>;
  return (
    <div class="brief">
      <div>{of.image === null ? <span class="quiet">no image of its own</span> : <Shown text={of.image} />}</div>
      {of.services.length > 0 && (
        <div>
          with{' '}
          {of.services.map((name, index) => (
            <span key={`${index} ${name}`}>
              {index > 0 && ', '}
              <Shown text={name} />
            </span>
          ))}
        </div>
      )}
      {of.first_line === null ? (
        <div class="quiet">no script</div>
      ) : (
        <div>
          <code>
            <Shown text={of.first_line} />
          </code>{' '}
          <span class="quiet">({lines(of.script_lines)})</span>
        </div>
      )}
    </div>
  );
}

/** Who let it run. */
export function ApprovedBy({ approval }: { readonly approval: ListedApproval }) {
  const { auto, break_glass: broken, votes } = approval;
  if (broken) {
    return (
      <>
        <Chip tone="stop">Nobody approved it</Chip> <PeopleNames people={votes.map(({ person }) => person)} /> broke the
        glass
      </>
    );
  }
  if (auto !== null) {
    return (
      <>
        nobody voted: <PersonName person={auto} /> pushed and made all of it
      </>
    );
  }
  return <PeopleNames people={votes.map(({ person }) => person)} />;
}
