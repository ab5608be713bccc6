import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AccountsLook, type Seen, seen, unseen } from '../../domain/doctor/observation.ts';

interface Users {
  readonly names: Readonly<Record<number, string>>;
  readonly homes: Readonly<Record<number, string>>;
  readonly groupOf: ReadonlyMap<string, number>;
}

function lines(path: string): readonly string[] {
  return readFileSync(path, 'utf8').replace(/\\\n/g, '').split('\n');
}

function readUsers(etc: string): Users {
  const names: Record<number, string> = {};
  const homes: Record<number, string> = {};
  const groupOf = new Map<string, number>();
  for (const line of lines(join(etc, 'passwd'))) {
    const [name, , uid, gid, , home] = line.split(':');
    if (name === undefined || uid === undefined || !/^\d+$/.test(uid)) continue;
    names[Number(uid)] ??= name;
    homes[Number(uid)] ??= home ?? '/';
    groupOf.set(name, Number(gid));
  }
  return { names, homes, groupOf };
}

/** Members of each group, whose primary group it is included. */
function readGroups(etc: string, groupOf: ReadonlyMap<string, number>): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, readonly string[]>();
  for (const line of lines(join(etc, 'group'))) {
    const [name, , gid, members] = line.split(':');
    if (name === undefined || gid === undefined) continue;
    const primary = [...groupOf].filter(([, own]) => own === Number(gid)).map(([user]) => user);
    groups.set(name, [...new Set([...(members ?? '').split(',').filter((user) => user !== ''), ...primary])]);
  }
  return groups;
}

/** Whom a sudoers file and those that it includes let do something; groups as `%name`. */
function sudoersIn(path: string, etc: string, depth = 0): readonly string[] {
  const found: string[] = [];
  const aliases = new Map<string, readonly string[]>();
  const words = (text: string): readonly string[] => text.split(',').map((word) => word.trim());
  for (const raw of lines(path)) {
    const include = /^[@#]include(dir)?\s+(\S+)/.exec(raw);
    if (include !== null && depth < 5) {
      const target = include[2]!.replace(/^\/etc\//, `${etc}/`);
      const files =
        include[1] === undefined
          ? [target]
          : existsSync(target)
            ? readdirSync(target)
                // As sudo: files of editors and packages are passed over.
                .filter((name) => !name.includes('.') && !name.endsWith('~'))
                .map((name) => join(target, name))
            : [];
      for (const file of files) if (existsSync(file)) found.push(...sudoersIn(file, etc, depth + 1));
      continue;
    }
    const line = raw.replace(/#.*$/, '').trim();
    const alias = /^User_Alias\s+([A-Z][A-Z0-9_]*)\s*=\s*(.+)$/.exec(line);
    if (alias !== null) {
      aliases.set(alias[1]!, words(alias[2]!));
      continue;
    }
    if (line === '' || /^(Defaults|Cmnd_Alias|Host_Alias|Runas_Alias|Cmd_Alias)\b/.test(line)) continue;
    const rule = /^(.+?)\s+[^\s=]+\s*=/.exec(line);
    if (rule === null) continue;
    found.push(...words(rule[1]!).flatMap((word) => aliases.get(word) ?? [word]));
  }
  return found;
}

function sudoOf(etc: string, groups: ReadonlyMap<string, readonly string[]>): Seen<readonly string[]> {
  const path = join(etc, 'sudoers');
  if (!existsSync(path)) return seen([]);
  try {
    const found = sudoersIn(path, etc).flatMap((word) =>
      word.startsWith('%') ? (groups.get(word.slice(1)) ?? []) : [word],
    );
    return seen([...new Set(found)].filter((name) => name !== 'root').sort());
  } catch {
    return unseen(`who may use sudo stands in ${path}, which this user may not read`, 'run "holdpoint doctor" as root');
  }
}

/** Users, and who of them becomes root by group or sudo, as the files of this host say; a directory service (LDAP) is not asked. */
export function lookAtAccounts(etc: string): {
  readonly look: Seen<AccountsLook>;
  readonly homes: Readonly<Record<number, string>>;
} {
  try {
    const { names, homes, groupOf } = readUsers(etc);
    const groups = readGroups(etc, groupOf);
    return { look: seen({ names, docker: groups.get('docker') ?? null, sudo: sudoOf(etc, groups) }), homes };
  } catch {
    return { look: unseen(`the users of this host (${etc}/passwd, ${etc}/group) cannot be read`), homes: {} };
  }
}
