import type { Command } from 'commander';
import { reviewSchema } from '../../wire/api.ts';
import { connectHub, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { age, shortRef, table } from '../render.ts';

async function list(command: Command, { io, json }: CommandContext): Promise<void> {
  const all = command.opts<{ all?: boolean }>().all === true;
  const found = await connectHub(command, io).list('/api/v1/reviews', reviewSchema, all ? {} : { state: 'open' });
  const reviews = all ? found : found.filter((review) => review.state === 'open');
  if (json) return io.out(`${JSON.stringify({ items: reviews, next_cursor: null })}\n`);
  if (reviews.length === 0) {
    return io.out(
      all
        ? 'No Review was ever opened.\n'
        : 'No Review is open. "holdpoint reviews list --all" shows those that were answered.\n',
    );
  }
  const rows = reviews.map((review) => [
    String(review.id),
    review.state,
    age(io.now() - Date.parse(review.opened_at)),
    `${review.project_path ?? review.project_id} ${review.job}`,
    shortRef(review.ref),
    review.rules.map((rule) => `${rule.have}/${rule.need} ${rule.name}`).join(', ') || 'no rule',
    review.holds.join(' '),
  ]);
  const heads = [
    { title: 'ID', right: true },
    { title: 'STATE' },
    { title: 'AGE', right: true },
    { title: 'JOB', least: 12 },
    { title: 'REF', least: 6 },
    { title: 'RULES', least: 8 },
    { title: 'HOLDS', least: 5 },
  ];
  return io.out(table(heads, rows, io.columns));
}

/** `holdpoint reviews [list]`. */
export function define(command: Command, context: CommandContext): void {
  withHub(command.command('list', { isDefault: true }))
    .description('the questions that wait for an answer, with the Holds that wait for it')
    .option('--all', 'those that were answered as well')
    .action((_, own: Command) => list(own, context));
}
