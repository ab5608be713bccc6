import type Docker from 'dockerode';
import type { Leftover } from '../../ports/executor.ts';
import { unlessMissing } from './engine.ts';
import { isNamed, leftoverOf, nameOf, ROLE, SESSION } from './labels.ts';

/**
 * Everything on the engine that belongs to sessions, or to one of them: by label and name. A container has the labels of its image
 * as well, and who builds an image that the host runs for something else must not have it removed (T25).
 */
async function parts(engine: Docker, session?: string) {
  const filters = { label: [session === undefined ? SESSION : `${SESSION}=${session}`] };
  const [containers, networks, { Volumes: volumes }] = await Promise.all([
    engine.listContainers({ all: true, filters }),
    engine.listNetworks({ filters }),
    engine.listVolumes({ filters }),
  ]);
  const isOurs = (labels: Record<string, string> | undefined, name: string) => isNamed(labels?.[SESSION], name);
  return {
    containers: containers.filter(({ Labels, Names }) => Names.some((name) => isOurs(Labels, name.replace(/^\//, '')))),
    networks: networks.filter(({ Labels, Name }) => isOurs(Labels, Name)),
    volumes: (volumes ?? []).filter(({ Labels, Name }) => isOurs(Labels, Name)),
  };
}

/** Removes everything of a session: containers with their anonymous volumes, then what they held. */
export async function removeSession(engine: Docker, session: string): Promise<{ prepared: boolean }> {
  const { containers, networks, volumes } = await parts(engine, session);
  const prepared = containers.some(({ Labels }) => Labels[ROLE] === 'job');
  // The holder last: the others live in its network.
  const last = nameOf(session, 'holder');
  const [holder, others] = [true, false].map((is) =>
    containers.filter(({ Names }) => Names.some((name) => name.replace(/^\//, '') === last) === is),
  );
  const remove = ({ Id }: { Id: string }) => unlessMissing(engine.getContainer(Id).remove({ force: true, v: true }));
  await Promise.all((others ?? []).map(remove));
  await Promise.all((holder ?? []).map(remove));
  await Promise.all(networks.map(({ Id }) => unlessMissing(engine.getNetwork(Id).remove())));
  await Promise.all(volumes.map(({ Name }) => unlessMissing(engine.getVolume(Name).remove({ force: true }))));
  const left = await parts(engine, session);
  const names = [
    ...left.containers.map(({ Id }) => Id),
    ...left.networks.map(({ Name }) => Name),
    ...left.volumes.map(({ Name }) => Name),
  ];
  if (names.length > 0) throw new Error(`the container engine still has ${names.join(', ')}`);
  return { prepared };
}

/** Removes every session that is over. */
export async function sweepSessions(
  engine: Docker,
  isOver: (leftover: Leftover) => boolean,
): Promise<readonly Leftover[]> {
  const { containers, networks, volumes } = await parts(engine);
  const all = [...containers, ...networks, ...volumes].map(({ Labels }) => leftoverOf(Labels));
  const over = new Map(
    all.filter((each): each is Leftover => each !== null && isOver(each)).map((each) => [each.session, each]),
  );
  for (const session of over.keys()) await removeSession(engine, session);
  return [...over.values()];
}
