/** Up to `limit` items after `after` (an id, exclusive), in ascending order of id. */
export interface Page {
  readonly after: number;
  readonly limit: number;
}
/** With `newest` the items come from the end, and `after` (0: none) is an id that they are below of. */
export interface OrderedPage extends Page {
  readonly newest?: boolean;
}
/** Who asks: rows of these projects, and Holds that this person triggered (verified). Null: everything. */
export interface Sight {
  readonly projects: readonly number[];
  readonly trigger: number;
  /** Who they are for rules that name people: they see what those rules ask about. */
  readonly named?: {
    readonly user: number;
    readonly groups: readonly { readonly id: number; readonly inherited: boolean }[];
    readonly admin: boolean;
  };
}
