// Loaded before the program by the harness (NODE_OPTIONS=--import …), and part of no build: a clock that is wrong, and a disk
// that is slow, as the file of FAULTS_WARP says at this moment: {"clockMs": n, "fsyncMs": n}; and names that lead to where
// FAULTS_NAMES says, as a host's own resolver would have them: {"name": "address"}.
import dns from 'node:dns';
import { readFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';

const file = process.env.FAULTS_WARP;
const RealDate = Date;
let warp = { clockMs: 0, fsyncMs: 0 };

function look() {
  try {
    warp = { clockMs: 0, fsyncMs: 0, ...JSON.parse(readFileSync(file, 'utf8')) };
  } catch {
    // Half written: the next look reads it.
  }
}

const names = JSON.parse(process.env.FAULTS_NAMES ?? '{}');
const { lookup } = dns;
dns.lookup = (name, ...rest) => lookup(names[name] ?? name, ...rest);

if (file !== undefined) {
  look();
  setInterval(look, 100).unref();
  globalThis.Date = class extends RealDate {
    constructor(...args) {
      if (args.length === 0) super(RealDate.now() + warp.clockMs);
      else super(...args);
    }
    static now() {
      return RealDate.now() + warp.clockMs;
    }
  };
  // The parking lot: every flush of a file waits.
  const probe = await fs.open(new URL(import.meta.url), 'r');
  const handle = Object.getPrototypeOf(probe);
  await probe.close();
  for (const name of ['sync', 'datasync']) {
    const real = handle[name];
    handle[name] = async function (...args) {
      if (warp.fsyncMs > 0) await new Promise((resolve) => setTimeout(resolve, warp.fsyncMs));
      return real.apply(this, args);
    };
  }
  // SQLite flushes in the thread that asked, so a slow disk stops everything for that long: as it does here.
  const Database = createRequire(process.argv[1] ?? import.meta.url)('better-sqlite3');
  const { prepare } = Database.prototype;
  const sleep = new Int32Array(new SharedArrayBuffer(4));
  Database.prototype.prepare = function (sql, ...args) {
    if (warp.fsyncMs > 0 && /^\s*commit/i.test(sql)) Atomics.wait(sleep, 0, 0, warp.fsyncMs);
    return prepare.call(this, sql, ...args);
  };
}
