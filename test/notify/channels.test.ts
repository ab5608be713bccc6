import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChannelConfig } from '../../agent/src/domain/notify/channel.ts';
import { type Notice, noticeOf } from '../../agent/src/domain/notify/notice.ts';
import { openChannels } from '../../agent/src/notify/open.ts';
import { signatureOf } from '../../agent/src/notify/webhook.ts';
import type { Channel } from '../../agent/src/ports/notifier.ts';
import { createClock } from '../../agent/src/system/clock.ts';
import {
  bodyOf,
  headerOf,
  type MailServer,
  type Receiver,
  startMailServer,
  startReceiver,
} from '../support/receivers.ts';
import { ROOT } from '../support/source-files.ts';

const BASE = 'https://holdpoint.example.com';
const NOW = Date.parse('2026-11-23T12:00:00Z');
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
/** Everything that a text could be taken for, by any of the channels. */
const HOSTILE =
  '</code><script>alert(1)</script> `x` <!channel> <@U123> @here @all [click](https://evil.example) <https://evil.example|ok> https://evil.example www.evil.example\r\nBcc: evil@example.com\n/close ![x](https://evil.example/p.png) *b* | & \u202e';

const notice = (more: Partial<Notice> = {}): Notice =>
  noticeOf('audit-7', 'review_opened', NOW, {
    project: { id: 4242, path: 'acme/payments/api' },
    job: 'deploy',
    ref: 'refs/heads/main',
    environment: 'production',
    hold: 12,
    review: 3,
    trigger: { id: 9, username: 'zoe' },
    changes: '2 script lines added; 40 leaves unchanged.',
    needs: '1 × maintainers (maintainer or higher)',
    helpers: ['maria', 'jonas'],
    path: '/holds/12',
    ...more,
  });

let folder: string;
let receiver: Receiver;
let mail: MailServer;
let channels: Channel[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-channels-'));
  receiver = await startReceiver();
  channels = [];
});
afterEach(async () => {
  await Promise.all(channels.map((channel) => channel.close()));
  await receiver.close();
  await mail?.close();
  rmSync(folder, { recursive: true });
});

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}
function open(config: ChannelConfig, callMs = 500): Channel {
  const [channel] = openChannels([config], (path) => () => readFileSync(path, 'utf8').trim(), createClock(), callMs);
  channels.push(channel!);
  return channel!;
}
const hook = () =>
  open({ name: 'hook', kind: 'webhook', url: `${receiver.url}/in?x=1`, secretFile: file('secret', SECRET), ca: null });
const send = (channel: Channel, ...notices: readonly Notice[]) => channel.send({ target: '', notices, base: BASE });

describe('a web hook', () => {
  it('is a CloudEvent in structured form, signed over its id, its time and its bytes', async () => {
    await send(hook(), notice());
    const [{ headers, body, path }] = receiver.posted as [(typeof receiver.posted)[number]];
    expect(path).toBe('/in?x=1');
    expect(headers['content-type']).toBe('application/cloudevents+json; charset=utf-8');
    const event = JSON.parse(body);
    expect(event).toMatchObject({
      specversion: '1.0',
      id: 'audit-7',
      source: BASE,
      type: 'holdpoint.review_opened',
      subject: 'holds/12',
      time: '2026-11-23T12:00:00.000Z',
      datacontenttype: 'application/json',
      data: { severity: 'action', job: 'deploy', helpers: ['maria', 'jonas'], url: `${BASE}/holds/12` },
    });
    expect(headers['webhook-id']).toBe(event.id);
    expect(headers['idempotency-key']).toBe(event.id);
    const timestamp = Number(headers['webhook-timestamp']);
    expect(Math.abs(timestamp - Date.now() / 1_000)).toBeLessThan(60);
    const key = Buffer.alloc(32, 7);
    expect(headers['webhook-signature']).toBe(signatureOf(key, event.id, timestamp, body));
    expect(signatureOf(key, event.id, timestamp, `${body} `)).not.toBe(headers['webhook-signature']);
  });

  it('follows no redirect, and is not tried again for one', async () => {
    const elsewhere = await startReceiver();
    receiver.always((response) => response.writeHead(307, { location: `${elsewhere.url}/stolen` }).end());
    await expect(send(hook(), notice())).rejects.toMatchObject({
      again: false,
      message: expect.stringContaining('307'),
    });
    expect(elsewhere.posted).toEqual([]);
    await elsewhere.close();
  });

  it.each([
    [500, true],
    [503, true],
    [429, true],
    [408, true],
    [400, false],
    [401, false],
    [404, false],
    [410, false],
  ])('that answers %i is tried again: %s', async (status, again) => {
    receiver.always(status);
    await expect(send(hook(), notice())).rejects.toMatchObject({ name: 'NotSent', again });
  });

  it('hears when it shall come again', async () => {
    receiver.always((response) => response.writeHead(503, { 'retry-after': '120' }).end());
    await expect(send(hook(), notice())).rejects.toMatchObject({ again: true, afterMs: 120_000 });
  });

  it('gives up a receiver that never answers, and one that is not there, without telling its address', async () => {
    receiver.always(() => {});
    const channel = hook();
    await expect(send(channel, notice())).rejects.toMatchObject({ again: true, message: 'no answer within 0.5 s' });
    await receiver.close();
    const gone = await send(channel, notice()).catch((error: Error) => error);
    expect(gone).toMatchObject({ again: true, message: 'no answer (ECONNREFUSED)' });
  });

  it('takes an answer that never ends for the answer that it is', async () => {
    receiver.always((response) => {
      response.writeHead(200);
      response.write('a');
    });
    await send(hook(), notice());
    expect(receiver.posted).toHaveLength(1);
  });

  it('is not sent under a secret that anybody could guess', async () => {
    const channel = open({
      name: 'h',
      kind: 'webhook',
      url: receiver.url,
      secretFile: file('short', 'hunter2'),
      ca: null,
    });
    await expect(send(channel, notice())).rejects.toMatchObject({ message: expect.stringContaining('at least 24') });
    expect(receiver.posted).toEqual([]);
  });
});

describe.each(['slack', 'mattermost'] as const)('an incoming web hook of %s', (kind) => {
  const chat = (address = `${receiver.url}/services/T0/B0/s3cret`) =>
    open({ name: 'chat', kind, urlFile: file('url', address), ca: null });
  const text = (): string => JSON.parse(receiver.posted.at(-1)!.body).text;

  it('gets what happened, who can help, and a link to the very page', async () => {
    await send(chat(), notice());
    expect(text()).toContain('An approval is wanted');
    expect(text()).toContain('`maria`, `jonas`');
    expect(text()).toContain(kind === 'slack' ? `<${BASE}/holds/12|Open hold 12>` : `[Open hold 12](${BASE}/holds/12)`);
  });

  it('T23 shows what others chose as text: no link, no mention, no mark-up, no other line', async () => {
    await send(
      chat(),
      notice({
        job: HOSTILE,
        ref: HOSTILE,
        environment: HOSTILE,
        reason: HOSTILE,
        changes: HOSTILE,
        helpers: [HOSTILE],
        by: HOSTILE,
      }),
    );
    const outside = text().replace(/`[^`]*`/g, '');
    expect(outside).not.toMatch(/evil|script|channel|here|@|close|U123/);
    // Its own links are the only ones: nothing ends the code that what was said stands in.
    expect(outside.match(/https?:/g)).toHaveLength(1);
    if (kind === 'slack') expect(text().match(/<[^>]*>/g)).toEqual([`<${BASE}/holds/12|Open hold 12>`]);
    expect(text()).not.toContain('\u202e');
    expect(text()).not.toMatch(/^(Bcc|\/close)/m);
  });

  it('gets many as one list with the page of each', async () => {
    const many = Array.from({ length: 20 }, (_, i) =>
      notice({ key: `audit-${i}`, hold: i + 1, path: `/holds/${i + 1}` }),
    );
    await send(chat(), ...many);
    expect(receiver.posted).toHaveLength(1);
    expect(text()).toContain('20 notifications');
    expect(text()).toContain('and 5 more');
    expect(text()).toContain(`${BASE}/holds/15`);
  });

  it('goes to no address in clear on another machine, and tells its address to nobody', async () => {
    for (const address of ['http://chat.example.com/hook', 'file:///etc/passwd', 'https://u:p@chat.example.com/']) {
      const failed = await send(chat(address), notice()).catch((error: Error) => error.message);
      expect(failed).toContain('no https:// address');
      expect(failed).not.toContain('chat.example.com');
    }
    receiver.always(500);
    const failed = await send(chat(), notice()).catch((error: Error) => error.message);
    expect(failed).not.toContain('s3cret');
  });
});

describe('mail', () => {
  const smtp = (more: Partial<Extract<ChannelConfig, { kind: 'email' }>> = {}): Channel =>
    open({
      name: 'mail',
      kind: 'email',
      host: 'localhost',
      port: mail.port,
      security: 'none',
      from: 'holdpoint@example.com',
      username: null,
      passwordFile: null,
      ca: null,
      ...more,
    });
  const to = (channel: Channel, ...notices: readonly Notice[]) =>
    channel.send({ target: 'maria@example.com', notices, base: BASE });
  it('has text and HTML, and headers by which programs know and group it', async () => {
    mail = await startMailServer();
    const channel = smtp();
    await to(channel, notice());
    await to(channel, notice({ key: 'audit-9', event: 'review_lacks' }));
    await to(channel, notice());
    const [first, second, again] = mail.mails.map(({ raw }) => raw) as [string, string, string];
    expect(mail.mails[0]).toMatchObject({ from: 'holdpoint@example.com', to: ['maria@example.com'] });
    expect(headerOf(first, 'Subject')).toBe(
      '[Holdpoint] An approval is wanted: job deploy of acme/payments/api on refs/heads/main, environment production',
    );
    expect(headerOf(first, 'List-Id')).toBe('Holdpoint <holdpoint.holdpoint.example.com>');
    expect(headerOf(first, 'Auto-Submitted')).toBe('auto-generated');
    expect(headerOf(first, 'References')).toBe('<review-3@holdpoint.example.com>');
    expect(headerOf(second, 'References')).toBe(headerOf(first, 'References'));
    expect(headerOf(second, 'Message-ID')).not.toBe(headerOf(first, 'Message-ID'));
    // What is sent twice is known as the same.
    expect(headerOf(again, 'Message-ID')).toBe(headerOf(first, 'Message-ID'));
    expect(bodyOf(first)).toContain(`Open hold 12: ${BASE}/holds/12`);
    expect(bodyOf(first)).toContain(`<a href="${BASE}/holds/12">Open hold 12</a>`);
  });

  it('T23 cannot be forged by what others chose: no header, no recipient, no link, no HTML', async () => {
    mail = await startMailServer();
    await to(
      smtp(),
      notice({
        job: HOSTILE,
        ref: HOSTILE,
        environment: HOSTILE,
        reason: HOSTILE,
        changes: HOSTILE,
        helpers: [HOSTILE],
        by: HOSTILE,
      }),
    );
    const [{ raw, to: recipients }] = mail.mails as [(typeof mail.mails)[number]];
    expect(recipients).toEqual(['maria@example.com']);
    expect(headerOf(raw, 'Bcc')).toBeNull();
    expect(
      raw
        .slice(0, raw.indexOf('\r\n\r\n'))
        .match(/^[A-Za-z-]+:/gm)
        ?.sort(),
    ).toEqual(headNames);
    const body = bodyOf(raw);
    const html = body.slice(body.indexOf('<!doctype'));
    expect(html).toContain('&#60;script&#62;');
    expect(html).not.toMatch(/<script|<@|<!c/);
    expect(body.match(/https?:\/\/[^\s"<]+/g)?.every((url) => url.startsWith(BASE))).toBe(true);
    expect(body).not.toContain('www.evil');
    expect(body.match(/<a /g)).toHaveLength(1);
    expect(body).not.toContain('\u202e');
  });

  it('T23 has no link that decides: every one of its addresses is a page to look at', async () => {
    mail = await startMailServer();
    await to(smtp(), notice(), notice({ key: 'audit-8', review: 4, hold: 13, path: '/holds/13' }));
    const links = bodyOf(mail.mails[0]!.raw).match(/https?:\/\/[^\s"<]+/g) ?? [];
    expect(new Set(links)).toEqual(new Set([`${BASE}/holds/12`, `${BASE}/holds/13`]));
    for (const link of links) expect(link).not.toMatch(/approve|reject|api|\?|#|token/);
  });

  it('is one for many, of no thread where they are about different things', async () => {
    mail = await startMailServer();
    await to(smtp(), notice(), notice({ key: 'audit-8', review: 4 }));
    expect(mail.mails).toHaveLength(1);
    expect(headerOf(mail.mails[0]!.raw, 'Subject')).toBe('[Holdpoint] 2 notifications');
    expect(headerOf(mail.mails[0]!.raw, 'References')).toBeNull();
  });

  const tls = {
    key: readFileSync(join(ROOT, 'test/fixtures/tls/key.pem'), 'utf8'),
    cert: readFileSync(join(ROOT, 'test/fixtures/tls/cert.pem'), 'utf8'),
  };
  it('signs in and is sent over STARTTLS, to a server whose certificate is trusted', async () => {
    mail = await startMailServer({ tls, user: 'holdpoint', password: 'correct horse' });
    const signedIn = {
      security: 'starttls',
      username: 'holdpoint',
      passwordFile: file('pw', 'correct horse'),
    } as const;
    await to(smtp({ ...signedIn, ca: join(ROOT, 'test/fixtures/tls/cert.pem') }), notice());
    expect(mail.mails).toMatchObject([{ secure: true, user: 'holdpoint' }]);
    await expect(to(smtp(signedIn), notice())).rejects.toMatchObject({ name: 'NotSent', again: true });
    expect(mail.mails).toHaveLength(1);
  });

  it('is not sent in clear where STARTTLS is wanted and not offered', async () => {
    mail = await startMailServer();
    await expect(to(smtp({ security: 'starttls' }), notice())).rejects.toMatchObject({ again: true });
    expect(mail.mails).toEqual([]);
  });

  it.each([
    [451, true],
    [550, false],
  ])('that is refused with %i is tried again: %s, and tells nothing of what was sent', async (status, again) => {
    mail = await startMailServer();
    mail.refuse(status);
    const failed = await to(smtp(), notice()).catch((error: Error) => error);
    expect(failed).toMatchObject({ name: 'NotSent', again });
    expect((failed as Error).message).not.toContain('maria');
  });

  it('waits for a mail server that is not there', async () => {
    mail = await startMailServer();
    const channel = smtp();
    await mail.close();
    await expect(to(channel, notice())).rejects.toMatchObject({ again: true });
  });
});

/** The headers of every mail, and no others. */
const headNames = [
  'Auto-Submitted:',
  'Content-Type:',
  'Date:',
  'From:',
  'In-Reply-To:',
  'List-ID:',
  'MIME-Version:',
  'Message-ID:',
  'References:',
  'Subject:',
  'To:',
  'X-Auto-Response-Suppress:',
  'X-Holdpoint-Event:',
];
