import type { FaultRule } from '../support/fake-gitlab/types.ts';
import type { Disturbed } from './history.ts';
import { randomFrom } from './random.ts';
import type { Step } from './schedule.ts';
import { CERTIFICATES, type World } from './world.ts';

/** A fault that rages: what ends it, and whom it touches. */
export interface Raging {
  /** Ends it; resolves when what it touched is there again. */
  heal(): unknown;
  readonly touches: readonly Pick<Disturbed, 'who' | 'what'>[];
}

const NONSENSE: readonly Omit<FaultRule, 'match'>[] = [
  { how: 'garbage' },
  { how: 'truncate' },
  { how: 'cut-json' },
  { how: 'content-type' },
  { how: 'close-after-assign' },
  { how: 'duplicate' },
  { how: 'status', status: 200, body: '<html>502 Bad Gateway</html>' },
  { how: 'status', status: 201, body: '[]' },
  { how: 'slow', delayMs: 900 },
];
const ERRORS = [500, 502, 503, 429];

/** Lets one fault happen to a world; null where there was nothing that it could happen to. */
export function begin(world: World, step: Step): Raging | null {
  const { hosts, hubs, gitlab, postgres } = world;
  const host = hosts[step.target % hosts.length]!;
  const hub = hubs[step.target % hubs.length]!;
  const members = [...hosts.map(({ agent }) => agent), ...hubs.map(({ member }) => member)];
  const member = members[step.target % members.length]!;
  const touchesMember = [{ who: member.name.startsWith('hub') ? 'hub' : member.name, what: 'process' as const }];
  const wire = (what: Disturbed['what'], heal: () => void): Raging => ({ heal, touches: [{ who: host.name, what }] });
  const both = ['up', 'down'] as const;

  const restart = (signal: 'SIGKILL' | 'SIGTERM', of: 'agent' | 'hub'): Raging | null => {
    const one = of === 'agent' ? host.agent : hub.member;
    if (!one.isUp()) return null;
    const back = one.restart(signal, step.forMs);
    return { heal: () => back, touches: [{ who: of === 'agent' ? host.name : 'hub', what: 'process' }] };
  };
  const stand = (of: 'agent' | 'hub'): Raging | null => {
    const heal = (of === 'agent' ? host.agent : hub.member).stand();
    if (heal === null) return null;
    return { heal, touches: [{ who: of === 'agent' ? host.name : 'hub', what: of === 'agent' ? 'process' : 'hub' }] };
  };
  /** GitLab is one for all agents. */
  const gitlabFails = (rule: Omit<FaultRule, 'match'>): Raging => {
    const heal = gitlab.fail({ ...rule, match: (_method, path) => path.startsWith('/api/v4/job') });
    return { heal, touches: hosts.map(({ name }) => ({ who: name, what: 'gitlab' as const })) };
  };

  switch (step.kind) {
    case 'agent killed':
      return restart('SIGKILL', 'agent');
    case 'agent stopped':
      return restart('SIGTERM', 'agent');
    case 'agent stands':
      return stand('agent');
    case 'hub killed':
      return restart('SIGKILL', 'hub');
    case 'hub stopped':
      return restart('SIGTERM', 'hub');
    case 'hub stands':
      return stand('hub');
    case 'runner killed':
      host.killRunner();
      return wire('runner', () => {});
    case 'runner rests':
      host.rest(true);
      return wire('runner', () => host.rest(false));
    case 'link partition':
      return wire('hub', host.toHub.stall(both));
    case 'link deaf':
      return wire('hub', host.toHub.stall(['down']));
    case 'link mute':
      return wire('hub', host.toHub.stall(['up']));
    case 'link slow':
      return wire('hub', host.toHub.delay(step.amount, both));
    case 'link cut': {
      const heal = host.toHub.refuse();
      host.toHub.cut();
      return wire('hub', heal);
    }
    case 'link shuffled':
      return wire('hub', host.toHub.shuffle(both, randomFrom(step.amount)));
    case 'link moved': {
      const [next, home] = [hubs[(step.target + 1) % hubs.length]!, hub];
      host.toHub.retarget(Number(new URL(next.url).port));
      host.toHub.cut();
      return wire('hub', () => {
        host.toHub.retarget(Number(new URL(home.url).port));
        host.toHub.cut();
      });
    }
    case 'certificate expired': {
      const { good, expired } = CERTIFICATES();
      host.toHub.certificate(expired);
      host.toHub.cut();
      return wire('hub', () => host.toHub.certificate(good));
    }
    case 'gitlab partition':
      return wire('gitlab', host.toGitlab.stall(both));
    case 'gitlab slow':
      return wire('gitlab', host.toGitlab.delay(step.amount, both));
    case 'gitlab cut':
      host.toGitlab.cut();
      return wire('gitlab', () => {});
    case 'gitlab errors':
      return gitlabFails({ how: 'status', status: ERRORS[step.amount % ERRORS.length]!, body: '{"message":"no"}' });
    case 'gitlab nonsense':
      return gitlabFails(NONSENSE[step.amount % NONSENSE.length]!);
    case 'gitlab redirects':
      return gitlabFails({ how: 'redirect', headers: { Location: 'https://gitlab.invalid/api/v4/jobs/request' } });
    case 'gitlab silent': {
      // What it has not answered by the end it never answers: its connections end, as those of a restarted server do.
      const { heal, touches } = gitlabFails({ how: 'hang' });
      const cut = (): void => {
        for (const { toGitlab } of hosts) toGitlab.cut();
      };
      return { heal: () => [heal(), cut()], touches };
    }
    case 'runner partition':
      return wire('runner', host.toAgent.stall(both));
    case 'runner cut':
      host.toAgent.cut();
      return wire('runner', () => {});
    case 'clock jump':
      // It stays wrong until another jump, or until the storm is over.
      member.clock(step.amount);
      return { heal: () => {}, touches: touchesMember };
    case 'disk full': {
      const heal = member.fill();
      return heal === null ? null : { heal, touches: touchesMember };
    }
    case 'disk slow':
      member.flush(step.amount);
      return { heal: () => member.flush(0), touches: touchesMember };
    case 'database killed':
    case 'database stopped':
    case 'database partition':
    case 'database slow':
    case 'database failover':
    case 'database full':
    case 'standby stopped':
      return postgres === null ? null : database(world, step);
    default:
      return step.kind satisfies never;
  }
}

function database({ hubs, postgres, troubles }: World, step: Step): Raging | null {
  const touches = [{ who: 'hub', what: 'hub' as const }];
  const wire = hubs[step.target % hubs.length]!.toStore;
  if (postgres === null || wire === null) return null;
  const healedBy = (heal: (() => unknown) | null): Raging | null => (heal === null ? null : { heal, touches });
  /** One address for whichever server is the primary, as a hub.yml has it. */
  const leadTo = (port: number): void => {
    for (const { toStore } of hubs) {
      toStore?.retarget(port);
      toStore?.cut();
    }
  };
  switch (step.kind) {
    case 'database killed':
    case 'database stopped': {
      if (!postgres.isUp()) return null;
      const down = postgres.halt(step.kind === 'database killed' ? 'immediate' : 'fast');
      return { heal: () => down.then(() => postgres.start()), touches };
    }
    case 'database partition':
      return { heal: wire.stall(['up', 'down']), touches };
    case 'database slow':
      return { heal: wire.delay(step.amount, ['down']), touches };
    case 'database failover': {
      const standby = postgres.standbyPort();
      const promote = postgres.lose();
      if (promote === null || standby === null) return null;
      // Half of the times hubs are led to the standby while it still is one, and takes no writes.
      if (step.amount % 2 === 0) leadTo(standby);
      const heal = async (): Promise<void> => {
        await promote();
        if (step.amount % 2 === 1) leadTo(postgres.port());
        postgres.mirror().catch((error: unknown) => troubles.push(String(error)));
      };
      return { heal, touches };
    }
    case 'database full':
      return healedBy(postgres.fill());
    case 'standby stopped':
      return healedBy(postgres.dropStandby());
    default:
      return null;
  }
}
