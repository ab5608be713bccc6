import { type Answer, fail, ok } from '../finding.ts';
import type { Check } from '../observation.ts';
import { given, octal, userText } from '../words.ts';

export const stateDir: Check = {
  id: 'state_dir',
  title: 'State folder',
  means:
    'Parked jobs (sealed), the keys that open them and the database lie in state_dir. Neither agent nor hub starts when others may look into it.',
  agent: true,
  notOfHub: null,
  look: (look) =>
    given(look.stateDir, ({ mode, uid }): Answer => {
      const path = look.settings.ok ? look.settings.value.stateDir : 'state_dir';
      return (mode & 0o077) === 0
        ? [ok(`${path} belongs to ${userText(uid, look)}, mode ${octal(mode)}`)]
        : [fail(`${path} has mode ${octal(mode)}: others can look into it`, `chmod 700 ${path}`)];
    }),
};
