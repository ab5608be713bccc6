import type { Section } from './report.ts';

/** Every benchmark by name, in the order in which they run; loaded when it is its turn. */
export const BENCHES: Readonly<Record<string, () => Promise<() => Promise<Section>>>> = {
  form: async () => (await import('./form.ts')).benchForm,
  gateway: async () => (await import('./gateway.ts')).benchGateway,
  artifact: async () => (await import('./artifact.ts')).benchArtifact,
  resume: async () => (await import('./resume.ts')).benchResume,
  admits: async () => (await import('./admits.ts')).benchAdmits,
  rows: async () => (await import('./rows.ts')).benchRows,
  bank: async () => (await import('./bank.ts')).benchBank,
  start: async () => (await import('./start.ts')).benchStart,
  executor: async () => (await import('./executor.ts')).benchExecutor,
  link: async () => (await import('./link.ts')).benchLink,
  'link-hubs': async () => (await import('./link-hubs.ts')).benchLinkHubs,
  footprint: async () => (await import('./footprint.ts')).benchFootprint,
};
