import { AUDIT_EVENTS, AUDIT_KINDS } from '../../agent/src/domain/audit-events.ts';

/** The table of the audit's events, by kind. */
export function eventsPage(): string {
  const rows = AUDIT_KINDS.flatMap((kind) =>
    Object.entries(AUDIT_EVENTS)
      .filter(([, about]) => about.kind === kind)
      .map(([name, { words }]) => `| \`${kind}\` | \`${name}\` | ${words} |`),
  );
  return `# Events of the audit

\`--event\` and \`?event=\` take an event or a kind, several separated by commas. A test compares this page with the code.

| kind | event | in words, after who did it |
| --- | --- | --- |
${rows.join('\n')}
`;
}
