import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { detailText, selfApprovalText } from './audit-detail-words.ts';
import { eventWords } from './audit-events.ts';
import {
  contents,
  escapeHtml,
  escapeLines,
  facts,
  folded,
  list,
  object,
  type Part,
  personText,
  section,
  table,
  words,
} from './bundle-html.ts';
import { namesIn } from './bundle-names.ts';
import { type BundlePlace, bundleSummary, bundleTitle, momentText } from './bundle-summary.ts';
import { toBase64 } from './dsse.ts';
import type { Json, JsonObject } from './json.ts';
import { policyShort } from './who-let-run.ts';

/**
 * A bundle as one page of plain HTML: for reading, proving nothing by itself. No script, nothing that is loaded, no link but within
 * itself and to the bundle that proves it;
 * everything in it is somebody's text and is escaped, and what deceives the eye is shown as its code point (T23, T33).
 */

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem;border-bottom:1px solid #bbb}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #ddd}
th{font-weight:600;white-space:nowrap}td{overflow-wrap:anywhere;min-width:5.5rem}pre{background:#f5f5f5;padding:.75rem;white-space:pre-wrap;overflow-wrap:anywhere}
.was::before{content:"- "}.is::before{content:"+ "}.was{background:#fdecea}.is{background:#e8f5e9}
code{overflow-wrap:anywhere}nav ul{columns:16rem;padding-left:1.2rem}summary{cursor:pointer}
@media print{details::details-content{content-visibility:visible}}`;

/** Nothing may run, load, be sent or be framed; the one style sheet is known by its hash. */
const POLICY = `default-src 'none'; style-src 'sha256-${toBase64(sha256(utf8ToBytes(STYLE)))}'; base-uri 'none'; form-action 'none'`;

const part = (title: string, body: string): Part => ({ title, body });

function votesTable(of: JsonObject): string {
  return table(
    ['when', 'who', 'vote', 'for', 'comment'],
    list(of.votes).map((each) => {
      const vote = object(each);
      const covers = [vote.lifetime, vote.scope, vote.covers].filter((part) => typeof part === 'string').join(', ');
      return [words(vote.at), personText(vote.person), words(vote.decision), covers, words(vote.comment)];
    }),
  );
}

function rulesTable(review: JsonObject): string {
  const rules = list(review.rules).map((each) => {
    const rule = object(each);
    return [words(rule.name), words(rule.count), words(rule.who)];
  });
  return table(['rule', 'people needed', 'of whom'], rules);
}

/** More than that fills more than a screen: what is new as a whole differs in every value. */
const MAX_OPEN_CHANGES = 10;

/** Section, path and words of a difference; what the words say already is not said before them. */
function changeText(parts: readonly string[]): string {
  return parts.filter((part, i) => !parts.slice(i + 1).some((later) => later.includes(part))).join(': ') || words(null);
}

function changesText(difference: JsonObject): string {
  const changes = list(difference.changes).map((each) => {
    const { section: of, path, words: said, before, after } = object(each);
    const side = (name: string, text: Json | undefined) =>
      typeof text === 'string' ? `<pre class="${name}">${escapeLines(text)}</pre>` : '';
    return `<p>${escapeHtml(changeText([of, path, said].map(words)))}</p>${side('was', before)}${side('is', after)}`;
  });
  const base = typeof difference.approval === 'number' ? `Compared with approval ${difference.approval}.` : '';
  const all = changes.join('\n');
  const shown = changes.length > MAX_OPEN_CHANGES ? folded(`All ${changes.length} differences`, all) : all;
  return `<p>${escapeHtml(`${base} ${words(difference.summary)}`.trim())}</p>${shown}`;
}

function auditText(audit: JsonObject, nameOf: (id: Json | undefined) => string): string {
  const rows = list(audit.rows).map((each) => object(object(each).row));
  const read = rows.map((row) => [
    words(row.seq),
    momentText(words(row.at)),
    words(row.actor).replace(/^user:([1-9]\d{0,14}) .*$/s, (_, id: string) => nameOf(Number(id))),
    eventWords(String(row.event)),
    detailText(object(row.detail), nameOf),
  ]);
  const written = rows.map((row) => {
    const from = [row.address, row.client].filter((part) => typeof part === 'string').join(', ');
    return [
      words(row.seq),
      words(row.at),
      words(row.actor),
      from,
      words(row.event),
      JSON.stringify(row.detail ?? null),
      policyText(row.policy),
    ];
  });
  return (
    table(['row', 'when (UTC)', 'who', 'what', 'in words'], read) +
    folded(
      'The same rows as they are written, with where they came from',
      table(['row', 'when', 'who', 'from', 'event', 'detail', 'policy'], written),
    )
  );
}

const policyText = (version: Json | undefined): string => (typeof version === 'string' ? policyShort(version) : '–');
/** People by number, each by name; null where there is no such list. */
const peopleText = (ids: Json | undefined, nameOf: (id: Json | undefined) => string): string | null =>
  ids === undefined || ids === null ? null : list(ids).map(nameOf).join('; ') || 'nobody is excluded';

/** The configuration, one member a line: the text that the digest covers has no white space. */
function configurationText(canonical: Json | undefined): string {
  let form: unknown = null;
  try {
    form = JSON.parse(String(canonical));
  } catch {
    return '<p>It cannot be read.</p>';
  }
  return folded('All of it, as the digest covers it', `<pre>${escapeLines(JSON.stringify(form, null, 2))}</pre>`);
}

function deploymentText(of: JsonObject, nameOf: (id: Json | undefined) => string): string {
  const { environment, started } = { environment: object(of.environment), started: object(of.started) };
  const about = facts([
    ['deployment', of.id],
    ['state', of.state],
    ['kind', of.kind],
    ['environment', environment.name],
    ['commit', of.sha],
    ['opened', of.created_at],
    ['approvals complete', of.approved_at],
    ['started by', of.started === undefined || of.started === null ? null : personText(started.person)],
    ['started', started.at],
    ['runner has it since', of.running_at],
    ['ended', of.finished_at],
    ['reason', of.reason],
    ['protected by', of.protected_by],
    ['may deploy', of.deploy_access],
    ['policy', of.policy === undefined ? null : policyText(of.policy)],
    ['may not approve', peopleText(of.excluded, nameOf)],
  ]);
  return about + rulesTable(of) + votesTable(of);
}

/** The page of a bundle's statement; `proof` says in words what was checked when the page was made. */
export function bundlePage(statement: JsonObject, proof: string, place: BundlePlace): string {
  const predicate = object(statement.predicate);
  const [subject] = list(statement.subject);
  const digest = `sha256:${words(object(object(subject).digest).sha256)}`;
  const [hold, review, approval] = [object(predicate.hold), object(predicate.review), object(predicate.approval)];
  const known = object(predicate.facts);
  const [commit, pipeline, environment] = [object(known.commit), object(known.pipeline), object(known.environment)];
  const title = bundleTitle(predicate);
  const nameOf = namesIn(predicate);
  const attempts = list(hold.attempts).map((each) => {
    const attempt = object(each);
    const { job_id, runner, agent, at, handed_out_at, ended_at, ended } = attempt;
    return [job_id, runner, agent, at, handed_out_at, ended_at, ended].map(words);
  });
  const parts: readonly Part[] = [
    ...bundleSummary(predicate, digest, { proof, place }),
    part(
      'What it was',
      facts([
        ['bundle of', predicate.about],
        ['state', hold.state],
        ['project', `${words(hold.project_path)} (${words(hold.project_id)}) on ${words(hold.instance)}`],
        ['job', hold.job],
        ['ref', `${words(hold.ref)} (${hold.ref_protected === true ? 'protected' : 'not protected'})`],
        ['environment', environment.name ?? hold.environment],
        ['tier', environment.tier],
        ['commit', commit.sha],
        ['its title', commit.title],
        ['its author, as the commit says', commit.author],
        ['pipeline', pipeline.id],
        ['it came of', pipeline.source],
        ['opened', hold.opened_at],
        ['ended', hold.ended_at],
        ['reason', hold.reason],
        ['bundle made', object(predicate.made).at],
        ['by', object(predicate.made).by],
        ['on', object(predicate.made).hub],
      ]),
    ),
    part('Runs', table(['job', 'runner', 'agent', 'since', 'handed out', 'ended', 'how'], attempts)),
    part(
      'What was asked',
      rulesTable(review) +
        facts([
          ['policy', review.policy === undefined ? null : policyText(review.policy)],
          ['self-approval', selfApprovalText(review.self_approval)],
          ['may not approve', peopleText(review.excluded, nameOf)],
          ['could not be told', review.unknown],
        ]),
    ),
    part('Votes', votesTable(review.votes === undefined ? approval : review)),
    part(
      'Approval',
      predicate.approval === null
        ? '<p>None.</p>'
        : facts([
            ['approval', approval.id],
            ['covers', approval.scope_words],
            ['lifetime', approval.lifetime],
            ['created', approval.created_at],
            ['times used', approval.times_used],
            ['policy', policyText(approval.policy)],
            ['revoked', object(approval.revoked).at],
            ['revoked by', object(approval.revoked).by],
            ['because', object(approval.revoked).reason],
          ]),
    ),
    ...(predicate.deployment === undefined || predicate.deployment === null
      ? []
      : [part('Deployment', deploymentText(object(predicate.deployment), nameOf))]),
    part('Difference to what was approved before', changesText(object(predicate.difference))),
    part('Rows of the audit', auditText(object(predicate.audit), nameOf)),
    part('Configuration', configurationText(predicate.canonical)),
  ];
  const head = `<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}"><meta name="referrer" content="no-referrer"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title><style>${STYLE}</style>`;
  return `<!doctype html>\n<html lang="en"><head>${head}</head>\n<body>\n<h1>${escapeHtml(title)}</h1>\n${contents(parts)}\n${parts.map(section).join('\n')}</body></html>\n`;
}
