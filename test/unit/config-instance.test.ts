import { expect, it } from 'vitest';
import { AGENT_FILE, EXECUTOR_FILE, HUB_FILE } from '../../agent/src/config/file-kinds.ts';
import { instanceDefaults } from '../../agent/src/config/instance.ts';

it('looks for the state of holdpoint-agent@NAME where its unit keeps it, and for no other there', () => {
  expect(instanceDefaults(AGENT_FILE, '/etc/holdpoint/agent-two.yml')).toEqual({ state_dir: '/var/lib/holdpoint-two' });
  const others = [
    '/etc/holdpoint/agent.yml',
    '/etc/holdpoint/agent-.yml',
    '/root/agent-two.yml',
    '/etc/holdpoint/two.yml',
  ];
  for (const file of [...others, null]) expect(instanceDefaults(AGENT_FILE, file)).toEqual({});
  for (const kind of [HUB_FILE, EXECUTOR_FILE])
    expect(instanceDefaults(kind, '/etc/holdpoint/agent-two.yml')).toEqual({});
});
