import { answer, fail, ok, type Said, skipped, warn } from '../finding.ts';
import type { Check } from '../observation.ts';

/** A Date header has whole seconds, and the way takes its time. */
const WARN_MS = 5_000;
/** Beyond it, times in audit and page are hard to compare, and id tokens and sign-ins fail. */
const FAIL_MS = 60_000;

function said(what: string, skewMs: number): Said {
  const seconds = Math.round(Math.abs(skewMs) / 1_000);
  const text = `${what} is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} this host`;
  const mend = 'let a time service (chrony, systemd-timesyncd) keep the clocks of both';
  if (Math.abs(skewMs) > FAIL_MS) return fail(text, mend);
  return Math.abs(skewMs) > WARN_MS ? warn(text, mend) : ok(`${what} and this host have the same time`);
}

export const clock: Check = {
  id: 'clock',
  title: 'Clocks',
  means:
    'Approvals, sign-ins and tokens end by time, and an audit is read by it. Measured by the Date header of the answers of GitLab and of the hub.',
  agent: true,
  notOfHub: null,
  look({ gitlab, hub }) {
    const found: Said[] = [];
    if (gitlab.seen && gitlab.value.outcome === 'answered' && gitlab.value.skewMs !== null)
      found.push(said('GitLab', gitlab.value.skewMs));
    if (hub.seen && hub.value.skewMs !== null) found.push(said('the hub', hub.value.skewMs));
    return answer(found, () =>
      skipped('neither GitLab nor the hub told the time', 'mend what keeps GitLab from being reached'),
    );
  },
};
