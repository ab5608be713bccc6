import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ROOT } from './source-files.ts';

/** Alert rules as they are shipped. */
export const RULES: string = join(ROOT, 'agent/monitoring/holdpoint.rules.yml');
/** The dashboard as it is shipped. */
export const DASHBOARD: string = join(ROOT, 'agent/monitoring/dashboard.json');

export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook: string };
}

/** Every alert of the rules. */
export function alerts(): readonly Alert[] {
  const file = parse(readFileSync(RULES, 'utf8')) as { groups: { rules: Alert[] }[] };
  return file.groups.flatMap(({ rules }) => rules);
}

/** Every query of the dashboard with the panel that it is of. */
export function dashboardExpressions(): readonly (readonly [string, string])[] {
  interface Panel {
    readonly title: string;
    readonly targets?: readonly { readonly expr: string }[];
    readonly panels?: readonly Panel[];
  }
  const { panels } = JSON.parse(readFileSync(DASHBOARD, 'utf8')) as { panels: readonly Panel[] };
  const all = (list: readonly Panel[]): readonly Panel[] =>
    list.flatMap((panel) => [panel, ...all(panel.panels ?? [])]);
  return all(panels).flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const));
}

/** A metric that an expression reads, and the labels that it asks of it; value null for a pattern. */
export interface Selector {
  readonly name: string;
  readonly labels: readonly { readonly label: string; readonly value: string | null }[];
}

/** Labels that Prometheus gives each target. */
const TARGET = ['job', 'instance'];
const WORDS =
  /^(?:by|on|without|ignoring|and|or|unless|group_left|group_right|le|bool|offset|[smhdwy]|inf|nan|sum|min|max|avg|count|topk|job|instance)$/;

/** Metrics that an expression reads; labels of every target are left out. */
export function selectorsOf(expr: string): readonly Selector[] {
  // Lists of labels are no metrics; nor is what stands in quotes.
  const plain = expr.replace(/\b(?:by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ');
  const out: Selector[] = [];
  for (const match of plain.matchAll(/([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\}|\(|\[|)/g)) {
    const [, name = '', rest = ''] = match;
    const before = plain[(match.index ?? 0) - 1] ?? ' ';
    const inBraces = plain.slice(0, match.index).split('{').length > plain.slice(0, match.index).split('}').length;
    if (rest === '(' || WORDS.test(name) || inBraces || /[0-9$"'[]/.test(before)) continue;
    const labels = [...rest.matchAll(/([a-z_]+)\s*(=~|!=|!~|=)\s*"([^"]*)"/g)]
      .filter(([, label]) => !TARGET.includes(label ?? ''))
      .map(([, label = '', operator, value = '']) => ({ label, value: operator === '=' ? value : null }));
    out.push({ name, labels });
  }
  return out;
}
