import { createHmac } from 'node:crypto';
import type { ChannelConfig } from '../domain/notify/channel.ts';
import type { Notice } from '../domain/notify/notice.ts';
import type { Clock } from '../ports/clock.ts';
import { type Channel, NotSent } from '../ports/notifier.ts';
import { openPoster } from './http.ts';

/** As Standard Webhooks has it: 24 to 64 bytes, in Base64 behind this word; any other text is its own bytes. */
const SECRET_PREFIX = 'whsec_';
const MIN_SECRET_BYTES = 24;

const timeOrNull = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());

/** Key of the signatures, of the text of its file. Throws where it is too short to be one. */
export function keyOf(text: string): Buffer {
  const key = text.startsWith(SECRET_PREFIX)
    ? Buffer.from(text.slice(SECRET_PREFIX.length), 'base64')
    : Buffer.from(text, 'utf8');
  if (key.length >= MIN_SECRET_BYTES) return key;
  throw new NotSent(`its secret has ${key.length} bytes, at least ${MIN_SECRET_BYTES} are wanted`, { again: true });
}

/** `v1,` and the HMAC-SHA256 of id, time and body, joined by dots. */
export function signatureOf(key: Uint8Array, id: string, timestamp: number, body: string): string {
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

/** A notice as a CloudEvent 1.0 in structured form. */
export function cloudEventOf(notice: Notice, base: string) {
  const { project, trigger, expiresAt, path } = notice;
  return {
    specversion: '1.0',
    id: notice.key,
    source: base,
    type: `holdpoint.${notice.event}`,
    subject: subjectOf(notice),
    time: new Date(notice.at).toISOString(),
    datacontenttype: 'application/json',
    data: {
      severity: notice.severity,
      project: project && { id: project.id, path: project.path },
      job: notice.job,
      ref: notice.ref,
      ref_protected: notice.refProtected,
      environment: notice.environment,
      pipeline_id: notice.pipelineId,
      hold: notice.hold,
      review: notice.review,
      approval: notice.approval,
      deployment: notice.deployment,
      trigger: trigger && { id: trigger.id, username: trigger.username },
      by: notice.by,
      reason: notice.reason,
      changes: notice.changes,
      needs: notice.needs,
      helpers: [...notice.helpers],
      expires_at: timeOrNull(expiresAt),
      url: `${base}${path}`,
    },
  };
}

function subjectOf({ deployment, hold, review, approval }: Notice): string {
  if (deployment !== null) return `deployments/${deployment}`;
  if (hold !== null) return `holds/${hold}`;
  if (review !== null) return `reviews/${review}`;
  return approval === null ? 'hub' : `approvals/${approval}`;
}

/** A web hook of the operator's: each notice by itself, in order, signed. `secret` is read at each use. */
export function openWebhook(
  { name, url }: Extract<ChannelConfig, { kind: 'webhook' }>,
  ca: string | null,
  secret: () => string | null,
  clock: Clock,
  callMs?: number,
): Channel {
  const poster = openPoster(ca, callMs);
  return {
    name,
    async send({ notices, base }) {
      const text = secret();
      if (text === null) throw new NotSent('its secret cannot be read', { again: true });
      const key = keyOf(text);
      for (const notice of notices) {
        const body = JSON.stringify(cloudEventOf(notice, base));
        const timestamp = Math.floor(clock.now() / 1_000);
        await poster.post(
          new URL(url),
          {
            'content-type': 'application/cloudevents+json; charset=utf-8',
            'webhook-id': notice.key,
            'webhook-timestamp': String(timestamp),
            'webhook-signature': signatureOf(key, notice.key, timestamp, body),
            'idempotency-key': notice.key,
          },
          body,
        );
      }
    },
    close: () => poster.close(),
  };
}
