import { answer, fail, ok, type Said, warn } from '../finding.ts';
import type { CertificateLook, Check } from '../observation.ts';
import { given } from '../words.ts';

const DAY_MS = 86_400_000;
/** Whatever renews by itself does so a month before: two weeks before the end it has not. */
const WARN_MS = 14 * DAY_MS;

function said({ where, fromMs, untilMs, name }: CertificateLook, now: number): Said[] {
  const found: Said[] = [];
  const mend = 'renew it; a hub with tls.cert takes the new file within seconds, without a restart';
  const left = Math.floor((untilMs - now) / DAY_MS);
  const end = new Date(untilMs).toISOString().slice(0, 10);
  if (now >= untilMs) found.push(fail(`the certificate of ${where} ended on ${end}: nobody reaches the hub`, mend));
  else if (now < fromMs)
    found.push(
      fail(`the certificate of ${where} is not valid yet`, 'look at the clock of this host, then at the certificate'),
    );
  else if (untilMs - now < WARN_MS)
    found.push(warn(`the certificate of ${where} ends on ${end}, in ${left === 1 ? 'a day' : `${left} days`}`, mend));
  if (name?.covered === false)
    found.push(
      fail(
        `the certificate of ${where} is not for ${name.host}, the name in external_url`,
        'have one made for that name, or set hub.external_url to a name that stands in it',
      ),
    );
  return found.length > 0 ? found : [ok(`the certificate of ${where} is good until ${end}`)];
}

export const certificate: Check = {
  id: 'certificate',
  title: 'Certificate of the hub',
  means:
    'When the certificate of the hub has ended, or is for another name, agents do without their hub and then hold every job, and nobody can decide. Looked at in the file of tls.cert, and at external_url where a proxy has it.',
  agent: false,
  notOfHub: null,
  look: (look) =>
    given(look.certificates, (list) =>
      answer(
        list.flatMap((each) => said(each, look.now)),
        () => ok('the hub has no certificate: it speaks plain HTTP, and external_url is no https address'),
      ),
    ),
};
