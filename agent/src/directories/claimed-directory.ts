import { type ClaimedPerson, joinClaims } from '../domain/claims.ts';
import type { Principals } from '../domain/principal.ts';
import type { Directory } from '../ports/directory.ts';

/**
 * A directory of plain lists, with those people beside it who are signed in and whom it does not name. For lists that
 * somebody keeps by hand: where a source can be asked for its members, it is asked, and no claim counts.
 */
export function claimedDirectory(
  principals: () => Principals,
  directory: (principals: () => Principals) => Directory,
  claimed: () => Promise<readonly ClaimedPerson[]>,
): Directory {
  let last: { readonly of: Principals; readonly people: string; readonly joined: Principals } | null = null;
  const refresh = async (): Promise<void> => {
    const signedIn = await claimed();
    const of = principals();
    const people = JSON.stringify(signedIn);
    // The same object while nothing has changed: what is derived from it is kept by that.
    if (last?.of !== of || last.people !== people) last = { of, people, joined: joinClaims(of, signedIn) };
  };
  const inner = directory(() => last?.joined ?? principals());
  const out: Record<string, unknown> = {};
  for (const [name, question] of Object.entries(inner) as [string, (...args: unknown[]) => unknown][]) {
    const isPlain = name === 'problem';
    out[name] = isPlain
      ? question
      : async (...args: unknown[]) => {
          await refresh();
          return question(...args);
        };
  }
  return out as unknown as Directory;
}
