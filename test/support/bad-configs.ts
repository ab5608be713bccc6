/** A runner's token, and another one. */
export const TOKEN = 'glrt-t1_AbCdEfGhIjKlMnOpQrSt';
export const OTHER = 'glrt-t1_ZyXwVuTsRqPoNmLkJiHg';

/** An agent.yml with what must stand in it. */
export const GOOD = `gitlab:
  url: https://gitlab.example.com/
principals: principals.yaml
state_dir: state
runners:
  - name: shell
    token: ${TOKEN}
`;

/** What is wrong, the text, and every problem that is named. */
export const BAD: readonly (readonly [string, string, readonly string[]])[] = [
  [
    'an empty file',
    '',
    [
      'agent.yml: gitlab.url: missing: address of GitLab; set it in agent.yml, with --gitlab-url or with HOLDPOINT_GITLAB_URL',
      'agent.yml: principals: missing: users, groups and their access levels: who may approve; beside GitLab or instead of it; set it in agent.yml, with --principals or with HOLDPOINT_PRINCIPALS, or let GitLab say it: hub.gitlab_members_token_file',
    ],
  ],
  [
    'a misspelt key',
    GOOD.replace('state_dir', 'statedir'),
    ['agent.yml:4:1: statedir: unknown key; did you mean "state_dir"?'],
  ],
  [
    'a key in the wrong place',
    `${GOOD}listen: 127.0.0.1:1\n`,
    ['agent.yml:8:1: listen: unknown key; did you mean "gateway.listen"?'],
  ],
  [
    'a misspelt key in a section',
    `${GOOD}parking:\n  max_hold: 3\n`,
    ['agent.yml:9:3: parking.max_hold: unknown key; did you mean "max_holds"?'],
  ],
  [
    'a misspelt key of a runner',
    `${GOOD}    protectd: false\n`,
    ['agent.yml:8:5: runners[0].protectd: unknown key; did you mean "protected"?'],
  ],
  ['a key like nothing', `${GOOD}frobnicate: 1\n`, ['agent.yml:8:1: frobnicate: unknown key']],
  [
    '__proto__ and constructor (T45)',
    `${GOOD}__proto__: {x: 1}\nconstructor: 2\n`,
    ['agent.yml:8:1: __proto__: unknown key', 'agent.yml:9:1: constructor: unknown key'],
  ],
  [
    'text for a number',
    `${GOOD}parking: {max_holds: "5"}\n`,
    ['agent.yml:8:22: parking.max_holds: found "5", wanted a whole number'],
  ],
  [
    'a fraction',
    `${GOOD}parking: {max_holds: 1.5}\n`,
    ['agent.yml:8:22: parking.max_holds: found 1.5, wanted a whole number'],
  ],
  [
    'a number for a time',
    `${GOOD}parking: {live: 90}\n`,
    ['agent.yml:8:17: parking.live: found 90, wanted a time like 90s, 10m, 1h or 30d'],
  ],
  [
    'a time in words',
    `${GOOD}parking: {live: 10 minutes}\n`,
    ['agent.yml:8:17: parking.live: found "10 minutes", wanted a time like 90s, 10m, 1h or 30d'],
  ],
  [
    'a time too short',
    `${GOOD}parking: {handover_confirm: 500ms}\n`,
    ['agent.yml:8:29: parking.handover_confirm: 500ms is too little; at least 1s'],
  ],
  ['a time too long', `${GOOD}parking: {live: 31d}\n`, ['agent.yml:8:17: parking.live: 31d is too much; at most 30d']],
  [
    'a word that is no level',
    `${GOOD}log: {level: loud}\n`,
    ['agent.yml:8:14: log.level: found "loud", wanted debug, info, warn, error'],
  ],
  [
    'an address without a scheme',
    GOOD.replace('https://gitlab.example.com/', 'gitlab.example.com'),
    ['agent.yml:2:8: gitlab.url: wanted an address like https://gitlab.example.com'],
  ],
  [
    'another scheme',
    GOOD.replace('https:', 'ftp:'),
    ['agent.yml:2:8: gitlab.url: wanted an address with https:// or http://'],
  ],
  [
    'a port without host',
    `${GOOD}gateway: {listen: 8093}\n`,
    ['agent.yml:8:19: gateway.listen: found 8093, wanted text; put it in quotes'],
  ],
  [
    'a port that is none',
    `${GOOD}gateway: {listen: '127.0.0.1:70000'}\n`,
    ['agent.yml:8:19: gateway.listen: wanted host:port, like 127.0.0.1:8093 or [::1]:8093'],
  ],
  [
    'gateway and hub on one address',
    `${GOOD}gateway: {listen: '127.0.0.1:8094'}\n`,
    ['agent.yml:8:19: hub.listen: gateway and hub cannot listen on the same address'],
  ],
  ['a section without keys', `${GOOD}parking:\n`, ['agent.yml:8:9: parking: wanted keys below it']],
  ['a list for a value', `${GOOD}log: {level: [info]}\n`, ['agent.yml:8:14: log.level: wanted a single value']],
  [
    'a mapping for a list',
    GOOD.replace('  - name: shell\n    token:', '  shell:'),
    ['agent.yml:6:3: runners: wanted a list ("- name: …")'],
  ],
  [
    'a runner without name',
    GOOD.replace('name: shell\n    ', ''),
    ['agent.yml:6:5: runners[0].name: missing: every runner has a name'],
  ],
  [
    'a runner without token',
    GOOD.replace(/ {4}token.*\n/, ''),
    ['agent.yml:6:5: runners[0]: no token: give token_file (a file with mode 600) or token'],
  ],
  ['protected: "no"', `${GOOD}    protected: "no"\n`, ['agent.yml:8:16: runners[0].protected: wanted true or false']],
  [
    'protected: no, which YAML 1.2 reads as text',
    `${GOOD}    protected: no\n`,
    ['agent.yml:8:16: runners[0].protected: wanted true or false'],
  ],
  [
    'two runners of one name',
    `${GOOD}  - {name: shell, token: ${OTHER}}\n`,
    ['agent.yml:8:12: runners[1].name: runners[0] is called that as well; every runner has its own name'],
  ],
  [
    'two runners of one token',
    `${GOOD}  - {name: two, token: ${TOKEN}}\n`,
    ['agent.yml:8:24: runners[1].token: is the token of runners[0] as well; name each runner once'],
  ],
  [
    'a duplicate key (T2)',
    `${GOOD}state_dir: other\n`,
    ['agent.yml:8:1: state_dir: stands twice, first at agent.yml:4:1'],
  ],
  [
    'a duplicate key deep down (T2)',
    GOOD.replace('    token', '    "name": b\n    token'),
    ['agent.yml:7:5: runners[0].name: stands twice, first at agent.yml:6:5'],
  ],
  [
    'an anchor and its alias (T2)',
    `${GOOD.replace('shell', '&a shell')}  - {name: *a, token: ${OTHER}}\n`,
    [
      'agent.yml:6:14: runners[0].name: anchors (&name) are not allowed; write the value out',
      'agent.yml:8:12: runners[1].name: aliases (*name) are not allowed; write the value out',
    ],
  ],
  [
    'a merge key (T2)',
    `${GOOD}log:\n  <<: {level: debug}\n`,
    ['agent.yml:9:3: log: merge keys (<<) are not allowed; write the keys out'],
  ],
  ['a tag', `${GOOD}log: {level: !!str info}\n`, ['agent.yml:8:20: log.level: tags (!…) are not allowed']],
  [
    'a bracket left open',
    `${GOOD}log: [\n`,
    ['agent.yml:9:1: not YAML: the indentation does not fit, or a bracket is not closed'],
  ],
  [
    'two documents',
    `${GOOD}---\na: 1\n`,
    ['agent.yml:8:1: not YAML: a second document begins here; one file has one document'],
  ],
  [
    'a hub elsewhere that would be reached in clear',
    `${GOOD}hub: {url: http://hub.example.com}\n`,
    [
      'agent.yml:8:12: hub.url: http:// would send what decides over jobs, and the key of hidden values, in clear: wanted https://; http:// is taken to this machine only, or anywhere with hub.plain_http: allow',
    ],
  ],
  [
    'an enrolment without a hub elsewhere',
    `${GOOD}hub: {enrolment_token_file: token}\n`,
    ['agent.yml:8:29: hub.enrolment_token_file: an agent enrols with a hub elsewhere: set hub.url, or take this out'],
  ],
  [
    'a policy under both of its keys',
    `${GOOD}policy: a.yaml\nhub: {policy: b.yaml}\n`,
    ['agent.yml:9:7: hub.policy: means the same as "policy", which stands there too; keep one'],
  ],
  [
    'runner modes and gateway tokens that cannot be meant',
    `${GOOD}    mode: observe\n  - {name: b, token: ${OTHER}, gateway_token: ${TOKEN}}\n  - {name: c, token: same, gateway_token: same}\n  - {name: d, token: t, protected: false, mode: monitor}\n`,
    [
      'agent.yml:8:11: runners[0].mode: wanted enforce or monitor',
      'agent.yml:10:43: runners[2].gateway_token: is the token itself; make one of your own: openssl rand -hex 24',
      'agent.yml:11:49: runners[3].mode: a runner that is not protected is not gated: nothing would be recorded; take mode out',
    ],
  ],
  [
    'a gateway token that is the token of another runner, or given twice',
    `${GOOD}  - {name: b, token: x, gateway_token: ${TOKEN}}\n  - {name: c, token: y, gateway_token: z, gateway_token_file: f}\n`,
    [
      'agent.yml:8:40: runners[1].gateway_token: is the token of runners[0] as well; name each runner once',
      'agent.yml:9:63: runners[2].gateway_token_file: both gateway_token and gateway_token_file are given; keep one',
    ],
  ],
  [
    'what later versions bring',
    `${GOOD}    divert: x\noidc: {}\nhub: {notify: {}}\non_unmatched: divert\n`,
    [
      'agent.yml:8:5: runners[0].divert: which runner takes what nobody approved stands in the policy, under on_unmatched',
      'agent.yml:10:15: hub.notify: wanted a list ("- name: …")',
      'agent.yml:9:1: oidc: not supported in this version; take it out',
      'agent.yml:11:1: on_unmatched: stands in the policy (policy.yaml), not here',
    ],
  ],
  [
    'an address of PostgreSQL without a database, which is not quoted',
    `${GOOD}hub: {store: 'postgres://u:hunter2@h'}\n`,
    ['agent.yml:8:14: hub.store: wanted postgres://user@host:5432/database'],
  ],
  [
    'a principals file that is not there',
    GOOD.replace('principals.yaml', 'nobody.yaml'),
    ['agent.yml:3:13: principals: cannot read "nobody.yaml": there is no such file'],
  ],
  [
    'a policy file that is not there',
    `${GOOD}policy: no.yaml\n`,
    ['agent.yml:8:9: policy: cannot read "no.yaml": there is no such file'],
  ],
  [
    'a certificate that is none',
    GOOD.replace('principals:', '  ca: principals.yaml\nprincipals:'),
    ['agent.yml:3:7: gitlab.ca: "principals.yaml" has no PEM certificate in it'],
  ],
  [
    'a certificate that cannot be read',
    GOOD.replace('principals:', '  ca: spoilt.pem\nprincipals:'),
    ['agent.yml:3:7: gitlab.ca: the PEM certificate number 1 in "spoilt.pem" cannot be read'],
  ],
  [
    'a token file that is not there',
    GOOD.replace(/token: .*/, 'token_file: nowhere/token'),
    ['agent.yml:7:17: runners[0].token_file: cannot read "nowhere/token": there is no such file'],
  ],
  [
    'several mistakes at once',
    `gitlab: {url: 5, cb: x}\nprincipals: [a]\nrunners:\n  - name: 7\n    tokn: x\nlog: {format: xml}\nwhat: 1\n`,
    [
      'agent.yml:1:15: gitlab.url: found 5, wanted text; put it in quotes',
      'agent.yml:1:18: gitlab.cb: unknown key; did you mean "ca"?',
      'agent.yml:2:13: principals: wanted a single value',
      'agent.yml:4:11: runners[0].name: wanted text; put it in quotes',
      'agent.yml:5:5: runners[0].tokn: unknown key; did you mean "token"?',
      'agent.yml:6:15: log.format: found "xml", wanted json, text',
      'agent.yml:7:1: what: unknown key',
    ],
  ],
];
