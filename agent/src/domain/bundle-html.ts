import { isJsonList, isJsonObject, type Json, type JsonObject } from './json.ts';
import { type KnownPerson, personWords } from './person-words.ts';
import { printable } from './printable.ts';

/** Pieces of the page of a bundle: JSON that may have any shape, as text in tables. */

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** A text within HTML, on one line: neither markup nor a character that deceives. */
export function escapeHtml(text: string): string {
  return printable(text).replace(/[&<>"']/g, (c) => ENTITIES[c]!);
}
/** The same for a text of several lines. */
export const escapeLines = (text: string): string => text.split('\n').map(escapeHtml).join('\n');

/** A value as text; what is not there is a dash. */
export function words(value: Json | undefined): string {
  if (value === undefined || value === null) return '–';
  if (isJsonList(value)) return value.length === 0 ? 'none' : value.map(words).join(', ');
  if (isJsonObject(value)) {
    const entries = Object.keys(value).map((key) => `${key}: ${words(value[key])}`);
    return entries.length === 0 ? 'none' : entries.join(', ');
  }
  return typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
}
/** The object that a value is, or an empty one. */
export const object = (value: Json | undefined): JsonObject => (isJsonObject(value) ? value : {});
/** The list that a value is, or an empty one. */
export const list = (value: Json | undefined): readonly Json[] => (isJsonList(value) ? value : []);

/** Names and values, one in a row; what is not there is left out. */
export function facts(rows: readonly (readonly [string, Json | undefined])[]): string {
  const shown = rows.filter(([, value]) => value !== undefined && value !== null && value !== '');
  return `<table>${shown.map(([name, value]) => `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(words(value))}</td></tr>`).join('')}</table>`;
}

/** A table of texts. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = heads.map((text) => `<th scope="col">${escapeHtml(text)}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`).join('');
  return rows.length === 0 ? '<p>None.</p>' : `<table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`;
}

/** One part of the page: its title, which the list of contents names too, and its body as HTML. */
export interface Part {
  readonly title: string;
  readonly body: string;
}
const anchorOf = (title: string): string => title.toLowerCase().replace(/[^a-z0-9]+/g, '-');
/** A part under its title, at a place that can be gone to. */
export const section = ({ title, body }: Part): string =>
  `<h2 id="${anchorOf(title)}">${escapeHtml(title)}</h2>\n${body}\n`;
/** What the page has, each a way to it. */
export function contents(parts: readonly Part[]): string {
  const ways = parts.map(({ title }) => `<li><a href="#${anchorOf(title)}">${escapeHtml(title)}</a></li>`);
  return `<nav aria-label="Contents"><ul>${ways.join('')}</ul></nav>`;
}
/** What is long, to be unfolded: without a script, and found by a search of the browser. */
export const folded = (summary: string, body: string): string =>
  `<details><summary>${escapeHtml(summary)}</summary>\n${body}\n</details>`;

/** The person that a value is. */
export function personOf(of: Json | undefined): KnownPerson {
  const { id, username, name } = object(of);
  const text = (value: Json | undefined) => (typeof value === 'string' ? value : null);
  return { id: typeof id === 'number' ? id : null, username: text(username), name: text(name) };
}

/** Name, user name and number of somebody: twins are told apart. */
export function personText(of: Json | undefined): string {
  const person = personOf(of);
  return person.id === null ? personWords(person) : `${personWords(person)}, user ${person.id}`;
}
