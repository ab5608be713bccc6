import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { ROOT } from '../../support/source-files.ts';

interface Service {
  readonly image: string;
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
  readonly command?: readonly string[];
}

it('compose.yaml confines each service as the image is tested, opens nothing to the network, and names only what it declares', () => {
  const compose = parse(readFileSync(join(ROOT, 'compose.yaml'), 'utf8'));
  const { agent, hub, postgres } = compose.services as Record<string, Service>;
  const services = [agent, hub].filter((service) => service !== undefined);
  expect(services).toHaveLength(2);
  expect(Object.keys(compose.services)).toHaveLength(3);
  // Reached by the hub alone.
  expect(postgres?.ports).toBeUndefined();
  for (const { secrets } of Object.values(compose.services as Record<string, { secrets: string[] }>))
    for (const name of secrets) expect(Object.keys(compose.secrets)).toContain(name);
  for (const service of services) {
    expect(service).toMatchObject({ image: 'holdpoint', read_only: true, cap_drop: ['ALL'] });
    expect(service.security_opt).toEqual(['no-new-privileges:true']);
    for (const port of service.ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    for (const volume of service.volumes) {
      const [from = ''] = volume.split(':');
      expect(from.startsWith('./') || from in compose.volumes, volume).toBe(true);
    }
  }
  expect(compose.services.hub.command[0]).toBe('hub');
  expect(existsSync(join(ROOT, 'Dockerfile'))).toBe(true);
});
