/** For each alert what makes it fire and what looks like it and must not; series as promtool reads them, one sample a minute. */
export interface AlertCase {
  readonly fires: Readonly<Record<string, string>>;
  readonly quiet: Readonly<Record<string, string>>;
  /** Minutes after which both are looked at. */
  readonly after: number;
}

const OF = 'job="holdpoint", instance="a:8094"';
const one = (name: string, fires: string, quiet: string, after = 20, labels = ''): AlertCase => {
  const series = `${name}{${OF}${labels === '' ? '' : `, ${labels}`}}`;
  return { fires: { [series]: fires }, quiet: { [series]: quiet }, after };
};
const verdicts = (fast: string, slow: string) => ({
  [`holdpoint_agent_verdict_duration_seconds_bucket{${OF}, outcome="pass", le="1"}`]: fast,
  [`holdpoint_agent_verdict_duration_seconds_bucket{${OF}, outcome="pass", le="15"}`]: slow,
  [`holdpoint_agent_verdict_duration_seconds_bucket{${OF}, outcome="pass", le="+Inf"}`]: slow,
});
const handOvers = (way: string, fast: string, slow: string) => ({
  [`holdpoint_agent_hand_over_duration_seconds_bucket{${OF}, way="${way}", le="60"}`]: fast,
  [`holdpoint_agent_hand_over_duration_seconds_bucket{${OF}, way="${way}", le="1800"}`]: slow,
  [`holdpoint_agent_hand_over_duration_seconds_bucket{${OF}, way="${way}", le="+Inf"}`]: slow,
});
const upstream = (good: string, bad: string) => ({
  [`holdpoint_upstream_request_duration_seconds_count{${OF}, call="job_update", code="2xx"}`]: good,
  [`holdpoint_upstream_request_duration_seconds_count{${OF}, call="jobs_request", code="5xx"}`]: bad,
});
const heartbeats = (ok: string, failed: string) => ({
  [`holdpoint_agent_heartbeats_total{${OF}, outcome="ok"}`]: ok,
  [`holdpoint_agent_heartbeats_total{${OF}, outcome="failed"}`]: failed,
});
const disk = (free: string) => ({
  [`holdpoint_state_dir_free_bytes{${OF}}`]: free,
  [`holdpoint_state_dir_size_bytes{${OF}}`]: '100x500',
});
const files = (open: string) => ({
  [`process_open_fds{${OF}}`]: open,
  [`process_max_fds{${OF}}`]: '1000x60',
});

/** Every alert of agent/monitoring/holdpoint.rules.yml. */
export const ALERT_CASES: Readonly<Record<string, AlertCase>> = {
  HoldpointDown: one('up', '1 0x20', '0 1x20'),
  HoldpointNoPolls: one(
    'holdpoint_gateway_request_duration_seconds_count',
    '5x40',
    '0+1x40',
    40,
    'route="jobs_request", code="2xx"',
  ),
  HoldpointLinkDown: one('holdpoint_link_up', '1x10 0x10', '1x18 0x2'),
  HoldpointNoAgent: one('holdpoint_hub_agents_connected', '1 0x20', '0x3 1x20'),
  HoldpointAuditBroken: one('holdpoint_hub_audit_intact', '0x20', '1x20'),
  HoldpointDamagedJob: one('holdpoint_agent_damaged_files_total', '0x10 1x10', '1x20'),
  HoldpointReceiptRefused: {
    fires: { [`holdpoint_agent_receipts_total{${OF}, outcome="no_receipt"}`]: '0x10 1x10' },
    quiet: {
      [`holdpoint_agent_receipts_total{${OF}, outcome="spent"}`]: '0+1x20',
      [`holdpoint_agent_receipts_total{${OF}, outcome="no_receipt"}`]: '3x20',
    },
    after: 20,
  },
  HoldpointBreakGlassUsed: one('holdpoint_hub_audit_events_total', '0x10 1x10', '3x20', 20, 'event="break_glass_used"'),
  HoldpointBreakGlassOverdue: one('holdpoint_hub_break_glass_overdue', '1x20', '0x20'),
  HoldpointWrongTokens: one('holdpoint_hub_rate_limited_total', '0x15 4x5', '0x20', 20, 'limit="wrong tokens"'),
  HoldpointStoreNotWritable: one('holdpoint_hub_store_writable', '0x20', '0x18 1x2'),
  HoldpointParkingLotNotWritable: one('holdpoint_agent_problem', '1x20', '0x20', 20, 'code="disk"'),
  HoldpointDiskFillsUp: { fires: disk('9x400'), quiet: disk('50x400'), after: 400 },
  HoldpointGitlabUnreachable: { fires: upstream('0+1x20', '0+3x20'), quiet: upstream('0+3x20', '0+1x20'), after: 20 },
  HoldpointHeartbeatsFail: { fires: heartbeats('0+3x40', '0+2x40'), quiet: heartbeats('0+9x40', '0+1x40'), after: 40 },
  HoldpointVerdictsFail: one(
    'holdpoint_agent_verdict_duration_seconds_count',
    '0+1x30',
    '0x5 1 1x25',
    30,
    'outcome="none"',
  ),
  HoldpointVerdictsSlow: { fires: verdicts('0x40', '0+5x40'), quiet: verdicts('0+5x40', '0+5x40'), after: 40 },
  HoldpointJobsUnconfirmed: one('holdpoint_agent_job_events_total', '0x10 1x10', '0x20', 20, 'event="unconfirmed"'),
  HoldpointHandOverSlow: {
    fires: handOvers('released', '0x60', '0+5x60'),
    // A diverted job waits for another runner, and nobody approved it.
    quiet: handOvers('diverted', '0x60', '0+5x60'),
    after: 60,
  },
  HoldpointParkingLotFull: one('holdpoint_agent_problem', '1x20', '0x20', 20, 'code="full"'),
  HoldpointRunnerTokenRefused: one('holdpoint_agent_problem', '1x20', '0x20', 20, 'code="runner_token"'),
  HoldpointPushesWait: one('holdpoint_hub_outbox_pushes', '2x30', '2x10 0 2x19', 30),
  HoldpointPolicyBroken: one('holdpoint_hub_policy_problem', '1x20', '0x20'),
  HoldpointNotificationsDead: one('holdpoint_hub_notifications_dead', '2x20', '0x20'),
  HoldpointPeopleUnknown: one('holdpoint_hub_people_problem', '1x20', '0x20'),
  HoldpointEventLoopLate: one('nodejs_eventloop_lag_p99_seconds', '0.7x20', '0.02x20'),
  HoldpointFilesRunOut: { fires: files('900x20'), quiet: files('300x20'), after: 20 },
  HoldpointBackupOld: one('holdpoint_backup_age_seconds', '605000x70', '86400x70', 70),
  HoldpointWaitsLong: one('holdpoint_hub_oldest_waiting_seconds', '20000x30', '3600x30', 30),
};
