import type { ComponentChildren } from 'preact';
import { Link } from 'wouter-preact';
import { pathOf } from '../../lib/paths.ts';
import { Chip, type Tone } from '../../ui/chip.tsx';
import { Shown } from '../../ui/shown.tsx';
import type { Became } from './answer.ts';
import type { ChangeItem, Member } from './members.ts';

/** A question in the table: looked at or not yet, and what became of it once it was answered. */
export interface Place {
  readonly item: ChangeItem;
  readonly member: Member | null;
  readonly became: Became | null;
}

const BECAME: Readonly<Record<Became['kind'], readonly [Tone, string]>> = {
  goes: ['go', 'Goes on'],
  waits: ['wait', 'Still waits'],
  ended: ['stop', 'Ended'],
  refused: ['stop', 'Not taken'],
};

function Said({ tone, word, words }: { readonly tone: Tone; readonly word: string; readonly words: string }) {
  return (
    <div>
      <Chip tone={tone}>{word}</Chip> <Shown text={words} />
    </div>
  );
}

function Row({
  place: { item, member, became },
  isIn,
  onToggle,
}: {
  readonly place: Place;
  readonly isIn: boolean;
  onToggle(): void;
}) {
  const name = `${item.job} of ${item.project_path ?? item.project_id}`;
  const hold = item.holds.at(-1);
  const why = member?.why ?? null;
  const isOff = member === null || why !== null || became !== null;
  return (
    <tr>
      <td>
        <input type="checkbox" checked={isIn} disabled={isOff} onChange={onToggle} aria-label={name} />
      </td>
      <td>
        {hold === undefined ? (
          <Shown text={item.job} />
        ) : (
          <Link href={pathOf('hold', hold)}>
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
        {member === null && <span class="quiet">being checked in this browser …</span>}
        {member?.hold != null && became === null && <Shown text={member.hold.diff.summary} />}
        {why !== null && became === null && <Said tone="warn" word="left out" words={why} />}
        {became !== null && <Said tone={BECAME[became.kind][0]} word={BECAME[became.kind][1]} words={became.words} />}
      </td>
    </tr>
  );
}

/** Every place of a change with its own difference in a sentence; what cannot be answered here says why. */
export function MemberTable({
  places,
  left,
  onToggle,
  children,
}: {
  readonly places: readonly Place[];
  /** Reviews that are left out. */
  readonly left: ReadonlySet<number>;
  onToggle(review: number): void;
  /** What stands above the rows. */
  readonly children?: ComponentChildren;
}) {
  return (
    <>
      {children}
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
              <th scope="col">Chosen</th>
              <th scope="col">Job</th>
              <th scope="col">Ref</th>
              <th scope="col">
                {places.some(({ became }) => became !== null) ? 'What became of it' : 'Its difference'}
              </th>
            </tr>
          </thead>
          <tbody>
            {places.map((place) => (
              <Row
                key={place.item.review}
                place={place}
                isIn={place.member !== null && place.member.why === null && !left.has(place.item.review)}
                onToggle={() => onToggle(place.item.review)}
              />
            ))}
          </tbody>
        </table>
      </section>
    </>
  );
}
