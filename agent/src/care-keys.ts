/** Composition of `holdpoint keys`: which keys there are, and how each is put in the place of another. */
import { existsSync, readFileSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type AuditKeeper, checkpoint } from './app/checkpoint.ts';
import { variableKeyImpact } from './app/variable-key-rotation.ts';
import { type Kept, keyFilesOf, lockOf, remoteOf } from './care.ts';
import {
  finishSealRotation,
  type Lot,
  lockedLot,
  NO_STEPS,
  note,
  type OnStep,
  type Rotation,
  sealedFiles,
  withStore,
} from './care-seal.ts';
import type { KeyKind, KeyReport, KeyView } from './cli/parts.ts';
import type { AgentConfig, HubConfig } from './config/load.ts';
import { readPolicy } from './directories/policy-file.ts';
import { HoldpointError } from './domain/errors.ts';
import { pemOf } from './domain/hub-key.ts';
import { signRotation } from './domain/key-rotation.ts';
import { DEFAULT_POLICY } from './domain/policy.ts';
import { variableKeyId } from './domain/variable-tag.ts';
import type { Store } from './ports/store.ts';
import { auditWitness } from './system/audit-witness.ts';
import { hubKeyOf, openHubKey, verifySignature } from './system/hub-key.ts';
import { makeNextKey, nextKeyFile, openKeyFile, takeNextKey } from './system/key-file.ts';
import { requireOwner } from './system/state-files.ts';

/** Something that tells two keys apart and says nothing of them. */
function fingerprint(kind: KeyKind, key: Uint8Array): string {
  return kind === 'hub' ? hubKeyOf(key).keyid : variableKeyId(key);
}

/** The keys of an agent, or of a hub alone; never their text. */
export function listKeys(config: Kept): readonly KeyView[] {
  requireOwner(config.stateDir);
  // With a hub elsewhere this one has the seal key alone. That of recordings is kept as long as they are, and never replaced.
  const files = keyFilesOf(config).flatMap(([kind, path]) =>
    kind !== 'recordings' && (remoteOf(config) === null || kind === 'seal') ? [[kind, path] as const] : [],
  );
  return [...files].sort().map(([kind, path]) => {
    if (!existsSync(path))
      throw new HoldpointError('not_found', `${kind} key ${path} is not there: has it been started?`);
    const key = openKeyFile(path, `${kind} key`, `keys.${kind}`);
    return {
      kind,
      path,
      id: fingerprint(kind, key),
      since: statSync(path).mtimeMs,
      publicKey: kind === 'hub' ? pemOf(hubKeyOf(key).publicKey) : null,
      interrupted: existsSync(nextKeyFile(path)),
    };
  });
}

/** Puts a new key in the place of an old one, while no agent or hub runs; `dryRun` only says what it would do. */
export async function rotateKey(
  config: Kept,
  kind: KeyKind,
  options: { readonly dryRun: boolean; readonly now: number; readonly onStep?: OnStep },
): Promise<KeyReport> {
  requireOwner(config.stateDir);
  const before = listKeys(config).find((key) => key.kind === kind);
  if (before === undefined) {
    const remote = remoteOf(config);
    throw new HoldpointError(
      'wrong_state',
      remote === null
        ? `a hub alone has no ${kind} key: agents have one each`
        : `the ${kind} key is the hub's, at ${remote.url}: this agent has none`,
    );
  }
  const rotation = { config, now: options.now, step: options.onStep ?? NO_STEPS };
  const lot = isAgent(config) ? await lockedLot(config, options.dryRun) : null;
  const release = isAgent(config) || options.dryRun ? null : await lockedHub(config);
  try {
    const isShared = kind !== 'seal' && !options.dryRun;
    if (isShared)
      await withStore(config, (store) => requireNoHub(store, 'stop it first, and all others on this store'));
    const done = await ROTATE[kind](rotation, options.dryRun, lot);
    if (isShared)
      await withStore(config, (store) =>
        requireNoHub(
          store,
          `the ${kind} key is rotated, and that one began with the old one: stop it, and start it with the new one`,
        ),
      );
    const after = options.dryRun ? null : listKeys(config).find((key) => key.kind === kind)!;
    return { kind, dryRun: options.dryRun, from: before.id, to: after?.id ?? null, ...done };
  } finally {
    await lot?.close();
    await release?.();
  }
}

/** The lock of a hub alone. Throws `wrong_state` while it runs. */
async function lockedHub(config: HubConfig): Promise<() => Promise<void>> {
  const release = await lockOf(config);
  if (release !== null) return release;
  throw new HoldpointError(
    'wrong_state',
    `the hub of ${config.stateDir} runs: stop it first ("systemctl stop holdpoint-hub"); what agents have parked stays parked`,
  );
}

/** Throws `wrong_state` while a hub uses the store: it would go on with the old key. */
async function requireNoHub(store: Store, way: string): Promise<void> {
  const others = await store.others();
  if (others.length === 0) return;
  throw new HoldpointError('wrong_state', `a hub runs on this store, at ${others.join(' and ')}: ${way}`);
}

const isAgent = (config: Kept): config is AgentConfig => 'runners' in config;

type Rotated = Pick<KeyReport, 'sealed' | 'impact' | 'publicKey'>;
const NOTHING: Rotated = { sealed: null, impact: null, publicKey: null };

const ROTATE: Readonly<Record<KeyKind, (of: Rotation, dryRun: boolean, lot: Lot | null) => Promise<Rotated>>> = {
  async seal({ config, ...more }, dryRun, lot) {
    if (!isAgent(config)) throw new HoldpointError('internal', 'a hub alone seals nothing');
    const of = { ...more, config };
    const sealed = sealedFiles(config).length;
    if (dryRun) return { ...NOTHING, sealed };
    // Closed at once: from here on it is opened with both keys.
    await lot?.close();
    of.step('next');
    makeNextKey(of.config.keys.seal, 'seal key', 'keys.seal');
    return { ...NOTHING, sealed: await finishSealRotation(of) };
  },
  async hub(of, dryRun) {
    if (dryRun) return NOTHING;
    await withStore(of.config, requireNoOtherAgents);
    of.step('next');
    const next = hubKeyOf(makeNextKey(of.config.keys.hub, 'hub key', 'keys.hub'));
    await withStore(of.config, (store) => handOver(of, store, next));
    of.step('take');
    takeNextKey(of.config.keys.hub);
    return { ...NOTHING, publicKey: pemOf(next.publicKey) };
  },
  async variable(of, dryRun) {
    return withStore(of.config, async (store) => {
      const { policy } = of.config;
      const inForce = policy === null ? DEFAULT_POLICY : readPolicy(readFileSync(policy, 'utf8'), policy);
      const impact = await variableKeyImpact(store, inForce, of.now);
      if (dryRun) return { ...NOTHING, impact };
      if (impact.open.length > 0) {
        throw new HoldpointError(
          'wrong_state',
          `${impact.open.length} open holds have hidden values under the old key (${impact.open.slice(0, 10).join(', ')}): decide on them or cancel them first; start the agent again for that`,
        );
      }
      of.step('next');
      const next = makeNextKey(of.config.keys.variable, 'variable key', 'keys.variable');
      of.step('audit');
      const ids = (list: readonly { readonly id: number }[]) => list.map(({ id }) => id).slice(0, 1_000);
      const to = fingerprint('variable', next);
      const detail = {
        to,
        kept: impact.kept,
        tolerated: ids(impact.tolerated),
        asked_again: ids(impact.lost),
        denials: impact.denials.slice(0, 1_000),
      };
      await note(store, of.now, 'variable_key_rotated', detail, { kind: 'variable', fingerprint: to });
      of.step('take');
      takeNextKey(of.config.keys.variable);
      return { ...NOTHING, impact };
    });
  },
};

/** Agents of other machines know the hub by its key: they would take it for another one. Throws `wrong_state`. */
async function requireNoOtherAgents(store: Store): Promise<void> {
  const others = (await store.agents())
    .filter(({ enrolledAt, revokedAt }) => enrolledAt !== null && revokedAt === null)
    .map(({ name }) => name);
  if (others.length === 0) return;
  throw new HoldpointError(
    'wrong_state',
    `agents of other machines know this hub by its key (${others.slice(0, 10).join(', ')}): revoke them with "holdpoint agents revoke" first, and enrol them again afterwards`,
  );
}

/** Both keys sign the rotation; then the old one signs its last head, so that what it vouched for has an end. */
async function handOver({ config, now, step }: Rotation, store: Store, next: AuditKeeper['signer']): Promise<void> {
  const signer = openHubKey(config.keys.hub);
  step('audit');
  const [last] = await store.auditRows(
    { events: ['hub_key_rotated'], sight: null },
    { after: 0, limit: 1, newest: true },
  );
  if ((last?.detail as { to?: unknown } | undefined)?.to !== next.keyid)
    await note(store, now, 'hub_key_rotated', signRotation(signer, next, now), {
      kind: 'hub',
      fingerprint: next.keyid,
    });
  step('head');
  const witness = auditWitness(join(config.stateDir, 'audit-head.json'));
  await checkpoint({ store, clock: { now: () => now } }, { signer, verify: verifySignature, witness }, true);
}

/**
 * What an interrupted rotation left, brought to its end before an agent starts: the seal key's is finished, the hub key's is
 * finished where the audit has it, and a variable key that was not taken yet is forgotten.
 */
export async function finishRotations(config: Kept, now: number): Promise<readonly string[]> {
  const { keys } = config;
  const finished: string[] = [];
  const of = { config, now, step: NO_STEPS };
  if (isAgent(config) && existsSync(nextKeyFile(config.keys.seal)) && existsSync(config.keys.seal)) {
    await finishSealRotation({ ...of, config });
    finished.push('the rotation of the seal key was interrupted: it is finished');
  }
  const own = remoteOf(config) === null;
  for (const kind of own ? (['hub', 'variable'] as const) : []) {
    const path = nextKeyFile(keys[kind]);
    if (!existsSync(path) || !existsSync(keys[kind])) continue;
    const isNoted = await withStore(config, async (store) => {
      const events = [`${kind}_key_rotated`];
      const [last] = await store.auditRows({ events, sight: null }, { after: 0, limit: 1, newest: true });
      const next = openKeyFile(path, `next ${kind} key`, `keys.${kind}`);
      return (last?.detail as { to?: unknown } | undefined)?.to === fingerprint(kind, next);
    });
    if (isNoted) takeNextKey(keys[kind]);
    else unlinkSync(path);
    finished.push(
      `the rotation of the ${kind} key was interrupted: it is ${isNoted ? 'finished' : 'undone, nothing had been signed or hashed with it'}`,
    );
  }
  return finished;
}
