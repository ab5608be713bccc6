import type { HubPush } from './gatekeeper.ts';

/** Hints to whoever listens; the store is the truth and is read again by the receiver. Never fails. */
export interface Push {
  /** The outbox of this agent has these, which are stored for good. */
  wake(agent: string, pushes: readonly HubPush[]): void;
  /** Something that people may be looking at has changed. */
  changed(event: ChangedEvent): void;
}
/** What has changed, without its content. */
export interface ChangedEvent {
  readonly type: 'hold' | 'review' | 'approval' | 'deployment' | 'break_glass' | 'agent';
  /** Of the thing; 0 for an agent, whose name is its state's subject. */
  readonly id: number;
  readonly state: string;
  /** Project that decides who may see the event, null for what every reader may see. */
  readonly projectId: number | null;
}
