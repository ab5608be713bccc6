import { answer, fail, ok, type Said, skipped } from '../finding.ts';
import type { Check, FileLook, Observation } from '../observation.ts';
import { given, octal, userText } from '../words.ts';

function said(file: FileLook, look: Observation): Said[] {
  const { path, what, kind, mode, uid, openFolder } = file;
  const out: Said[] = [];
  const reads = kind !== 'rules' && (mode & 0o007) !== 0;
  const writes = (mode & 0o022) !== 0;
  if (reads || writes) {
    out.push(
      fail(
        `${what} ${path} has mode ${octal(mode)}: others on this host can ${reads ? 'read' : 'change'} it`,
        kind !== 'rules' ? `chmod 600 ${path}; if others may have read it, make a new one` : `chmod go-w ${path}`,
      ),
    );
  }
  if (kind !== 'runner' && uid !== 0 && look.agentUid !== null && uid !== look.agentUid) {
    out.push(
      fail(
        `${what} ${path} belongs to ${userText(uid, look)}, who can read and exchange it`,
        `chown it to root or to ${userText(look.agentUid, look)}`,
      ),
    );
  }
  if (openFolder !== null) {
    out.push(
      fail(
        `${openFolder.path} has mode ${octal(openFolder.mode)}: others can exchange ${path} in it`,
        `chmod go-w ${openFolder.path}`,
      ),
    );
  }
  return out;
}

export const secretFiles: Check = {
  id: 'secret_files',
  title: 'Secrets and rules',
  means:
    'Token files, keys and the runner configuration must be readable by the agent or the hub (or root) alone; policy and principals may be read, but whoever can change them decides who approves. Folders count too: who may write there exchanges the file.',
  agent: true,
  notOfHub: null,
  look: (look) =>
    given(look.files, ({ there, hidden }) =>
      answer(
        [
          ...there.flatMap((file) => said(file, look)),
          ...hidden.map((path) =>
            skipped(`${path} is not seen by this user`, `run doctor as root or as the user of the ${look.of}`),
          ),
        ],
        () => ok(`${there.length} files: nobody else can read a secret or change a rule`),
      ),
    ),
};
