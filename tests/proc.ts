/** Resources that a process uses, from proc(5): all of its threads, none of its children. */

/** Of the times in /proc, on every Linux (USER_HZ). */
const TICKS_PER_SECOND = 100;

/** CPU seconds since it was started, in user space and in system calls. */
export function cpuSeconds(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The fields of /proc/PID/stat from the third one on. */
function statFields(pid: number): string[] {
  // The second one is the name in brackets, which may hold anything.
  return Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ");
}

/** The clock that counts a process's time on processors: CPUCLOCK_SCHED of posix-timers.h. */
const CPUCLOCK_SCHED = 2;

/** CPU time to the nanosecond, from the process's clock (clock_getcpuclockid(3)); only on Linux. */
export function runSeconds(pid: number): number {
  const libc = Deno.dlopen("libc.so.6", {
    clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  });
  const time = new BigInt64Array(2);
  const failed = libc.symbols.clock_gettime((~pid << 3) | CPUCLOCK_SCHED, time) !== 0;
  libc.close();
  if (failed) {
    throw new Error(`Process ${pid} has no CPU clock: it has ended`);
  }
  return Number(time[0]) + Number(time[1]) / 1e9;
}

/** Memory that it has now (RSS), in MB. */
export function rssMb(pid: number): number {
  return memoryMb(pid, /VmRSS:\s+(\d+) kB/);
}

/** The most memory (RSS) that it ever had, in MB. */
export function peakMb(pid: number): number {
  return memoryMb(pid, /VmHWM:\s+(\d+) kB/);
}

function memoryMb(pid: number, field: RegExp): number {
  return Number(field.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) / 1000;
}

/** How many descriptors it has open. */
export function descriptorCount(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

/** CPU seconds of those of its children that have ended, with theirs. */
export function childrenSeconds(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

/** True while a child of it runs. */
export function hasChildren(pid: number): boolean {
  return [...Deno.readDirSync("/proc")].some(({ name }) => {
    try {
      return /^\d+$/.test(name) && Number(statFields(Number(name))[1]) === pid;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || /os error 3\b/.test(`${error}`)) return false;
      throw error;
    }
  });
}

/** Bytes that it has given to write calls, its log's as well. */
export function writtenBytes(pid: number): number {
  return Number(/^wchar: (\d+)$/m.exec(Deno.readTextFileSync(`/proc/${pid}/io`))![1]);
}
