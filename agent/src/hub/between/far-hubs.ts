import type { AgentProblem } from '../../domain/agent-problem.ts';
import type { AgentStatus, LogPiece, RevealedValue, RevealQuestion } from '../../ports/agents.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Examined } from '../../ports/gatekeeper.ts';
import {
  betweenBytes,
  type LetterBody,
  type LinkedAgent,
  MAX_TOLD_PROBLEMS,
  readFarPiece,
} from '../../wire/between.ts';
import { farReveals } from './far-reveals.ts';
import { type FarAgent, knownHubs } from './known-hubs.ts';
import { createLetters, type LettersOptions } from './letters.ts';
import { sealingKey, sealTo } from './sealed.ts';

/** Everything is said again this often, to whoever missed a letter. */
const BEAT_MS = 10_000;
/** Characters of a problem's words that other hubs are told. */
const MAX_WORDS = 2_000;
const PIECE = 'log';

/** What a hub tells others of an agent that is linked to it. */
export interface OwnAgent {
  readonly name: string;
  readonly since: number;
  readonly address: string | null;
  readonly problems: readonly AgentProblem[];
  readonly status: AgentStatus | null;
  readonly examined: Examined | null;
}
/** This hub, as others ask about it. */
export interface OwnHub {
  agents(): readonly OwnAgent[];
  /** One of them; null for one that is not linked here. */
  agent(name: string): OwnAgent | null;
  /** Who lent a credential to this hub, and until when. */
  lent(): readonly { readonly person: number; readonly until: number }[];
  /** Rejects with `cannot_reveal`. */
  reveal(agent: string, question: RevealQuestion): Promise<readonly RevealedValue[]>;
  /** Whether people of other hubs look at a log may have changed. */
  watch(agent: string, hold: number): void;
  examine(agent: string): void;
  /** Somebody takes back, at another hub, what they lent here. */
  takeBack(person: number): void;
  /** A piece of a log that somebody here looks at. */
  piece(agent: string, piece: LogPiece): void;
  /** What others say of their agents has changed. */
  changed(): void;
}
/** The other hubs on the store, and what of them one hub has to know. */
export interface FarHubs {
  agent(name: string): FarAgent | null;
  addresses(): readonly string[];
  lentUntil(person: number): number | null;
  takeBack(person: number): void;
  reveal(to: FarAgent, question: RevealQuestion): Promise<readonly RevealedValue[]>;
  examine(agent: string): void;
  /** Somebody here begins or ends to look at a log. */
  watch(agent: string, hold: number, on: boolean): void;
  /** Whether people of another hub look at it. */
  isWatched(agent: string, hold: number): boolean;
  /** Holds of an agent whose logs people of other hubs look at. */
  watched(agent: string): readonly number[];
  /** A piece that an agent of this hub has sent. */
  piece(agent: string, piece: LogPiece): void;
  /** One agent has come or gone, or has told something that cannot wait for the next beat. */
  linked(agent: string): void;
  examined(agent: string): void;
  /** Says everything now: to hubs that may have missed it. */
  beat(): void;
  close(): void;
}

/** Joins the hubs on a store: what one knows alone, the others ask it for. Lost letters cost seconds, never a decision. */
export function joinHubs(letters: Omit<LettersOptions, 'take'>, own: OwnHub): FarHubs {
  const clock: Clock = letters.clock;
  const known = knownHubs(() => clock.now());
  const watching = new Map<string, { readonly agent: string; readonly hold: number }>();
  const key = sealingKey();
  const { self, post } = createLetters({ ...letters, take });
  const reveals = farReveals(clock, post, own.reveal);
  let cancel = clock.after(BEAT_MS, beatAndAgain);

  function tellExamined({ name, examined }: OwnAgent): void {
    if (examined !== null) post({ type: 'examined', agent: name, ...examined });
  }
  function beat(): void {
    const watched = [...watching.values()];
    post({ type: 'beat', agents: own.agents().map(linkedOf), lent: own.lent(), watched, key: key.publicKey });
  }
  function beatAndAgain(): void {
    beat();
    cancel = clock.after(BEAT_MS, beatAndAgain);
  }

  /** A whole word of another hub: what its people look at may be other logs than before. */
  function takeBeat(from: string, body: Extract<LetterBody, { type: 'beat' }>): void {
    const watchedNow = () => own.agents().flatMap(({ name }) => known.watched(name).map((hold) => ({ name, hold })));
    const before = watchedNow();
    const isNew = known.beat(from, body);
    for (const { name, hold } of [...before, ...watchedNow()]) own.watch(name, hold);
    if (!isNew) return;
    // Who is new knows nothing of this one.
    beat();
    own.agents().forEach(tellExamined);
    own.changed();
  }
  function takePiece(sealed: string): void {
    const plain = key.open(sealed, PIECE);
    const piece = plain && readFarPiece(plain);
    if (piece === null || !watching.has(`${piece.agent} ${piece.hold}`)) return;
    const { agent, hold, jobId, offset, chunk } = piece;
    own.piece(agent, { hold, jobId, offset, bytes: Buffer.from(chunk, 'base64') });
  }
  function take(from: string, body: LetterBody): void {
    if ('to' in body && body.to !== self) return;
    switch (body.type) {
      case 'beat':
        takeBeat(from, body);
        break;
      case 'linked':
        known.linked(from, body.agent, body.now);
        own.changed();
        break;
      case 'examined':
        known.examined(from, body.agent, { at: body.at, findings: body.findings });
        own.changed();
        break;
      case 'watch':
        known.watch(from, body);
        own.watch(body.agent, body.hold);
        break;
      case 'ask':
        void reveals.asked(from, body);
        break;
      case 'answer':
        reveals.answered(body);
        break;
      case 'piece':
        takePiece(body.sealed);
        break;
      case 'examine':
        own.examine(body.agent);
        break;
      case 'take_back':
        own.takeBack(body.person);
        break;
      default:
        body satisfies never;
    }
  }

  return {
    agent: known.agent,
    addresses: known.addresses,
    lentUntil: known.lentUntil,
    takeBack: (person) => post({ type: 'take_back', person }),
    reveal: ({ hub, name }, question) => reveals.ask(hub, name, question),
    examine: (agent) => post({ type: 'examine', agent }),
    watch(agent, hold, on) {
      if (on) watching.set(`${agent} ${hold}`, { agent, hold });
      else watching.delete(`${agent} ${hold}`);
      post({ type: 'watch', agent, hold, on, key: key.publicKey });
    },
    isWatched: (agent, hold) => known.watchers(agent, hold).length > 0,
    watched: known.watched,
    piece(agent, { hold, jobId, offset, bytes }) {
      const watchers = known.watchers(agent, hold);
      if (watchers.length === 0) return;
      const plain = betweenBytes({ agent, hold, jobId, offset, chunk: Buffer.from(bytes).toString('base64') });
      for (const { hub, key: theirs } of watchers)
        post({ type: 'piece', to: hub, sealed: sealTo(theirs, plain, PIECE) });
    },
    linked(agent) {
      const now = own.agent(agent);
      post({ type: 'linked', agent, now: now === null ? null : linkedOf(now) });
    },
    examined(agent) {
      const now = own.agent(agent);
      if (now !== null) tellExamined(now);
    },
    beat,
    close() {
      cancel();
      // Whoever is asked about agents of this hub must not wait until they lapse.
      post({ type: 'beat', agents: [], lent: [], watched: [], key: key.publicKey });
      reveals.close();
    },
  };
}

function linkedOf({ name, since, address, problems, status }: OwnAgent): LinkedAgent {
  const told = problems.slice(0, MAX_TOLD_PROBLEMS).map(({ code, blocks, message }) => ({
    code,
    blocks,
    message: message.slice(0, MAX_WORDS),
  }));
  return { name, since, address, problems: told, status };
}
