import type { DeploymentStanding } from '../../../src/domain/deployment-standing.ts';
import type { ListedDeployment } from '../../../src/wire/deployments.ts';
import { standingOf } from '../../../src/wire/standing-of.ts';
import { Chip, type Tone } from './chip.tsx';
import { Shown } from './shown.tsx';

const OVER: Readonly<Record<string, Tone>> = { running: 'run', success: 'go', failed: 'stop', canceled: 'plain' };

/** What waits for people is never green. */
function toneOf(state: string, { waitsFor }: DeploymentStanding): Tone {
  if (waitsFor === 'people') return 'wait';
  return waitsFor === 'programs' ? 'go' : (OVER[state] ?? 'run');
}

/** Where a deployment stands: in a chip, and who has done what and has to do what next. */
export function Standing({ deployment }: { readonly deployment: ListedDeployment }) {
  const standing = standingOf(deployment);
  return (
    <>
      <Chip tone={toneOf(deployment.state, standing)}>{standing.short}</Chip>
      {standing.waitsFor !== null && (
        <span class="standing-words">
          {' '}
          <Shown text={standing.words} />
        </span>
      )}
    </>
  );
}
