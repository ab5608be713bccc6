const FETCH = 'curl|wget|fetch|aria2c|lwp-download|https?(?=\\s)';
const INTERPRETER = '(?:ba|da|z|k|a|c|tc|fi)?sh|python[\\d.]*|perl|ruby|node|php|pwsh|powershell';
const POWERSHELL_FETCH = 'iwr|irm|invoke-webrequest|invoke-restmethod|downloadstring';
/** A folder in front of a program; no character that could begin another token, so that the whole stays linear. */
const FOLDER = '(?:[\\w.~+-]*\\/)*';

/** What decides, in the order it stands in a line. */
const TOKEN = new RegExp(
  [
    `(?<substituted>(?:<\\(|\\$\\(|\`)\\s*(?:${FETCH})\\b)`,
    `(?<piped>\\|[\\s(]*(?:sudo\\s+(?:-[\\w=-]*\\s+)*)?(?:env\\s+(?:\\w+=[\\w./:-]*\\s+)*)?${FOLDER}(?:${INTERPRETER}|source)\\b)`,
    `(?<invoked>\\b(?:iex|invoke-expression)\\b)`,
    `(?<fetch>\\b(?:${FETCH}|${POWERSHELL_FETCH})\\b)`,
    `(?<interpreter>(?<![^\\s;&|(])${FOLDER}(?:${INTERPRETER}|source|\\.|eval)(?=\\s))`,
    '(?<separator>;|&&|\\n)',
  ].join('|'),
  'gi',
);

/**
 * True for a line that runs what it has just fetched: `curl … | sh`, `bash <(curl …)`, `sh -c "$(wget …)"`, `iwr … | iex`
 * and the like. Takes time in proportion to the line, whatever stands in it.
 */
export function fetchesAndRuns(line: string): boolean {
  let [fetched, interprets, invokes] = [false, false, false];
  for (const { groups } of line.replace(/\\\r?\n/g, ' ').matchAll(TOKEN)) {
    if (groups === undefined) continue;
    if (groups.separator !== undefined) [fetched, interprets, invokes] = [false, false, false];
    else if (groups.piped !== undefined) {
      if (fetched) return true;
      interprets = true;
    } else if (groups.substituted !== undefined) {
      if (interprets) return true;
      fetched = true;
    } else if (groups.invoked !== undefined) {
      if (fetched) return true;
      invokes = true;
    } else if (groups.fetch !== undefined) {
      if (invokes) return true;
      fetched = true;
    } else if (groups.interpreter !== undefined) interprets = true;
  }
  return false;
}
