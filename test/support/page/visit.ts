import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { Scene } from '../scene.ts';

/** Somebody at a browser. */
export interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the browser complained of: errors of scripts, refusals by the page's policy, requests that went elsewhere. */
  readonly complaints: readonly string[];
  close(): Promise<void>;
}

/** How somebody looks at the page. */
export interface VisitOptions {
  readonly path?: string;
  readonly width?: number;
  readonly height?: number;
  readonly colorScheme?: 'light' | 'dark';
  readonly scopes?: readonly string[];
}

/** Opens the page in a browser of its own and listens to what it complains of. */
export async function openPage(browser: Browser, hubUrl: string, options: VisitOptions = {}): Promise<Visit> {
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1_280, height: options.height ?? 900 },
    colorScheme: options.colorScheme ?? 'light',
    locale: 'en-GB',
    timezoneId: 'Europe/Lisbon',
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('console', (message) => {
    // A refusal of the API is told by the page; the browser's own line about it is no fault of the page.
    const isAnswer = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !isAnswer) complaints.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(hubUrl)) complaints.push(`request: ${request.url()}`);
  });
  await page.goto(`${hubUrl}${options.path ?? '/'}`);
  return { page, context, complaints, close: () => context.close() };
}

/** Somebody of the scene at a browser, signed in as people do: with a token that they paste. */
export async function visit(browser: Browser, scene: Scene, who: string, options: VisitOptions = {}): Promise<Visit> {
  const { token } = await scene.as(who, options.scopes);
  const opened = await openPage(browser, scene.agent.hubUrl, options);
  await opened.page.getByLabel('Token', { exact: true }).fill(token);
  await opened.page.getByRole('button', { name: 'Sign in with the token' }).click();
  await opened.page.getByRole('button', { name: 'Sign out' }).waitFor();
  return opened;
}
