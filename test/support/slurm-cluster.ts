import { execFileSync, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import os from 'node:os';
import { join } from 'node:path';
import { comesTrue, shell } from './faults.js';
import { freshFolder } from './vgr.js';

const PROGRAMS = ['slurmctld', 'slurmd', 'sbatch', 'munged'];

/** Why no Slurm can be started here; undefined where one can. */
export function whyNoSlurm(): string | undefined {
  if (process.platform !== 'linux') return 'Slurm runs on Linux';
  if (process.getuid?.() !== 0) return 'slurmd needs root';
  if (PROGRAMS.every(isThere)) return undefined;
  return 'slurm-wlm and munge are not installed';
}

function isThere(program: string): boolean {
  return shell('command -v "$1"', program).status === 0;
}

/** A Slurm of this machine alone: one controller, one node of two CPUs. Everything it writes is in one folder. */
export class SlurmCluster {
  readonly #folder: string;
  readonly #pids: number[] = [];
  readonly #env: { readonly SLURM_CONF: string };

  private constructor(folder: string) {
    this.#folder = folder;
    this.#env = { SLURM_CONF: join(folder, 'slurm.conf') };
  }

  /** @throws Error with the logs where it does not come up */
  static async start(): Promise<SlurmCluster> {
    const folder = freshFolder();
    const cluster = new SlurmCluster(folder);
    try {
      await cluster.#start();
      return cluster;
    } catch (thrown) {
      const logs = cluster.#logs();
      await cluster.stop();
      throw new Error(`Slurm does not start: ${thrown}\n${logs}`);
    }
  }

  async #start(): Promise<void> {
    const folder = this.#folder;
    execFileSync('chmod', ['755', folder]);
    for (const name of ['state', 'spool']) mkdirSync(join(folder, name));
    const socket = join(folder, 'munge.socket');
    const key = join(folder, 'munge.key');
    writeFileSync(key, randomBytes(128), { mode: 0o600 });
    const files = ['pid', 'log', 'seed'].map(
      (name) => `--${name}-file=${join(folder, `munge.${name}`)}`,
    );
    this.#daemon('munged', [
      '--foreground',
      '--force',
      `--socket=${socket}`,
      `--key-file=${key}`,
      ...files,
    ]);
    await this.#until('munge', () => shell('munge -n -S "$1"', socket).status === 0);
    writeFileSync(this.#env.SLURM_CONF, await configuration(folder, socket));
    this.#daemon('slurmctld', ['-D']);
    await this.#until('slurmctld', () => /UP/.test(this.run('scontrol', ['ping']).stdout));
    this.#daemon('slurmd', ['-D', '-N', 'vgr']);
    await this.#until('slurmd', () => /idle/.test(this.run('sinfo', ['-h', '-o', '%T']).stdout));
  }

  /** Runs one of Slurm's own programs. */
  run(
    program: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): SpawnSyncReturns<string> {
    const all = { ...process.env, ...this.#env, ...env };
    return spawnSync(program, args, { encoding: 'utf8', env: all });
  }

  /** Jobs that are not at their end, with their states. */
  queue(): string {
    return this.run('squeue', ['-h', '-r', '-o', '%i %T %r']).stdout.trim();
  }

  async stop(): Promise<void> {
    this.run('scancel', ['--user=root']);
    await comesTrue(() => this.queue() === '', { withinMs: 60_000, everyMs: 200 });
    for (const pid of this.#pids.reverse()) {
      endProcess(pid, 'SIGTERM');
      if (!(await comesTrue(() => !isAlive(pid), { withinMs: 60_000 }))) endProcess(pid, 'SIGKILL');
    }
  }

  #daemon(program: string, args: readonly string[]): void {
    const log = openSync(join(this.#folder, `${program}.out`), 'w');
    const child = spawn(program, args, {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...this.#env },
    });
    closeSync(log);
    if (child.pid !== undefined) this.#pids.push(child.pid);
  }

  async #until(what: string, condition: () => boolean): Promise<void> {
    if (!(await comesTrue(condition, { everyMs: 100 }))) throw new Error(`${what} gives no answer`);
  }

  #logs(): string {
    return shell('tail -n 20 "$1"/*.out "$1"/*.log', this.#folder).stdout;
  }
}

async function configuration(folder: string, socket: string): Promise<string> {
  const [controller, node] = [await freePort(), await freePort()];
  return `ClusterName=vgr
SlurmctldHost=${os.hostname()}(127.0.0.1)
SlurmctldPort=${controller}
SlurmdPort=${node}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A task that is queued again waits until its old credential has run out.
AuthInfo=socket=${socket},cred_expire=5
CredType=cred/munge
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/slurmd.pid
SlurmctldLogFile=${folder}/slurmctld.log
SlurmdLogFile=${folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=2,batch_sched_delay=1,bf_interval=2
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
KillWait=5
ReturnToService=2
NodeName=vgr NodeHostname=${os.hostname()} NodeAddr=127.0.0.1 CPUs=2 RealMemory=16000 State=UNKNOWN
PartitionName=vgr Nodes=vgr Default=YES MaxTime=INFINITE State=UP
`;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

function endProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}

/** A zombie is dead: only its parent has not looked yet. */
function isAlive(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return status.slice(status.lastIndexOf(')') + 2, status.lastIndexOf(')') + 3) !== 'Z';
  } catch {
    return false;
  }
}
