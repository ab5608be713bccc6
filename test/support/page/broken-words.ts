import type { Page } from 'playwright-core';

/** Runs in the page; `label` names the table. */
const LOOK = `(label) => {
  const table = document.querySelector('section.wide[aria-label=' + JSON.stringify(label) + ']');
  const walker = document.createTreeWalker(table, NodeFilter.SHOW_TEXT);
  const broken = [];
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    for (const { 0: word, index } of node.textContent.matchAll(/[\\p{L}\\p{N}@]+/gu)) {
      const range = document.createRange();
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      if (new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size > 1) broken.push(word);
    }
  }
  return broken;
}`;

/** Words of a table that stand on more than one line. */
export async function brokenWords(page: Page, label: string): Promise<readonly string[]> {
  return page.evaluate(`(${LOOK})(${JSON.stringify(label)})`);
}
