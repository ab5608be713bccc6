import { type ConfigOption, option } from './options.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const MIB = 2 ** 20;
const TIB = 2 ** 40;

/** Every scalar of executor.yml. */
export const EXECUTOR_OPTIONS: readonly ConfigOption[] = [
  option('driver', 'choice', 'what runs the jobs; dummy isolates nothing and is for demos', {
    required: true,
    choices: ['docker', 'pty', 'dummy'],
  }),
  // Off is for a trial, or for a host that is guarded otherwise; each job log says so.
  option('receipts', 'choice', 'whether a job runs only with a receipt of the gateway', {
    default: 'required',
    choices: ['required', 'off'],
  }),
  option('receipt_socket', 'path', 'where the agent of this host is asked for receipts', {
    default: '/run/holdpoint/receipts.sock',
  }),
  option('receipt_wait', 'duration', 'how long an agent that does not answer is waited for: it may be starting', {
    default: '90s',
    range: [0, HOUR],
  }),
  option('runner', 'text', "name in agent.yml of the runner that is served here; another's receipts are refused"),
  option('builds_dir', 'path', "where the working copy is in the job's container", {
    default: '/builds',
    unit: 'folder',
  }),
  option('cache_dir', 'path', "where the cache is in the job's container", { default: '/cache', unit: 'folder' }),
  option('work_dir', 'path', 'folder of the drivers pty and dummy for working copies', {
    default: '/var/lib/holdpoint-executor',
    unit: 'folder',
  }),
  option('grace', 'duration', 'how long processes of a job that is cancelled have to end by themselves', {
    default: '10s',
    range: [0, 10 * MINUTE],
  }),
  option('prepare_timeout', 'duration', 'how long fetching images and starting services may take', {
    default: '30m',
    range: [SECOND, 24 * HOUR],
  }),
  option('docker.socket', 'path', "socket of the container engine: Docker's, or Podman's", {
    default: '/var/run/docker.sock',
  }),
  option('docker.image', 'text', 'image of jobs that name none; without it they are refused'),
  option(
    'docker.helper_image',
    'text',
    "image with git and gitlab-runner for sources, artifacts and cache; without it they are needed in each job's image",
  ),
  option('docker.user', 'text', 'user[:group] of every job; without it the one that the job or its image names'),
  option('docker.pull', 'choice', 'when an image is fetched', {
    default: 'if-not-present',
    choices: ['always', 'if-not-present', 'never'],
  }),
  option(
    'docker.allowed_pull',
    'text',
    'what jobs may ask for instead, with blanks between; default: docker.pull alone',
  ),
  option('docker.network', 'choice', 'job: a network for each job; internal: one that leads nowhere; none: none', {
    default: 'job',
    choices: ['job', 'internal', 'none'],
  }),
  option('docker.memory', 'size', 'memory of each container, swap included', {
    default: '2g',
    range: [8 * MIB, 64 * TIB],
  }),
  option('docker.cpus', 'text', 'processors of each container, e.g. 1.5; without it all', { unit: 'number' }),
  // A fork bomb ends here, and takes its own container alone with it.
  option('docker.pids', 'integer', 'processes and threads of each container', {
    default: '1024',
    range: [8, 1_000_000],
  }),
  option('docker.root', 'choice', "whether jobs may write to their container's root", {
    default: 'writable',
    choices: ['writable', 'read-only'],
  }),
  option('docker.tmp_size', 'size', 'size of /tmp where the root is read-only', {
    default: '256m',
    range: [MIB, TIB],
  }),
  option(
    'docker.root_size',
    'size',
    "size of a container's root; only some storage drivers can, the others refuse the job",
    {
      range: [MIB, 64 * TIB],
    },
  ),
  option('docker.builds_size', 'size', "size of the working copy, which then lies in memory; Docker's engine only", {
    range: [MIB, TIB],
  }),
  option('docker.capabilities', 'text', 'capabilities of jobs, with blanks between, e.g. CHOWN SETUID; default none'),
  option('docker.service_capabilities', 'text', 'capabilities of services; databases that start as root need some'),
  option('docker.new_privileges', 'choice', 'whether set-user-id programs count', {
    default: 'refuse',
    choices: ['refuse', 'allow'],
  }),
  option('docker.volumes', 'text', 'folders that every job gets, host:container[:ro], with blanks between'),
  option(
    'docker.socket_jobs',
    'text',
    'jobs that get the socket of the engine, and with it the host: project/path:job name, with commas between',
  ),
  option('docker.cache', 'choice', 'none, or a cache for each project, apart for protected refs', {
    default: 'none',
    choices: ['none', 'project'],
  }),
  option('docker.service_wait', 'duration', 'how long services have to come up before the job goes on', {
    default: '30s',
    range: [0, HOUR],
  }),
  option(
    'pty.users',
    'text',
    'users that jobs run as, one job at a time each, with blanks between: names, or uid:gid; needed by driver pty',
  ),
  option('pty.trust', 'choice', 'whether jobs may run as root, as the user of gitlab-runner or of the agent', {
    default: 'nobody',
    choices: ['nobody', 'jobs-may-do-what-that-user-may'],
  }),
  option('pty.term', 'text', 'what TERM says of the terminal', { default: 'xterm-256color' }),
  option('pty.window', 'text', 'size of the terminal, columns x rows', { default: '120x40' }),
  option('pty.path', 'text', 'PATH of jobs', {
    default: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  }),
  option('pty.memory', 'size', 'memory of a job; refused where no control group can hold it', {
    range: [8 * MIB, 64 * TIB],
  }),
  option('pty.cpus', 'text', 'processors of a job, e.g. 1.5; refused where no control group can hold it', {
    unit: 'number',
  }),
  option('pty.pids', 'integer', 'processes and threads of a job', { default: '1024', range: [8, 1_000_000] }),
  option('pty.files', 'integer', 'open files of each process', { default: '4096', range: [16, 1_000_000] }),
  option('pty.file_size', 'size', 'size of the largest file that a job can write; without it any', {
    range: [MIB, 64 * TIB],
  }),
  option('pty.disk_size', 'size', 'size of all folders of a job, which then lie in memory; without it the disk', {
    range: [MIB, TIB],
  }),
  option('pty.new_privileges', 'choice', 'whether set-user-id programs like sudo count', {
    default: 'refuse',
    choices: ['refuse', 'allow'],
  }),
  option('pty.limits', 'choice', 'auto: control groups where they can be made; ulimits: none', {
    default: 'auto',
    choices: ['auto', 'ulimits'],
  }),
];
