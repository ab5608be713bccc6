import { useEffect } from 'preact/hooks';
import type { AgentView } from '../../../../src/wire/api.ts';
import type { PolicyView } from '../../../../src/wire/policy.ts';
import { ask } from '../../lib/ask.ts';
import { onLive } from '../../lib/live.ts';
import { useLoad } from '../../lib/load.ts';
import { useTitle } from '../../lib/title.ts';
import { Chip } from '../../ui/chip.tsx';
import { Fact } from '../../ui/fact.tsx';
import { Notice, Pending } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';
import { Findings } from './findings.tsx';

async function read(signal: AbortSignal) {
  const [agents, policy] = await Promise.all([
    ask<{ readonly items: readonly AgentView[] }>('GET', 'agents', undefined, signal),
    // Not everybody may read the policy: the agents are shown all the same.
    ask<PolicyView>('GET', 'policy', undefined, signal).catch(() => null),
  ]);
  return { agents: agents.items, lax: policy?.lax_runners ?? [] };
}

/** How it is with all of them, before the first is read. */
function Overview({ agents }: { readonly agents: readonly AgentView[] }) {
  const away = agents.filter(({ connected }) => !connected).length;
  const parked = agents.reduce((sum, one) => sum + one.parked, 0);
  const open = agents.flatMap(({ runners }) => runners.filter((runner) => !runner.protected)).length;
  const blocked = agents.filter(({ problems, warnings }) => problems.length + warnings.length > 0).length;
  const parts = [
    `${agents.length} ${agents.length === 1 ? 'agent' : 'agents'}`,
    ...(away === 0 ? [] : [`${away} away`]),
    ...(blocked === 0 ? [] : [`${blocked} with problems`]),
    `${parked} ${parked === 1 ? 'job' : 'jobs'} parked`,
    `${open} ${open === 1 ? 'runner' : 'runners'} not gated`,
  ];
  return <p>{parts.join(', ')}</p>;
}

/** How far a clock is off; below a second it is the way that the word took. */
function skewWords(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1_000);
  if (seconds === 0) return "the hub's time";
  return `${seconds} ${seconds === 1 ? 'second' : 'seconds'} ${ms > 0 ? 'ahead of' : 'behind'} the hub`;
}

function Agent({ agent, lax }: { readonly agent: AgentView; readonly lax: ReadonlySet<string> }) {
  const { name, connected, since, version, runners, parked, problems } = agent;
  const open = runners.filter((runner) => !runner.protected);
  return (
    <section class="box" aria-labelledby={`agent-${name}`}>
      <h2 id={`agent-${name}`}>
        <Shown text={name} /> {connected ? <Chip tone="go">Connected</Chip> : <Chip tone="stop">Away</Chip>}
      </h2>
      {!connected && (
        <p>
          {agent.revoked_at === null
            ? 'Its jobs wait, or run on what was approved, as its grace allows.'
            : 'It was revoked, and is refused.'}
        </p>
      )}
      <dl class="facts">
        {since !== null && (
          <Fact words={connected ? 'Connected since' : 'Last heard of'}>
            <Time at={since} />
          </Fact>
        )}
        {version !== null && (
          <Fact words="Version">
            <Shown text={version} />
          </Fact>
        )}
        {agent.snapshot !== null && (
          <Fact words="Goes by, without the hub">
            snapshot {agent.snapshot.seq}, heard <Time at={agent.snapshot.heard_at} />
          </Fact>
        )}
        {agent.snapshot !== null && (
          <Fact words="Its policy">
            <Shown text={agent.snapshot.policy.slice(0, 15)} />
            {agent.snapshot.policy_in_force ? ', in force here' : ', not the one in force here'}
          </Fact>
        )}
        {agent.clock_skew_ms !== null && <Fact words="Its clock">{skewWords(agent.clock_skew_ms)}</Fact>}
        <Fact words="Jobs parked">{parked}</Fact>
        <Fact words="Runners">
          {runners.length - open.length} gated, {open.length} not
        </Fact>
      </dl>
      {problems.map((problem) => (
        <Notice key={problem.message} tone={problem.blocks ? 'bad' : 'warn'}>
          <Shown text={problem.message} />
        </Notice>
      ))}
      {agent.warnings.map((words) => (
        <Notice key={words} tone="warn">
          <Shown text={words} />
        </Notice>
      ))}
      <ul class="plain-list">
        {runners.map((runner) => (
          <li key={runner.name}>
            <Shown text={runner.name} />{' '}
            {runner.protected ? <Chip tone="go">Gated</Chip> : <Chip tone="warn">Not gated</Chip>}
            {lax.has(runner.name) && <Chip tone="stop">The policy wants it gated</Chip>}
          </li>
        ))}
        {runners.length === 0 && <li class="quiet">It has told of no runner.</li>}
      </ul>
      {open.length > 0 && (
        <p class="quiet">
          Whatever can run on{' '}
          {open.length === 1 ? 'the runner that is not gated' : `the ${open.length} runners that are not gated`} is not
          looked at. One with the same tags as a gated one is a way around it.
        </p>
      )}
      <Findings agent={agent} />
    </section>
  );
}

/** Agents and the runners behind each: who guards, since when, and where there is a way around. */
export default function AgentsView() {
  useTitle('Agents');
  const found = useLoad('agents', read);
  const { again } = found;
  useEffect(() => onLive(({ type }) => (type === 'agent' || type === 'all') && again()), [again]);
  if (found.value === null) return <Pending what="agents" {...found} />;
  const { agents, lax } = found.value;
  return (
    <>
      <h1>Agents</h1>
      {agents.length > 0 && <Overview agents={agents} />}
      {agents.length === 0 && <p class="quiet">No agent has connected yet: nothing is guarded.</p>}
      {agents.map((agent) => (
        <Agent
          key={agent.name}
          agent={agent}
          lax={new Set(lax.filter((one) => one.agent === agent.name).map((one) => one.runner))}
        />
      ))}
    </>
  );
}
