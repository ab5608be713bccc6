/** What GitLab's tools are asked to do in the scenarios, whichever of them it is. */

/** What came back: for an error the status and the sentence that the tool shows. */
export interface Said {
  readonly ok: boolean;
  readonly status: number;
  /** What the tool made of the answer; of an error its text. */
  readonly body: Loose;
  readonly text: string;
}
/** JSON of any shape, read member by member. */
export interface Loose {
  readonly [name: string]: Loose;
}
/** A rule or access level as it is sent. */
export type Asked = Readonly<Record<string, number>>;

/** One tool, speaking for one person. */
export interface Client {
  user(): Promise<Said>;
  project(id: number | string): Promise<Said>;
  protectGroup(
    group: number | string,
    wish: { readonly name: string; readonly deployAccess: readonly Asked[]; readonly rules: readonly Asked[] },
  ): Promise<Said>;
  deployments(project: number | string, filter: Readonly<Record<string, string>>): Promise<Said>;
  deployment(project: number | string, id: number): Promise<Said>;
  vote(
    project: number | string,
    id: number,
    vote: { readonly status: string; readonly comment?: string; readonly representedAs?: string },
  ): Promise<Said>;
  play(project: number | string, job: number): Promise<Said>;
}
/** Makes a client for whoever has this token. */
export type ClientFor = (hubUrl: string, token: string) => Client;
