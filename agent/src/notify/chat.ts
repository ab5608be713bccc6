import type { ChannelConfig } from '../domain/notify/channel.ts';
import { type Line, type Message, messageOf, type Piece } from '../domain/notify/message.ts';
import type { Notice } from '../domain/notify/notice.ts';
import { type Channel, NotSent } from '../ports/notifier.ts';
import { openPoster } from './http.ts';

type Kind = 'slack' | 'mattermost';

/** Of many notices so many are told one by one. */
const MAX_SHOWN = 15;

/** Slack reads `<…>` as links and mentions, wherever it stands. */
const slackSafe = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/**
 * What somebody chose, as code: within it neither Slack nor Mattermost knows links, mentions, images or emphasis, and an
 * address is not made a link. What would end the code is replaced (T23).
 */
function piece(kind: Kind, of: Piece): string {
  if (typeof of === 'string') return kind === 'slack' ? slackSafe(of) : of;
  const text = of.said.replaceAll('`', "'");
  const code = `\`${text.trim() === '' ? ' ' : text}\``;
  return kind === 'slack' ? slackSafe(code) : code;
}
const line = (kind: Kind, of: Line): string => of.map((one) => piece(kind, one)).join('');
const link = (kind: Kind, url: string, words: string): string =>
  kind === 'slack' ? `<${slackSafe(url)}|${slackSafe(words)}>` : `[${words}](${url})`;
const bold = (kind: Kind, text: string): string => (kind === 'slack' ? `*${text}*` : `**${text}**`);

function whole(kind: Kind, message: Message): string {
  return [
    bold(kind, message.title),
    ...(message.about.length === 0 ? [] : [line(kind, message.about)]),
    ...message.lines.map((one) => line(kind, one)),
    link(kind, message.url, message.urlWords),
  ].join('\n');
}

/** One notice, or many as a list, as the text of an incoming web hook. */
export function chatText(kind: Kind, notices: readonly Notice[], base: string): string {
  const messages = notices.map((notice) => messageOf(notice, base));
  const [only] = messages;
  if (messages.length === 1 && only !== undefined) return whole(kind, only);
  const shown = messages.slice(0, MAX_SHOWN);
  return [
    bold(kind, `${messages.length} notifications`),
    ...shown.map(
      (message) => `• ${message.title}: ${line(kind, message.about)} (${link(kind, message.url, message.urlWords)})`,
    ),
    ...(messages.length > MAX_SHOWN
      ? [`and ${messages.length - MAX_SHOWN} more: ${link(kind, `${base}/inbox`, 'Open the inbox')}`]
      : []),
  ].join('\n');
}

/** An incoming web hook of Slack's or Mattermost's. Its address is a secret: whoever has it may write there. */
export function openChat(
  { name, kind }: Extract<ChannelConfig, { kind: Kind }>,
  ca: string | null,
  address: () => string | null,
  callMs?: number,
): Channel {
  const poster = openPoster(ca, callMs);
  return {
    name,
    async send({ notices, base }) {
      const text = address();
      const url = text !== null && URL.canParse(text) ? new URL(text) : null;
      if (url === null || !isTaken(url))
        throw new NotSent('its file has no https:// address (http:// is taken on this machine only)', { again: true });
      const body = {
        text: chatText(kind, notices, base),
        ...(kind === 'slack' ? { unfurl_links: false, unfurl_media: false } : {}),
      };
      await poster.post(url, { 'content-type': 'application/json' }, JSON.stringify(body));
    },
    close: () => poster.close(),
  };
}

/** Text about jobs crosses no network in clear. */
function isTaken({ protocol, hostname, username, password }: URL): boolean {
  const here = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
  return (protocol === 'https:' || (protocol === 'http:' && here)) && username === '' && password === '';
}
