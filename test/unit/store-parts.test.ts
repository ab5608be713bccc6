import { expect, it } from 'vitest';
import { atOnce, lazily } from '../../agent/src/stores/parts.ts';

const made: string[] = [];
const PARTS = [
  (db: string) => {
    made.push(`a of ${db}`);
    return { one: () => `${db} one`, both: () => 'earlier' };
  },
  (db: string) => {
    made.push(`b of ${db}`);
    return { two: () => `${db} two`, both: () => 'later' };
  },
] as const;

it('a part is made when a member of it is first asked for, once, and each object has its own', () => {
  const of = lazily<string, typeof PARTS>(PARTS);
  const [first, second] = [of('x'), of('y')];
  made.length = 0;
  expect([first.two(), first.two(), first.both(), made]).toEqual(['x two', 'x two', 'later', ['b of x']]);
  expect([second.one(), made]).toEqual(['y one', ['b of x', 'a of y']]);
  expect(Object.keys(atOnce<string, typeof PARTS>(PARTS, 'z')).sort()).toEqual(['both', 'one', 'two']);
});

it('an object made over one of parts may have a member in its place, and changes nothing of what is below', () => {
  const below = lazily<string, typeof PARTS>(PARTS)('x');
  const over: typeof below = Object.assign(Object.create(below), { one: () => `not ${below.one()}` });
  expect([over.one(), over.two(), below.one()]).toEqual(['not x one', 'x two', 'x one']);
});
