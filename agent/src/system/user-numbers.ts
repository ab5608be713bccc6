import { readFileSync } from 'node:fs';
import { HoldpointError } from '../domain/errors.ts';

/** Names and numbers of a file like /etc/passwd; those of a directory service are asked for by number. */
function numbersIn(file: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    // Numbers can be named all the same.
  }
  for (const line of text.split('\n')) {
    const [name = '', , number = ''] = line.split(':');
    if (name !== '' && /^\d{1,10}$/.test(number)) found.set(name, Number(number));
  }
  return found;
}

/** Numbers of users or groups by name or number. Throws `bad_config` for a name that this host does not have: nobody must get its rights by accident. */
export function numbersOf(
  names: readonly string[],
  kind: 'user' | 'group',
  option: string,
  etc = '/etc',
): ReadonlySet<number> {
  const file = `${etc}/${kind === 'user' ? 'passwd' : 'group'}`;
  const known = names.some((name) => !/^\d+$/.test(name)) ? numbersIn(file) : new Map<string, number>();
  return new Set(
    names.map((name) => {
      const number = /^\d+$/.test(name) ? Number(name) : known.get(name);
      if (number !== undefined) return number;
      const words = `${option} names the ${kind} ${name}, which is not in ${file}: make it, or name it by number`;
      throw new HoldpointError('bad_config', words);
    }),
  );
}
