import { BENCHES } from './benches.ts';
import { endAll } from './processes.ts';

const bench = BENCHES[process.argv[2] ?? ''];
if (bench === undefined) throw new Error(`no benchmark ${process.argv[2]}`);
process.once('SIGTERM', () => void endAll().finally(() => process.exit(143)));
try {
  const section = await (await bench())();
  await new Promise<void>((resolve) => process.send?.(section, () => resolve()));
} finally {
  await endAll();
}
process.disconnect?.();
