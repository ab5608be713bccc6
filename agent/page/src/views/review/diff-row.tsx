import type { ValueChange } from '../../../../src/domain/configuration-diff.ts';
import type { UnchangedRow } from '../../../../src/domain/configuration-rows.ts';
import { isJsonList, isJsonObject, type Json, type JsonObject } from '../../../../src/domain/json.ts';
import { isSegments, readable, valuePieces } from '../../../../src/domain/segments.ts';
import { diffText } from '../../../../src/domain/text-diff.ts';
import { Shown, ShownLines } from '../../ui/shown.tsx';
import { PartEnd } from './seen.tsx';

/** A text that is longer than this does not fit a screen: each piece of it has an end of its own that has to be seen. */
const CHARACTERS_OF_PART = 3_000;

/** `script 3` for a line of a step, the path for anything else. */
function labelOf(path: string, configuration: JsonObject): string {
  const line = /^(steps|hooks)\[(\d+)\]\.script\[(\d+)\]$/.exec(path);
  if (line === null) return path;
  const list = configuration[line[1]!];
  const step = isJsonList(list) ? list[Number(line[2])] : undefined;
  const name = isJsonObject(step) && step.name !== undefined ? readable(step.name) : path;
  return `${name} ${Number(line[3]) + 1}`;
}

/** A value as it stands: text, and tags for what is no text. */
function Value({ value }: { readonly value: Json }) {
  return (
    <>
      {valuePieces(value).map(({ kind, text }, index) =>
        kind === 'text' ? (
          <LongText key={`${index} text`} text={text} />
        ) : (
          <span key={`${index} ${kind}`} class={`tag tag-${kind}`} title={TAG_WORDS[kind]}>
            <Shown text={text} />
          </span>
        ),
      )}
    </>
  );
}

const TAG_WORDS = {
  secret: 'a secret: only a fingerprint of its value is known here; equal tags are equal values',
  variable: 'the value that this variable has in each run',
  id_token: 'an id token, and whom it is for',
} as const;

function LongText({ text }: { readonly text: string }) {
  if (text.length <= CHARACTERS_OF_PART) return <ShownLines text={text} />;
  const parts: string[] = [];
  const characters = [...text];
  for (let at = 0; at < characters.length; at += CHARACTERS_OF_PART)
    parts.push(characters.slice(at, at + CHARACTERS_OF_PART).join(''));
  return (
    <>
      {parts.map((part, index) => (
        <span key={`${index} ${part.length}`} class="part">
          <ShownLines text={part} />
          <PartEnd />
        </span>
      ))}
      <span class="length"> ({text.length} characters)</span>
    </>
  );
}

const SIGNS = { removed: ['−', 'removed:'], added: ['+', 'added:'], same: ['', ''] } as const;

function Line({
  kind,
  label,
  children,
}: {
  readonly kind: 'removed' | 'added' | 'same';
  readonly label: string;
  readonly children: preact.ComponentChildren;
}) {
  const [sign, words] = SIGNS[kind];
  return (
    <div class={`line line-${kind}`}>
      <span class="label">
        <Shown text={label} />
      </span>
      <span class="sign" aria-hidden="true">
        {sign}
      </span>
      {words !== '' && <span class="unseen">{words}</span>}
      <code>{children}</code>
    </div>
  );
}

/** Text alone: not a list with values of the run, of which only the pieces may be shown. */
function plainText(value: Json | undefined): string | null {
  return value === undefined || isSegments(value) ? null : readable(value);
}

/** A change: what was, what is, and within a text which words. */
export function ChangedRow({
  change,
  configuration,
}: {
  readonly change: ValueChange;
  readonly configuration: JsonObject;
}) {
  const label = labelOf(change.path, configuration);
  const [was, is] = [plainText(change.was), plainText(change.is)];
  if (was !== null && is !== null && Math.max(was.length, is.length) <= CHARACTERS_OF_PART) {
    return (
      <>
        {diffText(was, is).map(({ kind, pieces }, index) => (
          <Line key={`${index} ${kind}`} kind={kind} label={index === 0 ? label : ''}>
            {pieces.map(({ kind: part, text }, at) =>
              part === 'same' || kind === 'same' ? (
                <Shown key={`${at} same`} text={text} isPart={at < pieces.length - 1} />
              ) : kind === 'added' ? (
                <ins key={`${at} ins`}>
                  <Shown text={text} isPart={at < pieces.length - 1} />
                </ins>
              ) : (
                <del key={`${at} del`}>
                  <Shown text={text} isPart={at < pieces.length - 1} />
                </del>
              ),
            )}
          </Line>
        ))}
        {was === is && <Alike change={change} />}
      </>
    );
  }
  return (
    <>
      {change.was !== undefined && (
        <Line kind="removed" label={label}>
          <Value value={change.was} />
        </Line>
      )}
      {change.is !== undefined && (
        <Line kind="added" label={change.was === undefined ? label : ''}>
          <Value value={change.is} />
        </Line>
      )}
      {change.before === change.after && <Alike change={change} />}
    </>
  );
}

/** What differs only in what cannot be seen is told in words, not left to the eye (T33). */
function Alike({ change }: { readonly change: ValueChange }) {
  return (
    <p class="alike">
      <Shown text={change.words} />
    </p>
  );
}

/** A value that did not change. */
export function SameRow({ row, configuration }: { readonly row: UnchangedRow; readonly configuration: JsonObject }) {
  return (
    <Line kind="same" label={labelOf(row.path, configuration)}>
      {valuePieces(row.is).map(({ kind, text }, index) =>
        kind === 'text' ? (
          <ShownLines key={`${index} text`} text={text} />
        ) : (
          <span key={`${index} ${kind}`} class={`tag tag-${kind}`} title={TAG_WORDS[kind]}>
            <Shown text={text} />
          </span>
        ),
      )}
    </Line>
  );
}
