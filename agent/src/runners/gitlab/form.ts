import { canonicalJson } from '../../domain/canonical-json.ts';
import { emptyObject } from '../../domain/empty-object.ts';
import { isJsonList, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import { cacheKeySegments, carryServerIndex } from './cache-keys.ts';
import { Cover, REMOVAL_TREE, type RemovalTree } from './cover.ts';
import { dynamicEnvironment } from './environment.ts';
import { createTagger } from './hmac.ts';
import { createIgnorable, type Ignorable } from './ignored.ts';
import { createKnownValues, credentialName, type KnownValues } from './known-values.ts';
import { elements, type PayloadFields, readFields } from './payload.ts';
import { holdsToken, reduceToken } from './reduced-token.ts';
import { asForm, type Budget, type Segment, wholeBudget } from './unexpansion.ts';
import { groupVariables, type VariableGroup } from './variables.ts';
import { ignoredGroups, Mentions, type VariableOutcome, variableOutcomes } from './variables-form.ts';

/** Name and version of the canonical form; a change that could move any digest is another version. */
export const FORM = 'holdpoint.configuration/v1';

/** What the form depends on beside the payload. */
export interface FormOptions {
  readonly variableKey: Uint8Array | null;
  readonly verifyIdToken: (jwt: string) => Record<string, Json> | null;
}

/** A payload in canonical form, with what was found on the way. */
export interface Form {
  readonly configuration: JsonObject;
  readonly payload: JsonObject;
  readonly fields: PayloadFields;
  readonly groups: ReadonlyMap<string, VariableGroup>;
  readonly ignorable: Ignorable;
  readonly variables: readonly VariableOutcome[];
  readonly cover: Cover;
  readonly budget: Budget;
}

/** Without user info, textually: up to the last `@` of the authority. */
export function withoutUserInfo(url: string): string {
  const start = url.indexOf('://') + 3;
  if (start < 3) return url;
  const length = url.slice(start).search(/[/?#]/);
  const end = length === -1 ? url.length : start + length;
  const at = url.lastIndexOf('@', end - 1);
  return at < start ? url : url.slice(0, start) + url.slice(at + 1);
}

function removalOf(name: string): RemovalTree | undefined {
  const below = REMOVAL_TREE.get(name);
  return below === 'removed' ? undefined : below;
}

/** The object without one of its members. */
function without(object: JsonObject, left: string): JsonObject {
  const copy = emptyObject();
  for (const name of Object.keys(object)) if (name !== left) copy[name] = object[name]!;
  return copy;
}

/** The members of the payload that stand in the form in another way than `cover.folded` writes them. */
class FormWriter {
  private readonly payload: JsonObject;
  private readonly fields: PayloadFields;
  private readonly cover: Cover;
  private readonly known: KnownValues;
  private readonly verifyIdToken: FormOptions['verifyIdToken'];

  constructor(payload: JsonObject, fields: PayloadFields, cover: Cover, known: KnownValues, options: FormOptions) {
    this.payload = payload;
    this.fields = fields;
    this.cover = cover;
    this.known = known;
    this.verifyIdToken = options.verifyIdToken;
  }

  write(name: string, value: Json): Json | undefined {
    switch (name) {
      case 'git_info':
        return this.gitInfo(value);
      case 'cache':
        return this.cache();
      case 'credentials':
        return this.credentials();
      case 'secrets':
        return this.secrets(value);
      case 'inputs':
        return this.inputs();
      case 'run':
        return value === null ? undefined : this.cover.whole(value);
      default:
        return this.cover.folded(value, removalOf(name));
    }
  }

  private gitInfo(value: Json): Json | undefined {
    if (!isJsonObject(value) || typeof value.repo_url !== 'string')
      return this.cover.folded(value, removalOf('git_info'));
    const clean = withoutUserInfo(value.repo_url);
    const changed = emptyObject();
    for (const name of Object.keys(value)) changed[name] = name === 'repo_url' ? clean : value[name]!;
    if (clean !== value.repo_url) this.cover.at('repo_url', () => this.cover.rewrite(clean, null));
    return this.cover.folded(changed, removalOf('git_info'));
  }

  private cache(): Json | undefined {
    const caches = elements(this.payload, 'cache');
    if (caches.length === 0) return undefined;
    const withoutIndex = carryServerIndex(caches);
    const key = (text: string): Json => {
      const at = this.cover.here;
      const isKey = at[2] === 'key' || at[2] === 'fallback_keys';
      // A secret across the places where a key is cut would not be found in the pieces.
      if (!isKey || this.known.elsewhere(text) !== null) return this.cover.text(text);
      const segments = cacheKeySegments(text, withoutIndex).flatMap((piece): readonly Segment[] => {
        const form = typeof piece === 'string' ? this.cover.text(piece) : [piece];
        return typeof form === 'string' ? [form] : (form as readonly Segment[]);
      });
      const after: Json = segments.every((piece) => typeof piece === 'string') ? segments.join('') : segments;
      return after === text ? text : this.cover.rewrite(after, null);
    };
    return caches.map((cache, index) => this.cover.at(index, () => this.cover.element(cache, undefined, key)));
  }

  private credentials(): Json | undefined {
    const list = elements(this.payload, 'credentials');
    if (list.length === 0) return undefined;
    const written = list.map((element, index) => {
      const credential = element as JsonObject;
      const covered = credential.password === this.fields.token ? without(credential, 'password') : credential;
      const form = this.cover.at(index, () =>
        this.cover.element(covered, undefined, (text) => {
          if (this.cover.here[2] !== 'password' || this.cover.here.length !== 3) return this.cover.text(text);
          if (text === '') return text;
          return this.cover.rewrite([this.known.tag(credentialName(credential.url), text)], null);
        }),
      );
      return { form, sort: [String(credential.url ?? ''), String(credential.username ?? '')] as const };
    });
    const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
    written.sort((a, b) => order(a.sort[0], b.sort[0]) || order(a.sort[1], b.sort[1]));
    return written.map((credential) => credential.form);
  }

  private secretText(text: string): Json {
    const reduced = reduceToken(text, this.fields, this.verifyIdToken, (claim) => asForm(claim, this.known.claims));
    if (reduced !== null) return this.cover.rewrite(reduced, null);
    const form = this.cover.template(text, this.known.everything);
    const isWhole = isJsonList(form) && form.length === 1;
    const here = this.cover.here;
    const unnamed = here.at(-1) === 'jwt' && text !== '' && !text.includes('$');
    // A token that could not be reduced is still a credential: it is covered, and not shown.
    if (isWhole || !(holdsToken(text) || unnamed)) return form;
    return this.cover.rewrite([this.known.tag(here.join('.'), text)], null);
  }

  private secrets(value: Json): Json | undefined {
    const form = this.cover.folded(value, undefined, (text) => this.secretText(text));
    if (!isJsonObject(form)) return form;
    for (const name of Object.keys(form)) {
      // Null and absent are true to the runner.
      const secret = form[name] as Record<string, Json>;
      secret.file ??= true;
    }
    return form;
  }

  private inputs(): Json | undefined {
    const list = elements(this.payload, 'inputs');
    if (list.length === 0) return undefined;
    return list.map((input, index) => {
      const { key, value } = input as JsonObject;
      if (!isJsonObject(value) || value.sensitive !== true) return this.cover.at(index, () => this.cover.whole(input));
      const copy = without(value, 'content');
      const outer = emptyObject();
      for (const name of Object.keys(input as JsonObject))
        outer[name] = name === 'value' ? copy : (input as JsonObject)[name]!;
      const form = this.cover.at(index, () => this.cover.whole(outer)) as Record<string, Json>;
      this.cover.hear(canonicalJson(value.content ?? null));
      const content = this.cover.at(index, () =>
        this.cover.at('value', () =>
          this.cover.at('content', () =>
            this.cover.rewrite([this.known.hashed(`inputs.${key ?? ''}`, value.content ?? null)], null),
          ),
        ),
      );
      (form.value as Record<string, Json>).content = content;
      return form;
    });
  }
}

/** Writes the canonical form of a payload that was read strictly. Throws PayloadRefusal. */
export function formOf(payload: JsonObject, options: FormOptions): Form {
  const fields = readFields(payload);
  const budget = wholeBudget();
  const groups = groupVariables(payload.variables);
  const ignorable = createIgnorable(fields, groups, budget);
  const tagger = createTagger(options.variableKey, fields.projectId, budget);
  const known = createKnownValues(payload, fields, groups, ignorable, tagger, budget);
  const mentions = new Mentions();
  const cover = new Cover(known.elsewhere, (text, inScript) => {
    if (!inScript) mentions.add(text);
  });
  const writer = new FormWriter(payload, fields, cover, known, options);

  const configuration = emptyObject();
  configuration.form = FORM;
  for (const name of Object.keys(payload)) {
    if (name === 'variables' || REMOVAL_TREE.get(name) === 'removed') continue;
    cover.name(name);
    const value = cover.at(name, () => writer.write(name, payload[name]!));
    if (value !== undefined) configuration[name] = value;
  }
  const ignored = ignoredGroups(groups, ignorable, mentions);
  const variables = cover.at('variables', () =>
    variableOutcomes(ignored, {
      fields,
      groups,
      ignorable,
      known,
      environment: dynamicEnvironment(groups, ignorable),
      cover,
      verifyIdToken: options.verifyIdToken,
    }),
  );
  const entries = variables.flatMap((outcome) => outcome.entries);
  if (entries.length > 0) configuration.variables = entries;
  return { configuration, payload, fields, groups, ignorable, variables, cover, budget };
}
