import { HoldpointError } from '../../domain/errors.ts';
import { addressOf, type ChannelKinds, type Delivery } from '../../domain/notify/delivery.ts';
import { noticeOf } from '../../domain/notify/notice.ts';
import { byCaller, type Caller, type HubContext } from '../hub-context.ts';
import { settle } from '../settle.ts';

/** Puts dead deliveries back into the outbox: one, or all of them (of a channel). Answers how many. Rejects with `not_found`, `wrong_state`. */
export async function retryDeliveries(
  context: HubContext,
  caller: Caller,
  which: { readonly id: number } | { readonly channel: string | null },
): Promise<number> {
  const now = context.clock.now();
  return settle(context, { ...byCaller(caller), now, policy: await context.policy() }, async (s) => {
    const again = async (delivery: Delivery) => {
      await s.tx.updateDelivery({ ...delivery, state: 'waiting', tries: 0, dueAt: now });
    };
    let count = 0;
    if ('id' in which) {
      const delivery = await s.tx.delivery(which.id);
      if (delivery === null) throw new HoldpointError('not_found', `there is no notification ${which.id}`);
      if (delivery.state !== 'dead')
        throw new HoldpointError(
          'wrong_state',
          `notification ${which.id} is ${delivery.state}: only dead ones are retried`,
        );
      await again(delivery);
      count = 1;
    } else {
      const of = which.channel === null ? {} : { channel: which.channel };
      for (let after = 0; ; ) {
        const dead = await s.tx.deliveries({ states: ['dead'], ...of }, { after, limit: 500 });
        for (const delivery of dead) await again(delivery);
        count += dead.length;
        if (dead.length < 500) break;
        after = dead.at(-1)!.id;
      }
    }
    await s.audit(
      'notifications_retried',
      {},
      { count, ...('id' in which ? { delivery: which.id } : { channel: which.channel }) },
    );
    return count;
  });
}

/** Sends a test through a channel; mail to whoever asks. Answers the id of the delivery. Rejects with `not_found`, `bad_input`. */
export async function testChannel(
  context: HubContext,
  channels: ChannelKinds,
  caller: Caller,
  channel: string,
): Promise<number> {
  const kind = channels.get(channel);
  const names = [...channels.keys()].join(', ') || 'none';
  if (kind === undefined)
    throw new HoldpointError('not_found', `there is no channel ${channel}: hub.notify defines ${names}`);
  if (kind === 'gitlab')
    throw new HoldpointError(
      'bad_input',
      `channel ${channel} writes notes of merge requests: there is nothing to test it on`,
    );
  const address = addressOf(caller.person.emails);
  if (kind === 'email' && address === null)
    throw new HoldpointError(
      'bad_input',
      `nobody knows a mail address of ${caller.person.username}: principals.yaml lists "emails"`,
    );
  const now = context.clock.now();
  const key = `test-${Buffer.from(context.random(9)).toString('base64url')}`;
  const id = await settle(context, { ...byCaller(caller), now, policy: await context.policy() }, async (s) => {
    const by = caller.person.username;
    const notice = await s.tx.insertNotice(noticeOf(key, 'test', now, { by, reason: `channel ${channel}` }));
    if (notice === null) throw new HoldpointError('hold_conflict', 'try again');
    const delivery = await s.tx.insertDelivery({
      ...{ notice, channel, cause: null, createdAt: now, dueAt: now, state: 'waiting', lastError: null },
      target: kind === 'email' ? (address ?? '') : '',
      person: kind === 'email' ? caller.person.id : null,
    });
    await s.audit('notified', {}, { notice: 'test', channel, delivery });
    return delivery;
  });
  return id;
}
