/** keyctl(2) and setresuid(2), by the numbers that each processor has for them. */
const CALLS: Readonly<Record<string, { readonly keyctl: number; readonly setresuid: number }>> = {
  x64: { keyctl: 250, setresuid: 117 },
  arm64: { keyctl: 219, setresuid: 147 },
};
const JOIN_SESSION_KEYRING = 1;
const CLEAR = 7;
const GET_PERSISTENT = 22;
const PROCESS_KEYRING = -2;
/** KEY_SPEC_USER_KEYRING and KEY_SPEC_USER_SESSION_KEYRING. */
const OF_USER = [-4, -5];
const SAME = -1;

type Call = (number: number, ...args: readonly number[]) => number;

/** Node has no call for any of them. */
async function kernel(): Promise<{ call: Call; keyctl: number; setresuid: number } | null> {
  const numbers = CALLS[process.arch];
  if (numbers === undefined) return null;
  const { default: koffi } = await import('koffi');
  const syscall = koffi.load(null).func('long syscall(long, ...)') as unknown as (...args: unknown[]) => number;
  return { call: (number, ...args) => syscall(number, ...args.flatMap((arg) => ['long', arg])), ...numbers };
}

/** Leaves the keyring of the session that gitlab-runner was started in (T25). */
export async function leaveKeyring(): Promise<void> {
  const at = await kernel();
  // Where this is refused, the job is refused it as well: what forbids it is passed on.
  at?.call(at.keyctl, JOIN_SESSION_KEYRING, 0);
}

/** Removes the keys that a user's processes have left in the kernel, which outlive them all (T25). Takes root. */
export async function clearKeys(uid: number): Promise<void> {
  const at = await kernel();
  if (at === null) return;
  // The kernel goes by the real user. As a call of its own it is this thread alone that becomes it, for as long as nothing
  // else can run here, and the effective user, which is root, may come back.
  if (at.call(at.setresuid, uid, SAME, SAME) !== 0) return;
  try {
    for (const keyring of OF_USER) at.call(at.keyctl, CLEAR, keyring);
    const persistent = at.call(at.keyctl, GET_PERSISTENT, uid, PROCESS_KEYRING);
    if (persistent > 0) at.call(at.keyctl, CLEAR, persistent);
  } finally {
    if (at.call(at.setresuid, 0, SAME, SAME) !== 0) process.abort();
  }
}
