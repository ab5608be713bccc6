import { diffConfigurations } from './configuration-diff.ts';
import { linesFor, type ToleranceLine, type Variant, withLine } from './proposal-lines.ts';
import { relax, type Tolerance } from './tolerate.ts';

/** What was seen of one job at one place, or is approved there already. */
export interface Seen extends Variant {
  readonly approved: boolean;
  readonly runs: number;
  /** Epoch ms of the newest run. */
  readonly lastAt: number;
}
/** What would have let all of it through. */
export interface JobProposal {
  readonly lines: readonly ToleranceLine[];
  /** Digests to approve, those with most runs first; each with the digests that are alike then. */
  readonly approve: readonly { readonly digest: string; readonly alike: readonly string[] }[];
}

/** Of a job with more configurations the newest are looked at: who changes it that often has to be asked each time. */
const MAX_VARIANTS = 60;
/** Pairs that are compared in search of a line; the first differs from each of so many. */
const MAX_PAIRS = 20;
/** More lines for one job are no tolerance but a hole. */
const MAX_LINES = 8;

/** The variants in groups of those that are alike under the tolerance. */
function groups(variants: readonly Seen[], tolerance: Tolerance): readonly (readonly Seen[])[] {
  const byText = new Map<string, Seen[]>();
  for (const variant of variants) {
    const { text } = relax(variant.configuration, tolerance, variant.run);
    byText.set(text, [...(byText.get(text) ?? []), variant]);
  }
  return [...byText.values()];
}

/** Approvals that are missing: groups of which nothing is approved. */
const missing = (grouped: readonly (readonly Seen[])[]): number =>
  grouped.filter((group) => !group.some(({ approved }) => approved)).length;

/** Lines that would make some of the groups alike, each worth as many approvals as it saves. */
function candidates(grouped: readonly (readonly Seen[])[]): readonly ToleranceLine[] {
  const [first, ...others] = grouped.map((group) => group[0]!);
  const found = new Map<string, ToleranceLine>();
  for (const other of others.slice(0, MAX_PAIRS)) {
    const changes = diffConfigurations(first!.configuration, other.configuration);
    for (const change of changes) {
      for (const line of linesFor(change, grouped.flat())) found.set(JSON.stringify(line), line);
    }
  }
  return [...found.values()];
}

/**
 * The smallest set that was found of approvals and `tolerate` lines that would have let these runs of one job through: a line
 * is taken where it saves more than one approval, the one that saves most first. Lines that only work together are found
 * when each of them alone changes nothing: then all that differ between two are tried at once.
 */
export function proposeForJob(seen: readonly Seen[], tolerance: Tolerance): JobProposal {
  const variants = [...seen].sort((a, b) => b.lastAt - a.lastAt).slice(0, MAX_VARIANTS);
  let best = { tolerance, lines: [] as readonly ToleranceLine[], grouped: groups(variants, tolerance) };
  while (best.lines.length < MAX_LINES && missing(best.grouped) > 1) {
    const single = candidates(best.grouped).map((line) => [line]);
    const together = single.length > 1 && single.length <= MAX_LINES - best.lines.length ? [single.flat()] : [];
    const tried = [...single, ...together].map((lines) => {
      const more = lines.reduce(withLine, best.tolerance);
      const grouped = groups(variants, more);
      return {
        tolerance: more,
        lines: [...best.lines, ...lines],
        grouped,
        saves: missing(best.grouped) - missing(grouped) - lines.length,
      };
    });
    const next = tried.sort((a, b) => b.saves - a.saves)[0];
    if (next === undefined || next.saves < 1) break;
    best = next;
  }
  const open = best.grouped.filter((group) => !group.some(({ approved }) => approved));
  const runsOf = (group: readonly Seen[]) => group.reduce((sum, { runs }) => sum + runs, 0);
  return {
    lines: best.lines,
    approve: [...open]
      .sort((a, b) => runsOf(b) - runsOf(a))
      .map((group) => {
        const [newest, ...others] = [...group].sort((a, b) => b.lastAt - a.lastAt);
        return { digest: newest!.digest, alike: others.map(({ digest }) => digest) };
      }),
  };
}

/** The lines as the `tolerate` section of a policy, for one entry; null without any. Every name is quoted: YAML reads some words as others. */
export function tolerateYaml(lines: readonly ToleranceLine[], existing: Tolerance): string | null {
  if (lines.length === 0) return null;
  const t = lines.reduce(withLine, existing);
  const quoted = (text: string): string => JSON.stringify(text);
  const list = (texts: readonly string[]): string => `[${texts.map(quoted).join(', ')}]`;
  const map = (entries: Readonly<Record<string, string>>): string =>
    `{ ${Object.entries(entries)
      .map(([name, value]) => `${quoted(name)}: ${quoted(value)}`)
      .join(', ')} }`;
  const { variables: v } = t;
  const values = [...(v.masked ? ['masked'] : []), ...v.values];
  const inVariables = [
    ...(values.length > 0 ? [`  values: ${list(values)}`] : []),
    ...(v.ambient.length > 0 ? [`  ambient: ${list(v.ambient)}`] : []),
    ...(Object.keys(v.shapes).length > 0 ? [`  shapes: ${map(v.shapes)}`] : []),
    ...(Object.keys(v.templates).length > 0 ? [`  templates: ${map(v.templates)}`] : []),
  ];
  return [
    ...(t.fields.length > 0 ? [`fields: ${list(t.fields)}`] : []),
    ...(inVariables.length > 0 ? ['variables:', ...inVariables] : []),
    ...(t.dependencies.length > 0 ? [`dependencies: ${list(t.dependencies)}`] : []),
    ...(t.images.length > 0 ? [`images: ${list(t.images)}`] : []),
    ...(t.cacheIndex ? ['cache_index: true'] : []),
  ].join('\n');
}
