import type { HoldDetail } from '../../../../src/wire/api.ts';
import { session } from '../../lib/who.ts';
import { Chip } from '../../ui/chip.tsx';
import { Notice } from '../../ui/notice.tsx';
import { PersonName } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';

type Rule = HoldDetail['rules'][number];

/** Who is named of those who could still help; the rest is counted. */
const NAMED = 5;

function RuleRow({ rule, isMine }: { readonly rule: Rule; readonly isMine: boolean }) {
  const isMet = rule.have >= rule.need;
  const rest = rule.eligible.length - NAMED;
  return (
    <li>
      <Chip tone={isMet ? 'go' : 'wait'}>{isMet ? 'Met' : 'Open'}</Chip>{' '}
      <strong>
        <Shown text={rule.name} />
      </strong>{' '}
      {rule.have} of {rule.need}
      {isMine && <Chip tone="run">your approve counts here</Chip>}
      {!isMet && (
        <p class="quiet">
          {rule.eligible.length === 0 ? (
            'Nobody can meet it as things stand: ask an administrator.'
          ) : (
            <>
              Can help:{' '}
              {rule.eligible.slice(0, NAMED).map((person, index) => (
                <span key={person.id}>
                  {index > 0 && ', '}
                  <PersonName person={person} />
                </span>
              ))}
              {rest > 0 && ` and ${rest} more`}
            </>
          )}
        </p>
      )}
    </li>
  );
}

/** Index of the rule that this person's approve would fill next, as far as the hub has named them; -1: none. */
function mine(hold: HoldDetail): number {
  const own = session.value?.person?.id ?? null;
  if (own === null || !hold.may_vote.allowed) return -1;
  return hold.rules.findIndex(({ have, need, eligible }) => have < need && eligible.some(({ id }) => id === own));
}

/** The rules, how far they are met, who said what, and whether the reader may say something. */
export function Rules({ hold }: { readonly hold: HoldDetail }) {
  const own = session.value?.person?.id ?? null;
  const at = mine(hold);
  const next = hold.rules
    .filter(({ have, need }) => have < need)
    .flatMap(({ eligible }) => eligible)
    .find(({ id }) => id !== own);
  return (
    <section aria-labelledby="rules-title" class="box">
      <h2 id="rules-title">Rules</h2>
      {hold.rules.length === 0 && <p class="quiet">No rule asks for anybody: nothing waits here.</p>}
      <ul class="plain-list">
        {hold.rules.map((rule, index) => (
          <RuleRow key={rule.name} rule={rule} isMine={index === at} />
        ))}
      </ul>
      {hold.unknown.map((what) => (
        <Notice key={what} tone="warn">
          Nobody could tell <Shown text={what} />: every rule asks for one more person.
        </Notice>
      ))}
      {!hold.may_vote.allowed && hold.state === 'waiting_for_approval' && (
        <Notice tone="news">
          <p>
            You cannot approve it: <Shown text={hold.may_vote.reason ?? 'the hub gives no reason'} />.
          </p>
          {next !== undefined && (
            <p>
              Next person to ask: <PersonName person={next} />
            </p>
          )}
        </Notice>
      )}
      {hold.votes.length > 0 && (
        <>
          <h3>Votes</h3>
          <ul class="plain-list">
            {hold.votes.map(({ person, decision, comment, at: when, lifetime }) => (
              <li key={person.id}>
                <Chip tone={decision === 'approve' ? 'go' : 'stop'}>
                  {decision === 'approve' ? 'Approved' : 'Rejected'}
                </Chip>{' '}
                <PersonName person={person} /> <Time at={when} />
                {lifetime !== null && <span class="quiet"> for {lifetime}</span>}
                {comment !== null && comment !== '' && (
                  <blockquote>
                    <Shown text={comment} />
                  </blockquote>
                )}
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}
