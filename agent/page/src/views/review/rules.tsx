import type { HoldDetail } from '../../../../src/wire/api.ts';
import { dayText } from '../../lib/times.ts';
import { Chip } from '../../ui/chip.tsx';
import { Notice } from '../../ui/notice.tsx';
import { PeopleNames, PersonName } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';

type Rule = HoldDetail['rules'][number];

/** How long a vote is for, as the API says it, in words. */
function lifetimeWords(lifetime: string): string {
  const [kind, rest = ''] = lifetime.split(/:(.*)/s);
  if (kind === 'run') return 'for this run only';
  if (kind === 'uses')
    return rest.startsWith('1 ') || rest === '1' ? 'for one run' : `for ${Number.parseInt(rest, 10)} runs`;
  if (kind === 'until') return `until ${dayText(Date.parse(rest))}`;
  return 'until it is revoked';
}

function RuleRow({
  rule,
  isMine,
  isTold,
}: {
  readonly rule: Rule;
  readonly isMine: boolean;
  /** Whom to ask stands at the head of the page already. */
  readonly isTold: boolean;
}) {
  const isMet = rule.have >= rule.need;
  return (
    <li>
      <Chip tone={isMet ? 'go' : 'wait'}>{isMet ? 'Met' : 'Open'}</Chip>{' '}
      <strong>
        <Shown text={rule.name} />
      </strong>{' '}
      {rule.have} of {rule.need}
      {rule.who !== '' && (
        <span class="quiet">
          {' '}
          from <Shown text={rule.who} />
        </span>
      )}
      {rule.asked !== 'both' && (
        <Chip tone="plain">
          {rule.asked === 'now' ? 'asked for since this was opened' : 'as it stood when this was opened'}
        </Chip>
      )}
      {isMine && <Chip tone="run">your approve counts here</Chip>}
      {!isMet && !(isTold && rule.eligible.length > 0) && (
        <p class="quiet">
          {rule.eligible.length === 0 ? (
            'Nobody can meet it as things stand: ask an administrator.'
          ) : (
            <>
              Can help: <PeopleNames people={rule.eligible} total={rule.eligible_count} isYou />
            </>
          )}
        </p>
      )}
    </li>
  );
}

/** The rules, how far they are met, who said what, and whether the reader may say something. */
export function Rules({ hold }: { readonly hold: HoldDetail }) {
  const { may_vote: own, quorum } = hold;
  const isTold = !own.allowed && own.ask.length > 0 && hold.rules.filter(({ have, need }) => have < need).length === 1;
  // Whoever can help completes it alone: that stands with the rule, or at the head of the page, by name.
  const isOneEnough = quorum?.possible === true && / could complete it\.$/.test(quorum.words);
  return (
    <section aria-labelledby="rules-title" class="box">
      <h2 id="rules-title">Rules</h2>
      {hold.rules.length === 0 && <p class="quiet">No rule asks for anybody: nothing waits here.</p>}
      <ul class="plain-list">
        {hold.rules.map((rule) => (
          <RuleRow
            key={`${rule.name} ${rule.asked}`}
            rule={rule}
            isMine={own.allowed && rule.name === own.rule}
            isTold={isTold}
          />
        ))}
      </ul>
      {hold.unknown.map((what) => (
        <Notice key={what} tone="warn">
          Nobody could tell <Shown text={what} />: every rule asks for one more person.
        </Notice>
      ))}
      {quorum !== null && quorum.words !== '' && !isOneEnough && (
        <p class={quorum.possible ? 'quiet' : 'alike'}>
          <Shown text={quorum.words} />
        </p>
      )}
      {quorum !== null && quorum.rejects.need > 1 && (
        <p class="quiet">
          Rejects: {quorum.rejects.have} of {quorum.rejects.need} that end it.
        </p>
      )}
      {hold.votes.length > 0 && (
        <>
          <h3>Votes</h3>
          <ul class="plain-list">
            {hold.votes.map(({ person, decision, comment, at: when, lifetime, counts }) => (
              <li key={person.id}>
                <Chip tone={decision === 'approve' ? 'go' : 'stop'}>
                  {decision === 'approve' ? 'Approved' : 'Rejected'}
                </Chip>{' '}
                <PersonName person={person} /> <Time at={when} />
                {!counts && <Chip tone="warn">counts for no rule as things are</Chip>}
                {lifetime !== null && <span class="quiet">, {lifetimeWords(lifetime)}</span>}
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
