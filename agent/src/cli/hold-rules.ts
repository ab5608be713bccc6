import { namesInWords } from '../domain/names.ts';
import { printable } from '../domain/printable.ts';
import type { HoldDetail } from '../wire/api.ts';
import { personText } from './person-text.ts';
import { minute } from './render.ts';

const WHEN = {
  both: '',
  opened: ' (as it was when this was asked)',
  now: ' (asked for since by the policy)',
} as const satisfies Record<HoldDetail['rules'][number]['asked'], string>;

/** Each rule, who has voted, who can help, and what the reader's vote is and would be. */
export function rulesText(hold: HoldDetail): string {
  const { quorum } = hold;
  const rules = hold.rules.map((rule) => {
    const met = rule.have >= rule.need ? 'met' : 'open';
    const by = rule.voted.length > 0 ? ` (${namesInWords(rule.voted.map(personText))})` : '';
    const who = namesInWords(rule.eligible.map(personText), { total: rule.eligible_count });
    const help = met === 'met' ? '' : who === '' ? '; nobody can help: ask an administrator' : `; can help: ${who}`;
    const asks = rule.who === '' ? '' : `, ${rule.who}`;
    return `  ${met}  ${printable(`${rule.name}: ${rule.have} of ${rule.need}${asks}${by}${help}${WHEN[rule.asked]}`)}\n`;
  });
  const votes = hold.votes.map((vote) => {
    const comment = vote.comment === null || vote.comment === '' ? '' : `: ${vote.comment}`;
    const pin = vote.represented_as === null ? '' : `, for ${vote.represented_as}`;
    const lost = vote.counts ? '' : ' (counts no more)';
    return `  ${vote.decision}  ${printable(`${personText(vote.person)}, ${minute(vote.at)}${pin}${lost}${comment}`)}\n`;
  });
  const rejects =
    quorum === null || quorum.rejects.need < 2
      ? ''
      : `  ${quorum.rejects.have} of ${quorum.rejects.need} rejects that end it\n`;
  const together = quorum === null ? '' : `  ${printable(quorum.words)}\n`;
  return `Rules\n${rules.length > 0 ? rules.join('') : '  none: nobody can approve this\n'}${votes.join('')}${rejects}${together}  ${printable(ownText(hold))}\n`;
}

/** What the reader's vote is and would be. */
function ownText({ id, may_vote: may }: HoldDetail): string {
  if (may.voted === 'approve') return `You have approved it; "holdpoint withdraw ${id}" takes that back.`;
  const who = namesInWords(may.ask.map(personText), { word: 'or', total: may.ask_count });
  const ask = who === '' ? '' : ` Ask ${who}.`;
  if (!may.allowed) return `You may not vote on it: ${may.reason ?? 'the hub gives no reason'}.${ask}`;
  const others = may.rules.length > 1 ? ` ("--as RULE" chooses: ${may.rules.join(', ')})` : '';
  return may.rule === null
    ? 'You may vote on it.'
    : `You may vote on it: an approve would count for ${may.rule}${others}.`;
}
