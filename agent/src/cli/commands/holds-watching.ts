import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { resolve } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { systemErrorWords } from '../../config/system-error.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { isFinal } from '../../domain/hold.ts';
import { printable } from '../../domain/printable.ts';
import { holdDetailSchema } from '../../wire/api.ts';
import { stoppedSchema } from '../../wire/watching.ts';
import { connectHub, gitlabCredential, idOf, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { commentOf } from '../decide.ts';
import { minute } from '../render.ts';

async function stop(text: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const id = idOf(text, 'hold');
  const { comment: given, gitlabTokenFile: file } = command.opts<{ comment?: string; gitlabTokenFile?: string }>();
  const comment = commentOf(given);
  if (comment === undefined)
    throw new HoldpointError('comment_required', 'say why with --comment: the log of the job tells it');
  const body = { comment, ...(file === undefined ? {} : { gitlab_token: gitlabCredential(file, io) }) };
  const stopped = await connectHub(command, io).post(`/api/v1/holds/${id}/stop`, stoppedSchema, body);
  if (json) return io.out(`${JSON.stringify(stopped)}\n`);
  const { job_id: job, by, reason, at, agent, agent_connected: isThere } = stopped;
  const who = `${by ?? 'by the hub'}, ${minute(at)}: ${reason}`;
  const words = isThere
    ? `hold ${id}: job ${job} is stopped (${who}); the hold follows when GitLab says so`
    : `hold ${id}: job ${job} is to be stopped (${who}), but its agent ${agent} is not connected: it runs on until the agent is back; to end it now, cancel it in GitLab`;
  return io.out(`${printable(words)}\n`);
}

async function recording(text: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const id = idOf(text, 'hold');
  const { output, job } = command.opts<{ output?: string; job?: string }>();
  const hub = connectHub(command, io, true);
  const query = job === undefined ? {} : { job: idOf(job, 'job') };
  const hash = createHash('sha256');
  const body = hub.stream(`/api/v1/holds/${id}/recording`, query);
  if (output === undefined) {
    for await (const chunk of body) await io.out(chunk);
    return;
  }
  const counted = new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  const file = createWriteStream(resolve(io.cwd, output), { flags: 'wx', mode: 0o600 });
  await pipeline(Readable.from(body), counted, file).catch((error: unknown) => {
    if (error instanceof HoldpointError) throw error;
    const taken = (error as { code?: unknown }).code === 'EEXIST';
    const why = taken ? 'it exists; give another name' : systemErrorWords(error);
    throw new HoldpointError('bad_input', `-o: cannot write "${output}": ${why}`, { cause: error });
  });
  const sha256 = hash.digest('hex');
  if (json) return io.out(`${JSON.stringify({ hold: id, file: output, sha256 })}\n`);
  return io.out(
    `${printable(output)}  sha256 ${sha256}\nCompare it with recording_ended in "holdpoint audit list --hold ${id}"; play it with "asciinema play".\n`,
  );
}

/** One job in this terminal; with `attend` as the second pair of eyes. */
export async function watchOne(
  text: string,
  attend: boolean,
  command: Command,
  { io, json }: CommandContext,
): Promise<void> {
  if (json) throw new HoldpointError('bad_usage', 'watching one hold shows its terminal: there is no JSON of it');
  const { watchLive } = await import('../watch-live.ts');
  const hold = idOf(text, 'hold');
  const hub = connectHub(command, io);
  await watchLive({
    hub,
    io,
    hold,
    attend,
    async read() {
      const { state } = await hub.get(`/api/v1/holds/${hold}`, holdDetailSchema);
      return { state, isOver: isFinal(state), runs: state === 'running' };
    },
  });
}

/** `holdpoint holds stop ID` and `holdpoint holds recording ID`. */
export function defineWatching(command: Command, context: CommandContext): void {
  withHub(command.command('stop'))
    .description('stop the job of a Hold while it runs; for whoever may decide on it')
    .argument('<id>')
    .option('--comment <text>', 'why: its log, the audit and the page tell it')
    .option('--gitlab-token-file <file>', 'file with mode 600 with a GitLab token of yours: cancel it there as well')
    .action((id: string, _, own: Command) => stop(id, own, context));
  withHub(command.command('recording'))
    .description('the recording of the job of a Hold, as asciinema plays it')
    .argument('<id>')
    .option('-o, --output <file>', 'write it there (mode 600) and print its SHA-256')
    .option('--job <job>', 'of this GitLab job; default: the newest')
    .action((id: string, _, own: Command) => recording(id, own, context));
}
