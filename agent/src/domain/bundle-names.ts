import { list, object, personOf, personText } from './bundle-html.ts';
import type { Json, JsonObject } from './json.ts';

/** Where a person stands in a bundle, besides the votes. */
function peopleIn(predicate: JsonObject): readonly (Json | undefined)[] {
  const [hold, review, approval, deployment] = ['hold', 'review', 'approval', 'deployment'].map((name) =>
    object(predicate[name]),
  ) as [JsonObject, JsonObject, JsonObject, JsonObject];
  const votes = [review, approval, deployment].flatMap((of) => list(of.votes).map((vote) => object(vote).person));
  const commit = [object(object(predicate.facts).commit).people, review.people].flatMap(list);
  return [hold.trigger, review.trigger, approval.auto, object(deployment.started).person, ...votes, ...commit];
}

/** How people are called whom a bundle knows by number alone: as it names them elsewhere, with the number. */
export function namesIn(predicate: JsonObject): (id: Json | undefined) => string {
  const names = new Map<number, string>();
  const known = peopleIn(predicate).map(personOf);
  // Whoever has a name and a user name comes last, and stays; the name in a commit is what anybody may have typed.
  const rank = ({ username, name }: { username: string | null; name: string | null }) =>
    (username === null ? 0 : 2) + (name === null || name === username ? 0 : 1);
  for (const person of known.sort((a, b) => rank(a) - rank(b)))
    if (person.id !== null && rank(person) > 0) names.set(person.id, personText({ ...person }));
  for (const each of list(object(predicate.audit).rows)) {
    const told = /^user:([1-9]\d{0,14}) (.+)$/s.exec(String(object(object(each).row).actor));
    if (told !== null && !names.has(Number(told[1])))
      names.set(Number(told[1]), personText({ id: Number(told[1]), username: told[2]! }));
  }
  return (id) => names.get(Number(id)) ?? `user ${String(id)}`;
}
