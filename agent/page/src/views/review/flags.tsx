import type { RiskFlag, Weight } from '../../../../src/domain/risk-flags.ts';
import { Chip, type Tone } from '../../ui/chip.tsx';
import { Shown } from '../../ui/shown.tsx';

const WEIGHTS: Readonly<Record<Weight, readonly [Tone, string]>> = {
  stop: ['stop', 'Stop and understand'],
  look: ['warn', 'Look at this'],
  know: ['plain', 'Good to know'],
};

/** What an approver should look at first, each with its reason. */
export function Flags({ flags }: { readonly flags: readonly RiskFlag[] }) {
  if (flags.length === 0) return <p class="quiet">No risk flag is raised by this difference.</p>;
  return (
    <ul class="flags" aria-label="Risk flags">
      {flags.map(({ risk, weight, section, words, why, paths }) => (
        <li key={`${risk} ${section} ${paths[0]}`}>
          <details>
            <summary>
              <Chip tone={WEIGHTS[weight][0]}>{WEIGHTS[weight][1]}:</Chip> <Shown text={words} />
            </summary>
            <p>{why}</p>
            {paths.length > 0 && (
              <p class="quiet">
                Where: <Shown text={paths.slice(0, 10).join(', ')} />
                {paths.length > 10 && ` and ${paths.length - 10} more`}
              </p>
            )}
          </details>
        </li>
      ))}
    </ul>
  );
}
