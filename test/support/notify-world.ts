import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ChannelConfig } from '../../agent/src/domain/notify/channel.ts';
import {
  type Escalation,
  NO_NOTIFY,
  type NotifyPolicy,
  type NotifyRoute,
} from '../../agent/src/domain/notify/notify-policy.ts';
import { DEFAULT_POLICY, type Policy } from '../../agent/src/domain/policy.ts';
import type { HubOptions } from '../../agent/src/hub/hub.ts';
import { openChannels } from '../../agent/src/notify/open.ts';
import { openStore } from '../../agent/src/stores/store.ts';
import { createClock } from '../../agent/src/system/clock.ts';
import { eventually, startHub, type TestHub } from './hub-server.ts';
import { PEOPLE } from './hub-world.ts';
import { type MailServer, type Receiver, startMailServer, startReceiver } from './receivers.ts';

/** Key that web hooks of the tests are signed with. */
export const HOOK_SECRET = 'a-secret-that-nobody-guesses-0001';

/** The people of the world, each with an address. */
export const REACHABLE = {
  ...PEOPLE,
  users: PEOPLE.users.map((user) => ({ ...user, emails: [`${user.username}@example.com`] })),
};

export const route = (more: Partial<NotifyRoute> = {}): NotifyRoute => ({
  name: 'all',
  match: {},
  severity: 'info',
  channels: ['mail'],
  to: ['approvers', 'trigger', 'owner'],
  also: [],
  digestMs: 0,
  ...more,
});
export const escalation = (more: Partial<Escalation> = {}): Escalation => ({
  name: 'boss',
  match: {},
  afterMs: 4 * 3_600_000,
  channels: ['mail'],
  also: ['olga'],
  ...more,
});
/** The default policy, with this said about telling people. */
export const telling = (notify: Partial<NotifyPolicy>, more: Partial<Policy> = {}): Policy => ({
  ...DEFAULT_POLICY,
  ...more,
  version: JSON.stringify([notify, more]),
  notify: { ...NO_NOTIFY, ...notify },
});

/** A hub with a mail server and a receiver of web hooks beside it: `mail`, `hook`, `other` and `chat` are its channels. */
export interface NotifyWorld {
  readonly test: TestHub;
  readonly mail: MailServer;
  readonly hook: Receiver;
  readonly other: Receiver;
  /** Turns the clock by more than the worker's own pause, and waits for what holds then. */
  until<T>(look: () => T | Promise<T>, holds: (seen: T) => boolean, turnMs?: number): Promise<T>;
  /** Subjects of the mails to this person so far, `[Holdpoint] ` left out. */
  subjectsOf(username: string): string[];
  /** Types of the events that the web hook was sent, each with its id. */
  events(): { type: string; id: string; data: Record<string, unknown> }[];
  close(): Promise<void>;
}

const TICK_MS = 15_001;
/** On a machine that others use, too. */
const WITHIN_MS = 15_000;

export async function notifyWorld(
  folder: string,
  options: Partial<HubOptions> & {
    readonly storePath?: string;
    readonly says?: Policy;
    /** So long nobody looked at what happened. */
    readonly sleptMs?: number;
    readonly mail?: MailServer;
    readonly hook?: Receiver;
    readonly channels?: readonly ChannelConfig[];
  } = {},
): Promise<NotifyWorld> {
  const mail = options.mail ?? (await startMailServer());
  const hook = options.hook ?? (await startReceiver());
  const other = await startReceiver();
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const secretFile = file('secret', HOOK_SECRET);
  const channels: readonly ChannelConfig[] = options.channels ?? [
    {
      name: 'mail',
      kind: 'email',
      host: '127.0.0.1',
      port: mail.port,
      security: 'none',
      from: 'holdpoint@example.com',
      username: null,
      passwordFile: null,
      ca: null,
    },
    { name: 'hook', kind: 'webhook', url: hook.url, secretFile, ca: null },
    { name: 'other', kind: 'webhook', url: other.url, secretFile, ca: null },
    { name: 'chat', kind: 'mattermost', urlFile: file('chat', `${other.url}/chat`), ca: null },
    { name: 'notes', kind: 'gitlab' },
  ];
  const senders = openChannels(
    channels,
    (path) => () => (path === secretFile ? HOOK_SECRET : `${other.url}/chat`),
    createClock(),
    1_000,
  );
  const { storePath, says, sleptMs = 0, mail: _, hook: __, channels: ___, ...more } = options;
  const store = await openStore({ path: storePath ?? ':memory:' });
  const test = await startHub({
    store,
    externalUrl: 'https://hub.example.com',
    notify: { channels, senders },
    ...more,
  });
  test.world.people = REACHABLE;
  if (says !== undefined) test.world.policy = says;
  test.world.clock.advance(sleptMs);
  // What happened before the first look is never told.
  await eventually(
    async () => {
      test.world.clock.advance(TICK_MS);
      return store.noticeCursor();
    },
    (cursor) => cursor !== null,
  );
  return {
    test,
    mail,
    hook,
    other,
    until(look, holds, turnMs = TICK_MS) {
      return eventually(
        async () => {
          test.world.clock.advance(turnMs);
          return look();
        },
        holds,
        WITHIN_MS,
      );
    },
    subjectsOf: (username) =>
      mail.mails
        .filter(({ to }) => to.includes(`${username}@example.com`))
        .map(({ raw }) => /^Subject: (?:\[Holdpoint\] )?([^\r]*(?:\r\n[ \t][^\r]*)*)/m.exec(raw)?.[1] ?? '')
        .map((subject) => subject.replace(/\r\n[ \t]+/g, ' ')),
    events: () => hook.posted.map(({ body }) => JSON.parse(body)),
    async close() {
      await test.close();
      await Promise.all([
        other.close(),
        ...(options.mail === undefined ? [mail.close()] : []),
        ...(options.hook === undefined ? [hook.close()] : []),
      ]);
    },
  };
}
