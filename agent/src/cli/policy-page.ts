import { agoWords } from '../domain/policy-explain.ts';
import { printable } from '../domain/printable.ts';
import type { PolicyView } from '../wire/policy.ts';

/** The policy in force, for a terminal. */
export function policyPage(policy: PolicyView, now: number): string {
  const line = (at: number | null) => (at === null ? 'as shipped' : `line ${at}`);
  const lines: string[] = [];
  if (policy.problem !== null) {
    lines.push('!! The file as it is now is NOT in force; the last good one is:');
    for (const text of policy.problem.split('\n')) lines.push(`!!   ${text}`);
    lines.push('');
  }
  const read = policy.loaded_at === null ? '' : `, read ${agoWords(Date.parse(policy.loaded_at), now)}`;
  lines.push(`${policy.file ?? 'as shipped'}${read}`, `version ${policy.version}`, '', 'For all jobs');
  for (const { key, words, line: at } of policy.settings) lines.push(`  ${key}: ${words}  [${line(at)}]`);
  for (const entry of policy.entries) {
    lines.push('', `${entry.name} (${line(entry.line)}): ${entry.match}`);
    for (const { key, words } of entry.settings) lines.push(`  ${key}: ${words}`);
  }
  const list = (title: string, items: readonly { name: string; words: string; line: number | null }[]) => {
    if (items.length === 0) return;
    lines.push('', title);
    for (const { name, words, line: at } of items) lines.push(`  ${name} (${line(at)}): ${words}`);
  };
  list('Freeze windows', policy.freeze);
  list('Protected environments', policy.environments);
  lines.push('', 'Retention');
  for (const { key, words, line: at } of policy.retention) lines.push(`  ${key}: ${words}  [${line(at)}]`);
  if (policy.runners.length > 0) {
    lines.push('', 'Runners');
    for (const { runner, mode } of policy.runners) lines.push(`  ${runner}: at least ${mode}`);
  }
  for (const { agent, runner, wanted } of policy.lax_runners)
    lines.push(`!! runner ${runner} of agent ${agent} is gated less than the policy wants (${wanted})`);
  return `${lines.map(printable).join('\n')}\n`;
}
