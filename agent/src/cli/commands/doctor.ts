import { resolve } from 'node:path';
import type { Command } from 'commander';
import { titleOf } from '../../domain/doctor/examine.ts';
import { type Finding, type FindingStatus, tallyOf } from '../../domain/doctor/finding.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { printable } from '../../domain/printable.ts';
import { agentSourcesBesideHub, withAgentConfig } from '../config-flags.ts';
import { DEFAULT_HUB_URL, hubToAsk, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { type Paint, paint } from '../render.ts';

const WORDS: Readonly<Record<FindingStatus, string>> = { ok: 'ok', warn: 'look', fail: 'MEND', skipped: 'unseen' };
const WIDTH = Math.max(...Object.values(WORDS).map((word) => word.length)) + 2;

function lineOf({ status, message, mend }: Finding, title: string, brush: Paint): string {
  const word = WORDS[status].padEnd(WIDTH);
  const colours = { ok: brush.added, warn: brush.warn, fail: brush.removed, skipped: (text: string) => text };
  const lines = [`${colours[status](word)}${title}: ${printable(message)}`];
  if (mend !== null)
    lines.push(`${' '.repeat(WIDTH)}${status === 'skipped' ? 'to see it' : 'mend'}: ${printable(mend)}`);
  return lines.map((line) => `${line}\n`).join('');
}

async function run(command: Command, context: CommandContext): Promise<void> {
  const { io, json, parts, exitWith } = context;
  const { runnerConfig = [], hubConfig } = command.opts<{ runnerConfig?: string[]; hubConfig?: string }>();
  if (hubConfig !== undefined && (command.opts().config !== undefined || runnerConfig.length > 0))
    throw new HoldpointError(
      'bad_usage',
      '--hub-config is of a hub by itself, --config and --runner-config of an agent: ask for one of them',
    );
  const findings = await parts.doctor({
    sources: agentSourcesBesideHub(command, context),
    runnerConfigs: runnerConfig.map((path) => resolve(io.cwd, path)),
    hubConfig: hubConfig === undefined ? null : resolve(io.cwd, hubConfig),
    hub: (config) => {
      if (config !== null && 'remote' in config && config.remote !== null)
        return hubToAsk(command, io, config.remote.url);
      // Its certificate is for that name, and not for the address that it listens on.
      if (config?.hub.tls != null && config.hub.externalUrl !== null)
        return hubToAsk(command, io, config.hub.externalUrl);
      const { host, port } = config?.hub.listen ?? { host: '', port: 0 };
      const to = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
      return hubToAsk(
        command,
        io,
        port === 0 ? DEFAULT_HUB_URL : `http${config?.hub.tls == null ? '' : 's'}://${to}:${port}`,
      );
    },
    now: () => io.now(),
  });
  const tally = tallyOf(findings);
  if (tally.fail > 0) exitWith(1);
  if (json) {
    const items = findings.map((finding) => ({ ...finding, title: titleOf(finding.check) }));
    return io.out(`${JSON.stringify({ ok: tally.fail === 0, version: parts.version, tally, findings: items })}\n`);
  }
  const brush = paint(io.colour);
  for (const finding of findings) await io.out(lineOf(finding, titleOf(finding.check), brush));
  const { ok, warn, fail, skipped } = tally;
  return io.out(`\n${ok} ok, ${warn} to look at, ${fail} to mend, ${skipped} not seen\n`);
}

/** `holdpoint doctor`: exit code 1 when a check failed, 0 with warnings alone. */
export function define(command: Command, context: CommandContext): void {
  withHub(withAgentConfig(command))
    .option('--runner-config <file...>', 'config.toml of gitlab-runner (default: where it keeps it)')
    .option('--hub-config <file>', 'hub.yml: look at a hub by itself (by itself where the host has no agent.yml)')
    .addHelpText(
      'after',
      `
It takes every flag of "holdpoint agent" beside these, so that it looks at what the agent was told.
Exit code 0: nothing is to be mended; 1: something is. Run it as root: nobody else sees all.`,
    )
    .action((_, own: Command) => run(own, context));
}
