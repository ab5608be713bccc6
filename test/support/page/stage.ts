import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { builtPage } from '../built-page.ts';
import { openScene, type Scene } from '../scene.ts';
import { openBrowser } from './browser.ts';
import { type Visit, type VisitOptions, visit } from './visit.ts';

/** A browser and a scene with the page, for the tests of one file; each test has a scene of its own. */
export interface Stage {
  readonly scene: Scene;
  readonly browser: Browser;
  /** Somebody looks at a path of the page. */
  see(who: string, path: string, options?: VisitOptions): Promise<Page>;
  /** Complaints of all browsers so far; asked for, they are forgotten. */
  complaints(): readonly string[];
  /** Begins a test; with a runner unless it brings its own. */
  open(options?: Parameters<typeof openScene>[0], more?: { readonly runner: boolean }): Promise<void>;
  /** Ends it; throws with what browsers have complained of. */
  close(): Promise<void>;
  end(): Promise<void>;
}

/** Starts the browser and builds the page. */
export async function openStage(): Promise<Stage> {
  const [browser, page] = await Promise.all([openBrowser(), builtPage()]);
  let scene: Scene | null = null;
  const visits: Visit[] = [];
  const told = new Map<Visit, number>();
  const complaints = () =>
    visits.flatMap((one) => {
      const fresh = one.complaints.slice(told.get(one) ?? 0);
      told.set(one, one.complaints.length);
      return fresh;
    });
  return {
    get scene() {
      if (scene === null) throw new Error('no scene is open');
      return scene;
    },
    browser,
    async see(who, path, options = {}) {
      if (scene === null) throw new Error('no scene is open');
      const opened = await visit(browser, scene, who, { path, ...options });
      visits.push(opened);
      return opened.page;
    },
    complaints,
    async open(options = {}, { runner } = { runner: true }) {
      scene = await openScene({ page, ...options });
      if (runner) scene.runner();
    },
    async close() {
      const left = complaints();
      await Promise.all(visits.splice(0).map((one) => one.close()));
      await scene?.close();
      scene = null;
      if (left.length > 0) throw new Error(`browsers complained: ${left.join('\n')}`);
    },
    end: () => browser.close(),
  };
}

/** The stage of a test file: opened before its first test, closed after each, ended after the last. */
export function stageOfFile(): Stage {
  let opened: Stage | null = null;
  beforeAll(async () => {
    opened = await openStage();
  });
  afterEach(() => opened?.close());
  afterAll(() => opened?.end());
  const stage = (): Stage => {
    if (opened === null) throw new Error('the stage opens before the first test, not while the file is read');
    return opened;
  };
  return {
    get scene() {
      return stage().scene;
    },
    get browser() {
      return stage().browser;
    },
    see: (...asked) => stage().see(...asked),
    complaints: () => stage().complaints(),
    open: (...asked) => stage().open(...asked),
    close: () => stage().close(),
    end: () => stage().end(),
  };
}
