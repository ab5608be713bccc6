import { existsSync, readFileSync } from 'node:fs';
import type { EnqueueOptions } from './fake-gitlab/types.ts';

/** One job of the demo: a fixture whose scripts were replaced by harmless ones that only say what they would do. */
export interface DemoJob {
  readonly payload: object;
  readonly options: EnqueueOptions;
}

/** The jobs of the demo, in the order in which they come. */
export interface DemoJobs {
  /** For the runner that is not protected. */
  readonly tests: DemoJob;
  /** The configuration that the demo gets approved first. */
  readonly known: DemoJob;
  /** The same configuration, another push by somebody else. */
  readonly again: DemoJob;
  /** One line of its script is another. */
  readonly changed: DemoJob;
  /** What the changed line says when it really runs. */
  readonly changedOutput: string;
}

interface Payload {
  steps: { name: string; script: string[] }[];
}

const ROLLOUT = 'echo "rollout of deployment/api: 3 of 3 pods are new"; sleep 1';
const CHANGED_OUTPUT = 'fetching https://evil.example.net/x.sh and handing it to a shell';
const CHANGED = `echo "${CHANGED_OUTPUT}"; sleep 1`;

/** The fixtures lie beside the sources and, in a package, beside the compiled folder. */
function fixture(name: string): Payload {
  const places = ['../fixtures/gitlab/', '../../../test/fixtures/gitlab/'];
  const urls = places.map((place) => new URL(`${place}${name}.json`, import.meta.url));
  const found = urls.find((url) => existsSync(url));
  if (found === undefined) throw new Error(`the demo needs test/fixtures/gitlab/${name}.json, which is missing here`);
  return JSON.parse(readFileSync(found, 'utf8')) as Payload;
}

function withScript(payload: Payload, script: string[], after: string[]): Payload {
  const steps = payload.steps.filter((step) => step.name === 'script' || step.name === 'after_script');
  return { ...payload, steps: steps.map((step) => ({ ...step, script: step.name === 'script' ? script : after })) };
}

const ZOE = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const ALICE = { id: 12, username: 'alice', name: 'Alice Okafor' };

/** The jobs of the demo; the fixtures call docker and kubectl, these print what that would do, and really run. */
export function demoJobs(): DemoJobs {
  const deploy = (rollout: string) => [
    'echo "would set the image of deployment/api on $KUBE_HOST to $IMAGE"',
    rollout,
    'echo "smoke test of $CI_ENVIRONMENT_URL: ok"',
  ];
  const after = ['echo "done" > deploy.log'];
  const run1 = fixture('deploy-production.run1');
  const run2 = fixture('deploy-production.run2');
  const changed = fixture('deploy-production.changed-script');
  return {
    tests: {
      payload: withScript(fixture('test-unit.run1'), ['echo "unit tests: 214 passed"'], []),
      options: { user: ZOE },
    },
    known: { payload: withScript(run1, deploy(ROLLOUT), after), options: { user: ZOE } },
    again: { payload: withScript(run2, deploy(ROLLOUT), after), options: { user: ALICE } },
    changed: { payload: withScript(changed, deploy(CHANGED), after), options: { user: ALICE } },
    changedOutput: CHANGED_OUTPUT,
  };
}
