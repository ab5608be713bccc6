import { createHash } from 'node:crypto';
import { createTransport } from 'nodemailer';
import type { ChannelConfig } from '../domain/notify/channel.ts';
import { type Line, type Message, messageOf, plain } from '../domain/notify/message.ts';
import type { Notice } from '../domain/notify/notice.ts';
import { type Channel, NotSent } from '../ports/notifier.ts';

type EmailConfig = Extract<ChannelConfig, { kind: 'email' }>;

const CONNECT_MS = 10_000;
const SOCKET_MS = 20_000;
/** More of a heading no list of mails shows. */
const MAX_SUBJECT_CHARS = 150;
/** Of many notices so many are told one by one. */
const MAX_SHOWN = 50;

const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
/**
 * What somebody chose, so that no mail program makes a link of it: the only links of a mail are its own (T23).
 */
const unlinked = (said: string): string => said.replaceAll('://', '[://]').replace(/\bwww\./gi, 'www[.]');
const text = (line: Line): string => line.map((one) => (typeof one === 'string' ? one : unlinked(plain(one)))).join('');
const html = (line: Line): string =>
  line.map((one) => (typeof one === 'string' ? escaped(one) : `<code>${escaped(unlinked(one.said))}</code>`)).join('');

/** One line that can stand in a header: what was said has no control characters any more, whatever came. */
function header(words: string): string {
  const line = words.replace(/\s+/g, ' ').replace(/[^\x20-\x7e\u00a1-\uffff]/g, '');
  return line.length > MAX_SUBJECT_CHARS ? `${line.slice(0, MAX_SUBJECT_CHARS - 1)}…` : line;
}

function bodies(messages: readonly Message[], base: string) {
  const shown = messages.slice(0, MAX_SHOWN);
  const more = messages.length - shown.length;
  const plainParts = shown.map((message) =>
    [
      message.title,
      ...(message.about.length === 0 ? [] : [text(message.about)]),
      '',
      ...message.lines.map(text),
      '',
      `${message.urlWords}: ${message.url}`,
    ].join('\n'),
  );
  const htmlParts = shown.map((message) =>
    [
      `<h2 style="font-size:1.1em">${escaped(message.title)}</h2>`,
      ...(message.about.length === 0 ? [] : [`<p>${html(message.about)}</p>`]),
      ...(message.lines.length === 0 ? [] : [`<p>${message.lines.map(html).join('<br>\n')}</p>`]),
      `<p><a href="${escaped(message.url)}">${escaped(message.urlWords)}</a></p>`,
    ].join('\n'),
  );
  const rest = more > 0 ? [`And ${more} more: ${base}/inbox`] : [];
  const foot = 'Decide on the page: nothing in this mail decides by being opened.';
  return {
    text: [...plainParts, ...rest, foot].join('\n\n'),
    html: `<!doctype html>\n<html lang="en"><body>\n${[...htmlParts, ...rest.map((one) => `<p>${escaped(one)}</p>`)].join('\n<hr>\n')}\n<p><small>${foot}</small></p>\n</body></html>\n`,
  };
}

/** What a thread of mails is about: the same for everything about one question, so that mail programs put it together. */
function threadOf({ review, deployment, hold, event, project }: Notice): string {
  if (review !== null) return `review-${review}`;
  if (deployment !== null) return `deployment-${deployment}`;
  if (hold !== null) return `hold-${hold}`;
  return `${event}-${project?.id ?? 'hub'}`;
}

/** Headers and texts of a mail: the same notices make the same Message-ID, so that what was sent twice is known as such. */
export function mailOf(notices: readonly Notice[], base: string, to: string, from: string) {
  const host = new URL(base).hostname;
  const messages = notices.map((notice) => messageOf(notice, base));
  const [first] = notices;
  const [only] = messages;
  if (first === undefined || only === undefined) throw new Error('a mail tells something');
  const threads = [...new Set(notices.map(threadOf))];
  const id = createHash('sha256')
    .update(JSON.stringify([to, notices.map(({ key }) => key)]))
    .digest('hex')
    .slice(0, 40);
  const root = threads.length === 1 ? `<${threads[0]}@${host}>` : null;
  const about = text(only.about);
  const subject =
    messages.length === 1
      ? `[Holdpoint] ${only.title}${about === '' ? '' : `: ${about}`}`
      : `[Holdpoint] ${messages.length} notifications`;
  return {
    from: { name: 'Holdpoint', address: from },
    to: { name: '', address: to },
    subject: header(subject),
    messageId: `<${id}@${host}>`,
    ...(root === null ? {} : { inReplyTo: root, references: [root] }),
    headers: {
      'List-Id': `Holdpoint <holdpoint.${host}>`,
      'Auto-Submitted': 'auto-generated',
      'X-Auto-Response-Suppress': 'All',
      'X-Holdpoint-Event': [...new Set(notices.map(({ event }) => event))].slice(0, 10).join(', '),
    },
    ...bodies(messages, base),
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

function transportOf(config: EmailConfig, ca: string | null, password: () => string | null) {
  const { host, port, security, username } = config;
  const pass = username === null ? null : password();
  if (username !== null && pass === null) throw new NotSent('its password cannot be read', { again: true });
  return createTransport({
    host,
    port,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    ...(username === null || pass === null ? {} : { auth: { user: username, pass } }),
    tls: { minVersion: 'TLSv1.2', ...(ca === null ? {} : { ca }) },
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    socketTimeout: SOCKET_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}

/** Speaks with the mail server up to the sign-in, and sends nothing. Rejects with NotSent as a mail would. */
export async function reachEmail(config: EmailConfig, ca: string | null, password: () => string | null): Promise<void> {
  const transport = transportOf(config, ca, password);
  try {
    await transport.verify();
  } catch (error) {
    throw refused(error);
  } finally {
    transport.close();
  }
}

/** Mail by SMTP. `password` is read at each use. */
export function openEmail(config: EmailConfig, ca: string | null, password: () => string | null): Channel {
  return {
    name: config.name,
    async send({ target, notices, base }) {
      const transport = transportOf(config, ca, password);
      try {
        await transport.sendMail(mailOf(notices, base, target, config.from));
      } catch (error) {
        throw refused(error);
      } finally {
        transport.close();
      }
    },
    close: async () => {},
  };
}

/** The code and the status alone: a server's own words may quote the address or what was sent. */
function refused(error: unknown): NotSent {
  const { code, responseCode } = error as { readonly code?: unknown; readonly responseCode?: unknown };
  const status = typeof responseCode === 'number' ? responseCode : null;
  const what = typeof code === 'string' ? code : 'no answer';
  // 5xx is for good, but of a sign-in or of TLS: those are the operator's to mend, and mail may wait for it.
  const again = status === null || status < 500 || code === 'EAUTH' || code === 'ETLS';
  return new NotSent(
    status === null ? `the mail server did not take it (${what})` : `the mail server answered ${status} (${what})`,
    {
      again,
    },
  );
}
