import type { HoldDetail } from '../../../../src/wire/api.ts';
import { Chip } from '../../ui/chip.tsx';
import { Shown } from '../../ui/shown.tsx';

type Dependency = HoldDetail['inputs']['dependencies'][number];

function origin({ same_pipeline, admitted }: Dependency): readonly ['go' | 'warn' | 'plain', string] {
  if (same_pipeline === false) return ['warn', 'not of the same pipeline'];
  if (same_pipeline === null) return ['warn', 'GitLab could not be asked of which pipeline'];
  return admitted
    ? ['go', 'same pipeline, ran under an approval']
    : ['plain', 'same pipeline, not known to have been approved'];
}

/** Whose artifacts are unpacked over the sources, and what is known of those jobs (T48). */
export function TakenIn({ hold }: { readonly hold: HoldDetail }) {
  const { dependencies } = hold.inputs;
  if (dependencies.length === 0) return null;
  return (
    <section aria-labelledby="taken-in-title" class="box">
      <h2 id="taken-in-title">Takes in artifacts of</h2>
      <ul class="plain-list">
        {dependencies.map((one) => (
          <li key={`${one.name} ${one.job_id}`}>
            <Shown text={one.name} />
            {one.job_id !== null && ` (job ${one.job_id})`} <Chip tone={origin(one)[0]}>{origin(one)[1]}</Chip>
          </li>
        ))}
      </ul>
    </section>
  );
}
