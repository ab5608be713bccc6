/** Where the policy in force comes from, and whether its file says something else by now. */
export interface PolicyStatus {
  /** Name of the file, without its folder; null where no file says anything. */
  readonly file: string | null;
  /** When what is in force was read (epoch ms). */
  readonly loadedAt: number;
  /** Why the file as it is now is not used: the last good one stays in force. Null while it is. */
  readonly problem: string | null;
  /** Line of the nearest thing that the file says; null where no file says it. */
  line(path: readonly (string | number)[]): number | null;
}
